"""Prefect flows that run a recipe: one task per shard of each step."""
