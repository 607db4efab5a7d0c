"""The nearest of a few vectors by brute force, the same from any number of threads."""

import numpy as np

from prefine.search.index import Found
from prefine.search.pool import nearest_of, pooled
from prefine.search.storage import Vectors

_BLOCK = 1024
"""Queries that one thread compares at once; their neighbours' vectors are in memory."""
_SPREAD = 8
"""Neighbours whose similarities are computed at once, for each query of a block."""


def nearest(queries: Vectors, vectors: Vectors, count: int) -> Found:
    """Find the vectors that are most similar to each query.

    Args:
        queries: Shape (queries, dimensions), float32.
        vectors: Shape (vectors, dimensions), float32.
        count: How many to find for each query.

    Returns:
        The ``count`` nearest, or all vectors where there are fewer; equals in the order of their
        places. Where more vectors are equally near than fit in, which of them are found is the
        library's choice, the same each time.
    """
    count = min(count, len(vectors))
    found = Found(np.empty((len(queries), count), np.int64), np.empty((len(queries), count)))
    if not found.places.size:
        return found

    def search(block: int) -> None:
        mine = slice(block * _BLOCK, (block + 1) * _BLOCK)
        places = nearest_of(queries[mine], vectors, count)[1]
        exact = _similarities(places, queries[mine], vectors)
        order = np.lexsort((places, -exact), axis=1)
        found.places[mine] = np.take_along_axis(places, order, axis=1)
        found.similarities[mine] = np.take_along_axis(exact, order, axis=1)

    with pooled() as pool:
        pool.each(search, -(-len(queries) // _BLOCK))
    return found


def _similarities(places: np.ndarray, asked: Vectors, vectors: Vectors) -> np.ndarray:
    """Compute similarities in one fixed way: those of a product depend on its shape."""
    similarities = np.empty(places.shape)
    wide = asked.astype(np.float64)
    for start in range(0, places.shape[1], _SPREAD):
        near = vectors[places[:, start : start + _SPREAD]].astype(np.float64)
        similarities[:, start : start + _SPREAD] = np.einsum("qkd,qd->qk", near, wide)
    return np.clip(similarities, -1.0, 1.0).round(9)
