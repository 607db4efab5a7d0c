"""Exact nearest-neighbour search by brute force, deterministic for any number of threads."""

import numpy as np

from prefine.search.index import Found
from prefine.search.pool import nearest_of, pooled
from prefine.search.storage import Vectors

_BLOCK = 1024
"""Queries that a thread processes at once."""
_SPREAD = 8
"""Neighbours of each query whose similarities are computed at once."""


def nearest(queries: Vectors, vectors: Vectors, count: int) -> Found:
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
    result = Found(np.empty((len(queries), count), np.int64), np.empty((len(queries), count)))
    if not result.places.size:
        return result

    def search(block: int) -> None:
        rows = slice(block * _BLOCK, (block + 1) * _BLOCK)
        positions = nearest_of(queries[rows], vectors, count)[1]
        exact = _similarities(positions, queries[rows], vectors)
        order = np.lexsort((positions, -exact), axis=1)
        result.places[rows] = np.take_along_axis(positions, order, axis=1)
        result.similarities[rows] = np.take_along_axis(exact, order, axis=1)

    with pooled() as pool:
        pool.each(search, -(-len(queries) // _BLOCK))
    return result


def _similarities(places: np.ndarray, queries: Vectors, vectors: Vectors) -> np.ndarray:
    """Compute similarities in float64, because a float32 product depends on its shape."""
    similarities = np.empty(places.shape)
    wide = queries.astype(np.float64)
    for start in range(0, places.shape[1], _SPREAD):
        near = vectors[places[:, start : start + _SPREAD]].astype(np.float64)
        similarities[:, start : start + _SPREAD] = np.einsum("qkd,qd->qk", near, wide)
    return np.clip(similarities, -1.0, 1.0).round(9)
