"""How much of benchmarks' texts stands in prompts and responses."""

from prefine.measure.contamination.measure import Contamination

__all__ = ["Contamination"]
