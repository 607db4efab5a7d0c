"""All prompts of the corpus sorted by id, and results split into shards again.

Results do not depend on the number of shards.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from prefine.step import Work
from prefine.tables.vectors import PROMPT_VECTORS, Vectors, read_reasons, read_vectors

_PART = "_part"


class Prompts(NamedTuple):
    """All prompts of the corpus, sorted by id."""

    ids: list[str]
    """The prompt ids."""
    parts: npt.NDArray[np.int64]
    """The shard of each prompt, shape (prompts,)."""
    vectors: Vectors
    """Unit vectors, shape (prompts, dimensions); zeros for a prompt without an embedding."""
    reasons: pl.Series
    """Why a prompt has no embedding, ``blank`` or ``unknown_words``; else null."""

    @property
    def embedded(self) -> npt.NDArray[np.int64]:
        """The positions of the prompts with an embedding."""
        return np.flatnonzero(self.vectors.any(axis=1))

    def frame(self) -> pl.DataFrame:
        """Return ids and shards as the first columns of a result."""
        return pl.DataFrame({"prompt_id": self.ids, _PART: self.parts}, schema_overrides=_TYPES)


_TYPES = {"prompt_id": pl.String, _PART: pl.Int64}


def read_prompts(work: Work) -> Prompts:
    """Read the prompt vectors of all shards; those of one shard are in memory twice."""
    reasons = [read_reasons(work, PROMPT_VECTORS, part) for part in _parts(work)]
    part_columns = [pl.lit(part, pl.Int64).alias(_PART) for part in _parts(work)]
    frames = [r.with_columns(p) for r, p in zip(reasons, part_columns, strict=True)]
    sorted_ = pl.concat(frames).with_row_index("row").sort("prompt_id")
    position = np.empty(sorted_.height, np.int64)
    position[sorted_["row"].to_numpy()] = np.arange(sorted_.height)
    vectors: Vectors | None = None
    start = 0
    for part, of_part in zip(_parts(work), reasons, strict=True):
        _, part_vectors = read_vectors(work, PROMPT_VECTORS, part)
        if len(part_vectors):
            if vectors is None:
                vectors = np.empty((sorted_.height, part_vectors.shape[1]), np.float32)
            vectors[position[start : start + len(part_vectors)]] = part_vectors
        start += of_part.height
    if vectors is None:
        vectors = np.empty((0, 1), np.float32)
    parts = sorted_[_PART].to_numpy()
    return Prompts(sorted_["prompt_id"].to_list(), parts, vectors, sorted_["reason"])


def _parts(work: Work) -> range:
    return work.parts(PROMPT_VECTORS.table)


def emit_parts(work: Work, table: str, rows: pl.DataFrame) -> None:
    """Write the rows of a result to their shards.

    Args:
        work: The work of a corpus step.
        table: The table to write.
        rows: The result; its first columns are ``Prompts.frame``.
    """
    for part in _parts(work):
        work.emit(table, rows.filter(pl.col(_PART) == part).drop(_PART), part=part)


def expand_to_all(prompts: Prompts, values: npt.NDArray[np.float64]) -> pl.Series:
    """Return a column of all prompts: null for prompts without an embedding.

    Args:
        prompts: All prompts.
        values: The values of the prompts with an embedding, shape (len(prompts.embedded),).
    """
    full = np.full(len(prompts.ids), np.nan)
    full[prompts.embedded] = values
    return pl.Series(full, nan_to_null=True)
