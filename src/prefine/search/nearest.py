"""Exact nearest-neighbour search by brute force, deterministic for any number of threads."""

import numpy as np

from prefine.search.index import Matches
from prefine.search.pool import knn, thread_pool
from prefine.search.storage import Vectors

_BLOCK = 1024
"""Queries that a thread processes at once."""
_SPREAD = 8
"""Neighbours of each query whose similarities are computed at once."""


def find_nearest(queries: Vectors, vectors: Vectors, count: int) -> Matches:
    """Find the vectors with the largest inner products with each query.

    Args:
        queries: Unit vectors, shape (queries, dimensions), float32.
        vectors: Unit vectors, shape (vectors, dimensions), float32.
        count: Number of neighbours per query.

    Returns:
        The ``count`` nearest vectors, or all if there are fewer; ties are sorted by position. If
        ties exceed ``count``, FAISS selects among them deterministically.
    """
    count = min(count, len(vectors))
    result = Matches(np.empty((len(queries), count), np.int64), np.empty((len(queries), count)))
    if not result.indices.size:
        return result

    def search(block: int) -> None:
        rows = slice(block * _BLOCK, (block + 1) * _BLOCK)
        positions = knn(queries[rows], vectors, count)[1]
        exact = _similarities(positions, queries[rows], vectors)
        order = np.lexsort((positions, -exact), axis=1)
        result.indices[rows] = np.take_along_axis(positions, order, axis=1)
        result.similarities[rows] = np.take_along_axis(exact, order, axis=1)

    with thread_pool() as pool:
        pool.each(search, -(-len(queries) // _BLOCK))
    return result


def _similarities(indices: np.ndarray, queries: Vectors, vectors: Vectors) -> np.ndarray:
    """Compute similarities in float64, because a float32 product depends on its shape."""
    similarities = np.empty(indices.shape)
    wide = queries.astype(np.float64)
    for start in range(0, indices.shape[1], _SPREAD):
        near = vectors[indices[:, start : start + _SPREAD]].astype(np.float64)
        similarities[:, start : start + _SPREAD] = np.einsum("qkd,qd->qk", near, wide)
    return np.clip(similarities, -1.0, 1.0).round(9)
