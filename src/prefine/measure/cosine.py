"""Cosine similarity of the embeddings of chosen and rejected.

There is none for a blank response, which has no direction, nor for one of which only the beginning
was embedded: the value is null and the reason is given.
"""

from typing import ClassVar, Literal

import numpy as np
import polars as pl
import pyarrow as pa

from prefine.measure.base import Measure
from prefine.schema import Column
from prefine.step import Counts, Work
from prefine.tables.embeddings import RESPONSE_VECTORS, read_vectors


class Cosine(Measure):
    """Cosine similarity of the embeddings of chosen and rejected."""

    tables: ClassVar = ("pairs", RESPONSE_VECTORS.table)

    kind: Literal["cosine"]

    def columns(self) -> tuple[Column, ...]:
        """Return the columns of this measure."""
        return (
            Column("cosine", pa.float64(), "cosine similarity of chosen and rejected, in [-1, 1]"),
            Column(
                "cosine_reason",
                pa.large_string(),
                "why there is no cosine: too_long, blank; else null",
            ),
        )

    def run(self, work: Work) -> Counts:
        """Measure the cosine of all pairs of a shard."""
        pairs = work.read("pairs", ["pair_id", "chosen_id", "rejected_id"])
        ids, vectors = read_vectors(work, RESPONSE_VECTORS)
        place = {name: index for index, name in enumerate(ids)}
        chosen, rejected = (
            vectors[[place[name] for name in pairs[column]]]
            for column in ("chosen_id", "rejected_id")
        )
        table = work.read(RESPONSE_VECTORS.table, ["response_id", "is_cut"])
        cut = table.filter("is_cut")["response_id"].implode()
        is_cut = pl.col("chosen_id").is_in(cut) | pl.col("rejected_id").is_in(cut)
        result = pairs.with_columns(
            pl.Series("cosine", cosines(chosen, rejected), pl.Float64), is_cut.alias("is_cut")
        ).select(
            "pair_id",
            pl.when(~pl.col("is_cut")).then("cosine"),
            pl.when("is_cut")
            .then(pl.lit("too_long"))
            .when(pl.col("cosine").is_null())
            .then(pl.lit("blank"))
            .alias("cosine_reason"),
        )
        work.emit(self.table, result)
        return Counts(pairs.height, pairs.height)


def cosines(a: np.ndarray, b: np.ndarray) -> list[float | None]:
    """Return the cosine of each row of ``a`` with that of ``b``, shape (rows, dimensions) each."""
    left, right = a.astype(np.float64), b.astype(np.float64)
    dots = np.einsum("nd,nd->n", left, right)
    norms = np.sqrt(np.einsum("nd,nd->n", left, left) * np.einsum("nd,nd->n", right, right))
    return [
        float(np.clip(dot / norm, -1.0, 1.0)) if norm > 0 else None
        for dot, norm in zip(dots, norms, strict=True)
    ]
