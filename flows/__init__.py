"""Prefect flows: when, where and how often the plan's steps run."""
