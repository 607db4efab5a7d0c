"""The prompts of the whole corpus in the order of their ids, and results cut into shards again.

No result depends on how many shards there are.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from prefine.step import Work
from prefine.tables.vectors import PROMPT_VECTORS, Vectors, read_reasons, read_vectors

_PART = "_part"


class Prompts(NamedTuple):
    """All prompts, sorted by id."""

    ids: list[str]
    parts: npt.NDArray[np.int64]
    """The shard in which each lies."""
    vectors: Vectors
    """Unit vectors, shape (prompts, dimensions); zeros for a prompt without an embedding."""
    reasons: pl.Series
    """Why a prompt has no embedding, ``blank`` or ``unknown_words``; null where it has one."""

    @property
    def solid(self) -> npt.NDArray[np.int64]:
        """The places of the prompts that have an embedding."""
        return np.flatnonzero(self.vectors.any(axis=1))

    def frame(self) -> pl.DataFrame:
        """Return ids and shards as the first columns of a result."""
        return pl.DataFrame({"prompt_id": self.ids, _PART: self.parts}, schema_overrides=_TYPES)


_TYPES = {"prompt_id": pl.String, _PART: pl.Int64}


def read_prompts(work: Work) -> Prompts:
    """Read ``prompt_vectors`` of all shards; one shard's vectors are in memory twice."""
    names = [read_reasons(work, PROMPT_VECTORS, part) for part in _parts(work)]
    where = [pl.lit(part, pl.Int64).alias(_PART) for part in _parts(work)]
    frames = [n.with_columns(w) for n, w in zip(names, where, strict=True)]
    sorted_ = pl.concat(frames).with_row_index("row").sort("prompt_id")
    place = np.empty(sorted_.height, np.int64)
    place[sorted_["row"].to_numpy()] = np.arange(sorted_.height)
    vectors: Vectors | None = None
    start = 0
    for part, of_part in zip(_parts(work), names, strict=True):
        _, found = read_vectors(work, PROMPT_VECTORS, part)
        if len(found):
            if vectors is None:
                vectors = np.empty((sorted_.height, found.shape[1]), np.float32)
            vectors[place[start : start + len(found)]] = found
        start += of_part.height
    if vectors is None:
        vectors = np.empty((0, 1), np.float32)
    parts = sorted_[_PART].to_numpy()
    return Prompts(sorted_["prompt_id"].to_list(), parts, vectors, sorted_["reason"])


def _parts(work: Work) -> range:
    return work.parts(PROMPT_VECTORS.table)


def emit_parts(work: Work, table: str, rows: pl.DataFrame) -> None:
    """Write each row of a result, whose first columns are ``Prompts.frame``, into its shard."""
    for part in _parts(work):
        work.emit(table, rows.filter(pl.col(_PART) == part).drop(_PART), part=part)


def scattered(prompts: Prompts, values: npt.NDArray[np.float64]) -> pl.Series:
    """Return values of the solid prompts as a column of all: null for the others."""
    full = np.full(len(prompts.ids), np.nan)
    full[prompts.solid] = values
    return pl.Series(full, nan_to_null=True)
