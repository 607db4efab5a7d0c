"""Recall of approximate search, measured against brute force on a sample of vectors."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from prefine.search.pool import BLOCK
from prefine.search.storage import Indices, Vectors

Block = tuple[Indices, Vectors]
Blocks = Callable[[], Iterable[Block]]
"""A function that yields all vectors with their positions in blocks; it is called repeatedly."""

_SPARE = 4
"""Neighbours kept in addition to ``count``, so that ties are sorted before truncation."""


class Truth(NamedTuple):
    """A sample of vectors and their true nearest neighbours."""

    sampled: Indices
    """The positions of the sampled vectors, shape (queries,)."""
    queries: Vectors
    """The sampled vectors, shape (queries, dimensions)."""
    indices: Indices
    """The positions of the nearest other vectors, shape (queries, k)."""
    bounds: npt.NDArray[np.float64]
    """The inner product with the k-th neighbour, shape (queries,)."""


def gather(blocks: Blocks, wanted: Indices, width: int) -> Vectors:
    """Return the vectors at some distinct positions, in the given order.

    Args:
        blocks: Yields all vectors.
        wanted: The positions, shape (positions,).
        width: Dimension of the vectors.
    """
    result = np.zeros((len(wanted), width), np.float32)
    order = np.argsort(wanted)
    for positions, vectors in blocks() if len(wanted) else ():
        candidates = np.minimum(np.searchsorted(wanted[order], positions), len(wanted) - 1)
        matches = np.flatnonzero(wanted[order][candidates] == positions)
        result[order[candidates[matches]]] = vectors[matches]
    return result


def find_truth(sampled: Indices, queries: Vectors, blocks: Iterable[Block], count: int) -> Truth:
    """Find the true nearest neighbours of a sample by brute force.

    Args:
        sampled: The positions of the sampled vectors, shape (queries,).
        queries: The sampled vectors, shape (queries, dimensions).
        blocks: All vectors; they are always read to the end.
        count: Number of neighbours, smaller than the number of vectors.
    """
    wide = queries.astype(np.float64)
    values = np.full((len(sampled), count + _SPARE), -np.inf)
    indices = np.full(values.shape, -1, np.int64)
    for positions, vectors in _cut(blocks) if len(sampled) else blocks:
        new = np.round(wide @ vectors.astype(np.float64).T, 9)
        new[sampled[:, None] == positions] = -np.inf
        wider = np.concatenate([values, new], axis=1)
        both = np.concatenate([indices, np.broadcast_to(positions, new.shape)], axis=1)
        order = np.argpartition(-wider, count + _SPARE - 1, axis=1)[:, : count + _SPARE]
        values = np.take_along_axis(wider, order, axis=1)
        indices = np.take_along_axis(both, order, axis=1)
    order = np.lexsort((indices, -values), axis=1)[:, :count]
    bounds = np.take_along_axis(values, order, axis=1).min(axis=1, initial=np.inf)
    return Truth(sampled, queries, np.take_along_axis(indices, order, axis=1), bounds)


def measure_recall(indices: Indices, truth: Truth, blocks: Blocks) -> float:
    """Return the recall: the share of neighbours that are at least as near as the k-th true one.

    Args:
        indices: The neighbours of a search, shape (queries, k); -1 for a missing one.
        truth: The result of brute force.
        blocks: All vectors, because the index may store them rounded.
    """
    wanted = np.unique(indices[indices >= 0])
    vectors = gather(blocks, wanted, truth.queries.shape[1]).astype(np.float64)
    near = vectors[np.searchsorted(wanted, np.maximum(indices, 0)).clip(max=len(wanted) - 1)]
    queries = truth.queries.astype(np.float64)
    products: npt.NDArray[np.float64] = np.einsum("qkd,qd->qk", near, queries)
    hits = (indices >= 0) & (products >= truth.bounds[:, None] - 1e-8)
    return float(hits.mean())


def _cut(blocks: Iterable[Block]) -> Iterator[Block]:
    for indices, vectors in blocks:
        for start in range(0, len(indices), BLOCK):
            yield indices[start : start + BLOCK], vectors[start : start + BLOCK]
