"""Embeddings as tables hold them: float16 unit vectors by id, and how they are read.

A text without an embedding has no vector but a reason. Vectors are stored as the encoder made them.
Whoever reads them gets them centred:

    read(v) = (v - n / (n + 10) * mean) / |v - n / (n + 10) * mean|

with the mean of the n distinct vectors of the table. The factor keeps two texts that are all there
is from pointing in opposite directions, and equal ones from having no direction at all; it is 0.98
from 500 texts on. Prompts and responses have a mean each, for they are written differently;
examples are centred as prompts are, and are not part of the mean.
"""

from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from prefine.serve.embedded import BLANK, Embedded
from prefine.serve.scores import Vectors
from prefine.step import Work

VECTOR = pa.large_list(pa.float16())

Centre = npt.NDArray[np.float64]


class VectorTable(NamedTuple):
    """A table of vectors, and the texts that it encodes."""

    table: str
    texts: str
    """The table of the texts."""
    key: str
    centre: str
    """The table of what is subtracted from the vectors: one row."""

    @property
    def tables(self) -> tuple[str, str]:
        """The tables that a step reads which reads the vectors."""
        return self.table, self.centre


PROMPT_VECTORS = VectorTable("prompt_vectors", "prompts", "prompt_id", "prompt_centre")
RESPONSE_VECTORS = VectorTable(
    "response_vectors", "responses", "response_id", centre="response_centre"
)


def stored(encoded: Embedded) -> tuple[Any, list[str | None]]:
    """Return embeddings as an Arrow array, null where there is none, and the reasons why.

    A vector that is rounded to zeros has no direction, so that its text counts as blank.
    """
    vectors = encoded.vectors.astype(np.float16)
    solid = np.asarray(vectors.any(axis=1))
    known_rows: list[bool] = solid.tolist()
    reasons = [
        None if known else reason or BLANK
        for known, reason in zip(known_rows, encoded.reasons, strict=True)
    ]
    ends = np.concatenate([[0], np.cumsum(np.where(solid, vectors.shape[1], 0))])
    values = pa.array(vectors[solid].ravel(), pa.float16())
    lists: Any = pa.LargeListArray
    return lists.from_arrays(pa.array(ends), values, mask=pa.array(~solid)), reasons


def read_centre(work: Work, made: VectorTable) -> Centre:
    """Return what is subtracted from the vectors of a table, shape (dimensions,).

    It is empty where no text has an embedding.
    """
    return np.array(work.read(made.centre, part=0)["vector"].item().to_list(), np.float64)


def read_vectors(
    work: Work, made: VectorTable, part: int | None = None, *, center: bool = True
) -> tuple[list[str], Vectors]:
    """Return ids and unit vectors of one part; a text without an embedding has zeros.

    Args:
        work: Of a step that reads ``made.tables``.
        made: The table.
        part: Which part; the shard's own by default.
        center: Whether the mean is subtracted, where the recipe centres vectors.

    Returns:
        The ids, and the vectors: shape (rows, dimensions), float32.
    """
    arrow = work.read_arrow(made.table, [made.key, "vector"], part=part)
    centre = read_centre(work, made)
    ids = cast("list[str]", arrow[made.key].to_pylist())
    return ids, centred(arrow, centre if center else np.zeros_like(centre))


def read_reasons(work: Work, made: VectorTable, part: int | None = None) -> pl.DataFrame:
    """Return the id, ``is_cut`` and ``reason`` of the texts of one part, in the same order."""
    return work.read(made.table, [made.key, "is_cut", "reason"], part=part)


def centred(table: pa.Table, centre: Centre) -> Vectors:
    """Subtract the centre from stored vectors, and scale them to length one.

    Args:
        table: With the column ``vector``, null where there is no embedding.
        centre: What ``read_centre`` returns.

    Returns:
        Shape (rows, dimensions), float32; zeros where there is no embedding.
    """
    solid, found = stored_vectors(table)
    vectors = np.zeros((table.num_rows, max(len(centre), 1)), np.float32)
    if len(found):
        vectors[solid] = _unit(found.astype(np.float32) - centre.astype(np.float32))
    return vectors


def _unit(vectors: Vectors) -> Vectors:
    norms = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))[:, None]
    return np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)


def stored_vectors(table: pa.Table) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float16]]:
    """Return which rows have a vector, and their vectors, shape (solid rows, dimensions)."""
    column: Any = table["vector"].combine_chunks()
    solid: npt.NDArray[np.bool_] = column.is_valid().to_numpy(zero_copy_only=False)
    flat: npt.NDArray[np.float16] = column.flatten().to_numpy(zero_copy_only=False)
    count = int(solid.sum())
    return solid, flat.reshape(count, -1) if count else np.empty((0, 1), np.float16)
