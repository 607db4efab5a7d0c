"""Rewards: how responses are scored, and how several models are compared.

What comes in: entries of a recipe's ``measures``. What goes out: frozen settings and their columns.
What never happens: a threshold; those live in rules.
"""

from collections.abc import Iterable
from typing import Literal, NamedTuple, Self

import pyarrow as pa
from pydantic import Field, model_validator

from prefine.recipe.base import Name, Part
from prefine.recipe.models import FloatType, Weights
from prefine.schema import Column, Flip
from prefine.schema.columns import sides

_F64 = pa.float64()
_TEXT = pa.large_string()


class BootstrapReward(Part):
    """A cross-fitted ensemble of Bradley-Terry heads on embeddings, fitted on the data's labels."""

    kind: Literal["reward/bootstrap"]
    name: Name = "bootstrap"
    folds: int = Field(default=5, ge=2, le=50)
    """A prompt's pairs are scored only by heads fitted on the other folds."""
    heads: int = Field(default=8, ge=2, le=64)
    """Heads a fold, each fitted on its own resample of the prompts."""
    prior_scale: float = Field(default=0.8, gt=0)
    """Standard deviation of the Gaussian prior on the weights; the smaller the stiffer."""
    max_pairs: int = Field(default=20_000, ge=100)
    """Most pairs that one head is fitted on."""

    def columns(self) -> tuple[Column, ...]:
        """Return the columns of this measure."""
        name = self.name
        return (
            Column(
                f"{name}_margin", _F64, "mean margin of the heads that never saw it", Flip.NEGATE
            ),
            Column(f"{name}_margin_std", _F64, "standard deviation of the margin over those heads"),
            Column(
                f"{name}_probability",
                _F64,
                "mean probability that chosen is better, in [0, 1]",
                Flip.COMPLEMENT,
            ),
        )


class Scored(NamedTuple):
    """One reward of every response, as a table holds it."""

    name: str
    """What rules, pairs and comparisons call it."""
    table: str
    column: str
    dtype: FloatType
    """The type in which the model computes it."""


class _ScoredReward(Part):
    """What both ways of asking a reward model share."""

    name: Name = "reward"
    weights: Weights
    """The reward model; its tokenizer and chat template come with it."""
    template: str | None = None
    """A chat template (Jinja) to use instead of the model's own."""
    max_tokens: int = Field(default=16_384, ge=8)
    """How long a conversation may be."""
    over_long: Literal["hold", "flag_and_cut", "error"] = "hold"
    """What becomes of a longer one: no reward and the reason ``too_long``; a reward of its last
    tokens and the reason ``cut``; or an error that names it."""
    heads: tuple[Name, ...] = ()
    """A name for each output of a model that has several; each becomes the reward ``NAME_HEAD``."""
    dtype: FloatType = "float32"
    """The type in which the model computes; margins within one step of it are ties."""

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if len(set(self.heads)) < len(self.heads):
            raise ValueError("two heads have the same name")
        return self

    def scored(self) -> tuple[Scored, ...]:
        """Return the rewards that this measure gives a response, in the model's order."""
        table = f"reward_{self.name}"
        if not self.heads:
            return (Scored(self.name, table, "reward", self.dtype),)
        return tuple(
            Scored(f"{self.name}_{head}", table, f"reward_{head}", self.dtype)
            for head in self.heads
        )

    def columns(self) -> tuple[Column, ...]:
        """Return the columns of this measure."""
        name = self.name
        rewards = (
            column
            for reward in self.scored()
            for column in (
                *sides(reward.name, _F64, "raw reward"),
                Column(
                    f"{reward.name}_margin", _F64, "reward of chosen minus rejected", Flip.NEGATE
                ),
            )
        )
        return (
            *rewards,
            Column(
                f"{name}_reason",
                _TEXT,
                "too_long: there is no margin; cut: it is that of cut texts; else null",
            ),
        )


class TransformersReward(_ScoredReward):
    """Raw rewards of a sequence classifier in process: the reference, and small jobs."""

    kind: Literal["reward/transformers"]


class VllmReward(_ScoredReward):
    """Raw rewards from vLLM servers; ``weights`` names the tokenizer, the server has the model."""

    kind: Literal["reward/vllm"]
    served_model: str
    """The name under which the server serves the model; another answer is an error."""
    dtype: FloatType = "bfloat16"
    """The type in which the server computes; margins within one step of it are ties."""
    canaries: int = Field(default=0, ge=0)
    """So many responses of each shard, chosen by their ids, are scored again in process by
    transformers in float32; the largest difference is in the manifest."""
    canary_limit: float | None = Field(default=None, gt=0)
    """A larger difference than this is an error."""


class RewardAgreement(Part):
    """What several reward models say of one pair, each on its own scale."""

    kind: Literal["reward/agreement"]
    name: Name = "rewards"
    models: tuple[Name, ...] = Field(min_length=2)
    """Names of rewards of this recipe: of measures that score responses, or ``NAME_HEAD``."""

    def columns(self) -> tuple[Column, ...]:
        """Return the columns of this measure."""
        name = self.name
        calibrated = (
            column
            for model in self.models
            for column in (
                *sides(f"{model}_scaled", _F64, "reward in standard deviations from the mean"),
                *sides(f"{model}_percentile", _F64, "place among the source's rewards, in [0, 1],"),
            )
        )
        return (
            *calibrated,
            Column(
                f"{name}_agreement",
                _F64,
                "share of the reward models that side with the label; a tie counts half",
                Flip.COMPLEMENT,
            ),
            Column(
                f"{name}_margin_mean",
                _F64,
                "mean margin, in standard deviations of each model's rewards in the source",
                Flip.NEGATE,
            ),
            Column(f"{name}_margin_std", _F64, "standard deviation of those margins over models"),
        )


Reward = TransformersReward | VllmReward


def scored(measures: Iterable[Part]) -> dict[str, Scored]:
    """Return all rewards of responses that a recipe's measures give, by name."""
    return {
        reward.name: reward
        for measure in measures
        if isinstance(measure, _ScoredReward)
        for reward in measure.scored()
    }
