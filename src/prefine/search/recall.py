"""Recall of a search, measured against brute force on a sample of vectors."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from prefine.search.pool import BLOCK
from prefine.search.storage import Places, Vectors

Block = tuple[Places, Vectors]
Blocks = Callable[[], Iterable[Block]]
"""Yields all vectors with their places, in blocks; it is asked several times."""

_SPARE = 4
"""Neighbours kept beyond those asked for, so that equal ones are ordered before the cut."""


class Truth(NamedTuple):
    """Some vectors, and the nearest others of each."""

    asked: Places
    """The places of the vectors, shape (queries,)."""
    queries: Vectors
    """The vectors, shape (queries, dimensions)."""
    places: Places
    """Shape (queries, k)."""
    least: npt.NDArray[np.float64]
    """The inner product with the last of them, shape (queries,)."""


def pick(blocks: Blocks, wanted: Places, width: int) -> Vectors:
    """Return the vectors of some distinct places, in the order of the places asked for."""
    found = np.zeros((len(wanted), width), np.float32)
    order = np.argsort(wanted)
    for places, vectors in blocks() if len(wanted) else ():
        at = np.minimum(np.searchsorted(wanted[order], places), len(wanted) - 1)
        here = np.flatnonzero(wanted[order][at] == places)
        found[order[at[here]]] = vectors[here]
    return found


def truth_of(asked: Places, queries: Vectors, blocks: Iterable[Block], count: int) -> Truth:
    """Compare some of the vectors with all others.

    Args:
        asked: Their places, shape (queries,).
        queries: The vectors, shape (queries, dimensions).
        blocks: All vectors; they are read to the end even when nothing is asked.
        count: How many neighbours, fewer than there are vectors.
    """
    wide = queries.astype(np.float64)
    values = np.full((len(asked), count + _SPARE), -np.inf)
    places = np.full(values.shape, -1, np.int64)
    for at, vectors in _cut(blocks) if len(asked) else blocks:
        new = np.round(wide @ vectors.astype(np.float64).T, 9)
        new[asked[:, None] == at] = -np.inf
        wider = np.concatenate([values, new], axis=1)
        both = np.concatenate([places, np.broadcast_to(at, new.shape)], axis=1)
        order = np.argpartition(-wider, count + _SPARE - 1, axis=1)[:, : count + _SPARE]
        values = np.take_along_axis(wider, order, axis=1)
        places = np.take_along_axis(both, order, axis=1)
    order = np.lexsort((places, -values), axis=1)[:, :count]
    least = np.take_along_axis(values, order, axis=1).min(axis=1, initial=np.inf)
    return Truth(asked, queries, np.take_along_axis(places, order, axis=1), least)


def recall_of(found: Places, truth: Truth, blocks: Blocks) -> float:
    """Return the share of the true neighbours found: those not farther than the last true one.

    Args:
        found: What a search returned, shape (queries, k); -1 where it found nothing.
        truth: What brute force returned.
        blocks: All vectors, for what a search keeps may be rounded.
    """
    wanted = np.unique(found[found >= 0])
    vectors = pick(blocks, wanted, truth.queries.shape[1]).astype(np.float64)
    near = vectors[np.searchsorted(wanted, np.maximum(found, 0)).clip(max=len(wanted) - 1)]
    asked = truth.queries.astype(np.float64)
    products: npt.NDArray[np.float64] = np.einsum("qkd,qd->qk", near, asked)
    hits = (found >= 0) & (products >= truth.least[:, None] - 1e-8)
    return float(hits.mean())


def _cut(blocks: Iterable[Block]) -> Iterator[Block]:
    for places, vectors in blocks:
        for start in range(0, len(places), BLOCK):
            yield places[start : start + BLOCK], vectors[start : start + BLOCK]
