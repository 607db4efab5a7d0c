"""Measures: each computes columns for pairs or prompts; one module for each kind."""
