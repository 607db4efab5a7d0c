"""The k nearest neighbours of each prompt, and the diversity of the kept prompts."""

from prefine.measure.prompt_neighbours.measure import PromptNeighbours

__all__ = ["PromptNeighbours"]
