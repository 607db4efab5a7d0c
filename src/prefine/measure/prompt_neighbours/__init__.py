"""The nearest other prompts of each prompt, and how diverse the kept prompts are."""

from prefine.measure.prompt_neighbours.measure import PromptNeighbours

__all__ = ["PromptNeighbours"]
