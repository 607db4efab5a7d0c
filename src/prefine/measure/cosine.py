"""Cosine similarity of chosen and rejected.

What comes in: response vectors. What goes out: one number a pair. What never happens: a similarity
for a blank response, which has no direction, or for one of which only the beginning was embedded:
the value is null, and the reason is said.
"""

import numpy as np
import polars as pl

from prefine.measure.embeddings import read_vectors
from prefine.recipe import Cosine
from prefine.step import Counts, Work


def measure(work: Work, config: Cosine) -> Counts:
    """Measure the cosine of all pairs of a shard; ``config`` has no settings to read."""
    del config
    pairs = work.read("pairs", ["pair_id", "chosen_id", "rejected_id"])
    ids, vectors = read_vectors(work, "response_vectors")
    place = {name: index for index, name in enumerate(ids)}
    chosen, rejected = (
        vectors[[place[name] for name in pairs[column]]] for column in ("chosen_id", "rejected_id")
    )
    found = pl.Series("cosine", cosines(chosen, rejected), pl.Float64)
    cut = work.read("response_vectors", ["response_id", "is_cut"]).filter("is_cut")["response_id"]
    is_cut = pl.col("chosen_id").is_in(cut.implode()) | pl.col("rejected_id").is_in(cut.implode())
    result = pairs.with_columns(found, is_cut.alias("is_cut")).select(
        "pair_id",
        pl.when(~pl.col("is_cut")).then("cosine"),
        pl.when("is_cut")
        .then(pl.lit("too_long"))
        .when(pl.col("cosine").is_null())
        .then(pl.lit("blank"))
        .alias("cosine_reason"),
    )
    work.emit("measure_cosine", result)
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
