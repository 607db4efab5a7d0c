"""Measures: facts that are written beside pairs, or beside their prompts; one module a kind."""
