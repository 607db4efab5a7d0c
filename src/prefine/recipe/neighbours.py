"""What lies near what: similarity within a pair.

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
