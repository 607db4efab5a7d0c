"""Measures: which facts are written beside the pairs, and the columns that come of each.

What comes in: the ``measures`` list of a recipe. What goes out: frozen settings and their columns.
What never happens: a threshold; those live in rules.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

import pyarrow as pa
from pydantic import Field

from prefine.recipe.base import Part
from prefine.recipe.contamination import Benchmark, Contamination
from prefine.recipe.diversity import PromptNeighbours, PromptTopics, TargetSimilarity
from prefine.recipe.duplicates import NearDuplicates
from prefine.recipe.judge import VllmJudge
from prefine.recipe.models import Encoder, Weights
from prefine.recipe.neighbours import (
    Cosine,
    DisplacementPressure,
    LabelConsistency,
    Search,
)
from prefine.recipe.policy import Ches, PolicyLikelihood, TransformersChes, VllmChes
from prefine.recipe.rewards import (
    BootstrapReward,
    Reward,
    RewardAgreement,
    Scored,
    TransformersReward,
    VllmReward,
    scored,
)
from prefine.schema import Column, Flip
from prefine.schema.columns import sides


class Lengths(Part):
    """Characters, and tokens of a named tokenizer, of prompt and responses."""

    kind: Literal["lengths"]
    tokenizer: Weights | None = None

    def columns(self) -> tuple[Column, ...]:
        """Return the columns of this measure."""
        return _lengths("chars") + (_lengths("tokens") if self.tokenizer else ())


def _lengths(unit: str) -> tuple[Column, ...]:
    return (
        Column(f"prompt_{unit}", pa.int64(), f"length of the prompt in {unit}"),
        *sides(unit, pa.int64(), f"length in {unit}"),
        Column(f"{unit}_gap", pa.int64(), f"{unit} of chosen minus rejected", Flip.NEGATE),
    )


Measure = Annotated[
    Lengths
    | Cosine
    | NearDuplicates
    | Contamination
    | PromptTopics
    | PromptNeighbours
    | TargetSimilarity
    | LabelConsistency
    | DisplacementPressure
    | BootstrapReward
    | TransformersReward
    | VllmReward
    | RewardAgreement
    | TransformersChes
    | VllmChes
    | PolicyLikelihood
    | VllmJudge,
    Field(discriminator="kind"),
]


def columns_of(measures: tuple[Measure, ...]) -> Mapping[str, Column]:
    """Return every column that the measures write, by name and in order."""
    return {column.name: column for measure in measures for column in measure.columns()}


__all__ = [
    "Benchmark",
    "BootstrapReward",
    "Ches",
    "Contamination",
    "Cosine",
    "DisplacementPressure",
    "Encoder",
    "LabelConsistency",
    "Lengths",
    "Measure",
    "NearDuplicates",
    "PolicyLikelihood",
    "PromptNeighbours",
    "PromptTopics",
    "Reward",
    "RewardAgreement",
    "Scored",
    "Search",
    "TargetSimilarity",
    "TransformersChes",
    "TransformersReward",
    "VllmChes",
    "VllmJudge",
    "VllmReward",
    "Weights",
    "columns_of",
    "scored",
]
