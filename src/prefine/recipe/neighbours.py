"""What lies near what: similarity within a pair, and groups of prompts.

What comes in: entries of a recipe's ``measures``. What goes out: frozen settings and their columns.
What never happens: a threshold that keeps or drops; those live in rules.
"""

from typing import Literal

import pyarrow as pa
from pydantic import Field

from prefine.recipe.base import Part
from prefine.schema import Column

_F64 = pa.float64()
_TEXT = pa.large_string()


class Search(Part):
    """How neighbours are searched."""

    exact_up_to: int = Field(default=20_000, ge=1)
    """Compare every vector with every one up to so many, use an inverted file above."""
    recall: float = Field(default=0.97, gt=0, le=1)
    """Share of the true neighbours that an inverted file must find among those of a sample."""
    sampled: int = Field(default=512, ge=16)
    """Vectors whose true neighbours are found by brute force, to measure that share."""
    full_bytes: int = Field(default=2 * 2**30, ge=1)
    """Vectors that take more as float32 are kept as float16, which is how they are stored."""
    half_bytes: int = Field(default=8 * 2**30, ge=1)
    """Vectors that take more as float16 are kept in 8 bits a value, a range a dimension."""


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
