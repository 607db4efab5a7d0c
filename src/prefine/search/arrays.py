"""Nearest neighbours of the rows of an array, without a recipe."""

from operator import index as as_int
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from prefine.errors import DataError
from prefine.search.index import Matches, build_index, drop_neighbours
from prefine.search.settings import Search
from prefine.search.storage import Indices, Vectors
from prefine.settings import Runtime

_BLOCK = 65_536
"""Rows that are converted at once."""


class Neighbours(NamedTuple):
    """The nearest neighbours of each query, the most similar first."""

    indices: Indices
    """Rows of ``vectors``, shape (queries, k); -1 where there are fewer neighbours than k."""
    similarities: npt.NDArray[np.float64]
    """Cosine similarities (inner products without ``normalize``), shape (queries, k); minus
    infinity where there are fewer neighbours than k."""
    recall: float
    """Share of the true neighbours that the index finds: 1.0 for an exact search, else measured
    on a sample of ``vectors``."""


def neighbours(
    vectors: npt.ArrayLike,
    k: int = 10,
    *,
    queries: npt.ArrayLike | None = None,
    normalize: bool = True,
    search: Search | None = None,
) -> Neighbours:
    """Find the k nearest rows of an array for each of its rows, or for other vectors.

    Up to ``search.exact_up_to`` vectors (20,000) the search is exact; above, an inverted file is
    built that reaches ``search.recall`` (0.97) on a sample. The result is the same for any number
    of threads; equal similarities are ordered by index.

    Args:
        vectors: Shape (N, dimensions), numbers.
        k: How many neighbours of each query, at least 1.
        queries: Shape (Q, dimensions); null takes ``vectors``, and then no row is a neighbour of
            itself.
        normalize: Scale all vectors to unit length, so that similarities are cosines; a zero
            vector stays zero.
        search: When the search is exact, and the recall wanted otherwise.

    Returns:
        Indices and similarities of shape (N or Q, k), and the recall.

    Raises:
        DataError: An array is not two-dimensional, not numeric, holds NaN or infinity, or the
            widths differ.
        TypeError: k is not an integer.
        ValueError: k is less than 1.

    Examples:
        >>> import numpy as np
        >>> from prefine.search import neighbours
        >>> neighbours(np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]]), k=1).indices.ravel().tolist()
        [1, 0, 1]
    """
    k = as_int(k)  # FAISS takes no integers of numpy
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    stored = _array(vectors, "vectors", normalize=normalize)
    others = None if queries is None else _array(queries, "queries", normalize=normalize)
    if others is not None and others.shape[1] != stored.shape[1]:
        raise DataError(
            f"queries have {others.shape[1]} dimensions, vectors have {stored.shape[1]}"
        )
    if not len(stored):
        num_queries = len(stored if others is None else others)
        shape = (num_queries, k)
        return Neighbours(np.full(shape, -1), np.full(shape, -np.inf), 1.0)
    ids = [f"{index:012d}" for index in range(len(stored))]
    rows = np.arange(len(stored))
    config = search or Search()
    with build_index(
        ids, lambda: [(rows, stored)], count=k, config=config, runtime=Runtime(), seed=0
    ) as (index, notes):
        if others is not None:
            return Neighbours(*index.search(others, k), notes["recall"])
        matches = index.search(stored, k + 1)
    others_only: Matches = drop_neighbours(matches, matches.indices == rows[:, None], k)
    return Neighbours(*others_only, notes["recall"])


def _array(values: npt.ArrayLike, name: str, *, normalize: bool) -> Vectors:
    """Return an array as float32, shape (rows, dimensions).

    Raises:
        DataError: It is not a numeric array of two dimensions, or holds NaN or infinity.
    """
    try:
        raw: npt.NDArray[Any] = np.asarray(values)
    except ValueError as error:
        text = f"{name} must be rows of one length, in an array of shape (rows, dimensions)"
        raise DataError(text) from error
    if raw.ndim != 2 or raw.dtype.kind not in "iuf":  # noqa: PLR2004 - rows and dimensions
        raise DataError(
            f"{name} must be a numeric array of shape (rows, dimensions), not {raw.dtype} of shape "
            f"{raw.shape}"
        )
    rows = np.empty(raw.shape, np.float32)
    for start in range(0, len(raw), _BLOCK):
        block = raw[start : start + _BLOCK].astype(np.float64)
        if not np.isfinite(block).all():
            first = start + int(np.argwhere(~np.isfinite(block))[0, 0])
            raise DataError(f"{name} hold NaN or infinity; the first such row is {first}")
        with np.errstate(over="ignore"):
            rows[start : start + _BLOCK] = _unit(block) if normalize else block
    if not np.isfinite(rows).all():
        raise DataError(f"{name} hold values beyond the range of float32")
    return rows


def _unit(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Scale rows to length 1; a zero row stays zero."""
    largest = np.abs(rows).max(axis=1, keepdims=True, initial=0.0)
    scaled = rows / np.where(largest > 0, largest, 1.0)  # so that squares do not overflow
    lengths = np.linalg.norm(scaled, axis=1, keepdims=True)
    return scaled / np.where(lengths > 0, lengths, 1.0)
