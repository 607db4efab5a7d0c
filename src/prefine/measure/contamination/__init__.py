"""Benchmark contamination of prompts and responses."""

from prefine.measure.contamination.measure import Contamination

__all__ = ["Contamination"]
