"""Cosine similarity of the embeddings of chosen and rejected.

The mean of all response embeddings is subtracted first, so two responses to different prompts have
a cosine of about 0. The median cosine of two responses to the same prompt is 0.16 in HH-RLHF, 0.88
in RM-Bench and 0.90 in JudgeBench (without centering: 0.82, 0.98 and 0.98). Cosines of 0.98, 0.99
and 0.995 without centering correspond to 0.87, 0.92 and 0.96 with it.
"""

from typing import ClassVar, Literal

import numpy as np
import polars as pl
import pyarrow as pa

from prefine.measure.base import Measure
from prefine.schema import Column
from prefine.step import Counts, Work
from prefine.tables.texts import join_sides
from prefine.tables.vectors import RESPONSE_VECTORS, read_reasons, read_vectors


class Cosine(Measure):
    """Cosine similarity of the embeddings of chosen and rejected.

    Use it to find pairs whose responses are almost the same. Needs embeddings; a response that has
    none, or that was truncated, gives a null and a reason.
    """

    tables: ClassVar = ("pairs", *RESPONSE_VECTORS.tables)
    version: ClassVar = 3

    kind: Literal["cosine"]
    """Selects this measure."""

    def columns(self) -> tuple[Column, ...]:
        """Return the columns of this measure."""
        return (
            Column("cosine", pa.float64(), "cosine similarity of chosen and rejected, in [-1, 1]"),
            Column(
                "cosine_reason",
                pa.large_string(),
                "why there is no cosine: blank, unknown_words, too_long; else null",
            ),
        )

    def run(self, work: Work) -> Counts:
        """Compute the cosine for all pairs of a shard."""
        pairs = work.read("pairs", ["pair_id", "chosen_id", "rejected_id"])
        ids, vectors = read_vectors(work, RESPONSE_VECTORS)
        row_of = {name: row for row, name in enumerate(ids)}
        chosen, rejected = (
            vectors[[row_of[name] for name in pairs[column]]]
            for column in ("chosen_id", "rejected_id")
        )
        reasons = join_sides(pairs, read_reasons(work, RESPONSE_VECTORS), "is_cut", "reason")
        too_long = pl.when(pl.col("chosen_is_cut") | pl.col("rejected_is_cut"))
        # if both have a reason, report the first in alphabetical order: blank, then unknown_words
        reason = pl.min_horizontal("chosen_reason", "rejected_reason")
        cosine = pl.Series("cosine", cosines(chosen, rejected), pl.Float64)
        result = reasons.select(
            "pair_id",
            pl.coalesce(reason, too_long.then(pl.lit("too_long"))).alias("cosine_reason"),
            cosine,
        ).with_columns(pl.when(pl.col("cosine_reason").is_null()).then("cosine"))
        work.emit(self.table, result)
        return Counts(pairs.height, pairs.height)


def cosines(a: np.ndarray, b: np.ndarray) -> list[float | None]:
    """Compute the cosine of each row of ``a`` with the same row of ``b``.

    Args:
        a: Shape (rows, dimensions).
        b: Shape (rows, dimensions).

    Returns:
        One value in [-1, 1] per row; None where either row is all zeros.
    """
    left, right = a.astype(np.float64), b.astype(np.float64)
    dots = np.einsum("nd,nd->n", left, right)
    norms = np.sqrt(np.einsum("nd,nd->n", left, left) * np.einsum("nd,nd->n", right, right))
    return [
        float(np.clip(dot / norm, -1.0, 1.0)) if norm > 0 else None
        for dot, norm in zip(dots, norms, strict=True)
    ]
