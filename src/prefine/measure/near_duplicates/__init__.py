"""Near duplicates of prompts, responses and pairs."""

from prefine.measure.near_duplicates.measure import NearDuplicates

__all__ = ["NearDuplicates"]
