"""What lies near what: similarity within a pair.

What comes in: entries of a recipe's ``measures``. What goes out: frozen settings and their columns.
What never happens: a threshold that keeps or drops; those live in rules.
"""

from typing import Literal

import pyarrow as pa
from pydantic import Field

from prefine.recipe.base import Name, Part
from prefine.schema import Column, Flip

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


class LabelConsistency(Part):
    """Whether a pair's label points the way that the labels of like pairs point."""

    kind: Literal["label_consistency"]
    neighbours: int = Field(default=64, ge=1, le=1024)
    """How many like pairs are asked. With 20 % of the labels flipped, 8, 16, 32, 64 and 128 found
    flips with an AUROC of 0.58, 0.59, 0.60, 0.61, 0.62 (HH-RLHF) and 0.82, 0.86, 0.88, 0.88, 0.88
    (alpaca_eval)."""
    prompt_weight: float = Field(default=0.5, ge=0, le=10)
    """What the likeness of prompts counts beside that of the responses' difference."""
    copy_similarity: float = Field(default=0.98, gt=0, le=2)
    """A pair at least so alike is a copy and has no vote; nor has a pair of the same prompt."""
    prior: float = Field(default=1.0, gt=0)
    """The weight of even odds beside the neighbours' votes, of which each weighs 1 at most."""
    search: Search = Search()

    def columns(self) -> tuple[Column, ...]:
        """Return the columns of this measure."""
        return (
            Column(
                "label_probability",
                _F64,
                "probability of the label by the votes of like pairs, its own left out, in [0, 1]",
                Flip.COMPLEMENT,
            ),
            Column(
                "label_agreeing",
                pa.int64(),
                "like pairs whose label points the same way",
                Flip.SWAP,
                "label_opposing",
            ),
            Column(
                "label_opposing",
                pa.int64(),
                "like pairs whose label points the other way",
                Flip.SWAP,
                "label_agreeing",
            ),
            Column(
                "label_reason",
                _TEXT,
                "why there is no probability: blank, same_vectors, alone; else null",
            ),
        )


class DisplacementPressure(Part):
    """How hard other pairs' rejected responses push a pair's chosen response down.

    On a small policy tuned by DPO its rank correlation with the fall of log p(chosen) per token was
    0.36 over the seven seeds on which the form was chosen (CHES 0.31, normalised CHES -0.22) and
    0.27 on three others (0.23, -0.22); once the response's length is taken out, 0.20 (0.10, 0.01)
    and 0.15 (0.07, -0.07). On a policy that was hardly trained it told little
    (``tests/bench/pressure.py``).
    """

    kind: Literal["pressure"]
    name: Name = "pressure"
    ches: Name = "ches"
    """The CHES measure whose stored states are read; it must say ``store``."""
    neighbours: int = Field(default=64, ge=1, le=1024)
    """How many rejected responses of other prompts press; over ten seeds 4, 16 and 64 correlated
    with 0.30, 0.32 and 0.33."""
    search: Search = Search()

    def columns(self) -> tuple[Column, ...]:
        """Return the columns of this measure."""
        name, reverse = self.name, f"{self.name}_reversed"
        about = "displacement pressure of other pairs; higher pushes chosen down more"
        return (
            Column(name, _F64, about, Flip.SWAP, reverse),
            Column(reverse, _F64, f"{name} of the swapped pair", Flip.SWAP, name),
            Column(f"{name}_reason", _TEXT, "why there is none: no_sums, alone; else null"),
        )
