"""Tables of embeddings: float16 unit vectors by id, which are centred when they are read.

A text without an embedding has a null vector and a reason. The encoder's vectors are stored
unchanged; reading them subtracts the mean and normalizes:

    read(v) = (v - n / (n + 10) * mean) / |v - n / (n + 10) * mean|

with the mean of the n distinct vectors of the table. Without the factor n / (n + 10), two texts
alone would become opposite vectors and equal texts would become zero; from 500 texts it is 0.98 or
more. Prompts and responses have separate means, because they are written in different styles.
Examples are centred with the mean of prompts and are not part of it.
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
    """The names of a table of vectors and of the tables that belong to it."""

    table: str
    """The table of the vectors."""
    texts: str
    """The table of the texts."""
    key: str
    """The id column of both tables."""
    centre: str
    """The table of the vector that is subtracted: one row."""

    @property
    def tables(self) -> tuple[str, str]:
        """The tables that a step needs to read the vectors."""
        return self.table, self.centre


PROMPT_VECTORS = VectorTable("prompt_vectors", "prompts", "prompt_id", "prompt_centre")
RESPONSE_VECTORS = VectorTable(
    "response_vectors", "responses", "response_id", centre="response_centre"
)


def to_arrow_vectors(encoded: Embedded) -> tuple[Any, list[str | None]]:
    """Return embeddings as an Arrow array with nulls, and the reason of each null.

    A vector that is all zeros after rounding to float16 is null with the reason ``blank``.
    """
    vectors = encoded.vectors.astype(np.float16)
    has_vector = np.asarray(vectors.any(axis=1))
    known_rows: list[bool] = has_vector.tolist()
    reasons = [
        None if known else reason or BLANK
        for known, reason in zip(known_rows, encoded.reasons, strict=True)
    ]
    ends = np.concatenate([[0], np.cumsum(np.where(has_vector, vectors.shape[1], 0))])
    values = pa.array(vectors[has_vector].ravel(), pa.float16())
    lists: Any = pa.LargeListArray
    return lists.from_arrays(pa.array(ends), values, mask=pa.array(~has_vector)), reasons


def read_centre(work: Work, vector_table: VectorTable) -> Centre:
    """Return the vector that is subtracted from the vectors of a table.

    Returns:
        Shape (dimensions,); empty if no text has an embedding.
    """
    return np.array(work.read(vector_table.centre, part=0)["vector"].item().to_list(), np.float64)


def read_vectors(
    work: Work, vector_table: VectorTable, part: int | None = None, *, center: bool = True
) -> tuple[list[str], Vectors]:
    """Return the ids and unit vectors of one part.

    Args:
        work: The work of a step that reads ``vector_table.tables``.
        vector_table: The table.
        part: Which part; the shard's own by default.
        center: Whether to subtract the mean, if the recipe centres vectors.

    Returns:
        The ids, and the vectors: shape (rows, dimensions), float32, zeros for a text without an
        embedding.
    """
    arrow = work.read_arrow(vector_table.table, [vector_table.key, "vector"], part=part)
    centre = read_centre(work, vector_table)
    ids = cast("list[str]", arrow[vector_table.key].to_pylist())
    return ids, centred(arrow, centre if center else np.zeros_like(centre))


def read_reasons(work: Work, vector_table: VectorTable, part: int | None = None) -> pl.DataFrame:
    """Return id, ``is_cut`` and ``reason`` of the texts of one part, in the order of vectors."""
    return work.read(vector_table.table, [vector_table.key, "is_cut", "reason"], part=part)


def centred(table: pa.Table, centre: Centre) -> Vectors:
    """Subtract the centre from stored vectors, and normalize them.

    Args:
        table: A table with the column ``vector``, null without an embedding.
        centre: The result of ``read_centre``.

    Returns:
        Shape (rows, dimensions), float32; zeros for a null vector.
    """
    has_vector, raw = stored_vectors(table)
    vectors = np.zeros((table.num_rows, max(len(centre), 1)), np.float32)
    if len(raw):
        vectors[has_vector] = _unit(raw.astype(np.float32) - centre.astype(np.float32))
    return vectors


def _unit(vectors: Vectors) -> Vectors:
    norms = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))[:, None]
    return np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)


def stored_vectors(table: pa.Table) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float16]]:
    """Return which rows have a vector, and these vectors, shape (rows with one, dimensions)."""
    column: Any = table["vector"].combine_chunks()
    has_vector: npt.NDArray[np.bool_] = column.is_valid().to_numpy(zero_copy_only=False)
    flat: npt.NDArray[np.float16] = column.flatten().to_numpy(zero_copy_only=False)
    count = int(has_vector.sum())
    return has_vector, flat.reshape(count, -1) if count else np.empty((0, 1), np.float16)
