"""MinHash sketches, and pairs of texts that probably share many of their shingles."""

from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import rensa  # pyright: ignore[reportMissingTypeStubs]

from prefine.text.words import Hashes, Places, Shingles

_MINHASH: Any = vars(rensa)["RMinHash"]

Sketches = npt.NDArray[np.uint32]

NUM_HASHES = 128
MISSED = 0.001
"""Highest chance that a pair exactly at the bound is not proposed."""

_SEED = 1
_SKETCHED = 1024
"""Texts whose sketches pass through Python at once; 8,192 took a quarter longer."""
_CROWD = 48
"""In a bucket of more texts than this, each is compared with the first and with the next alone."""
_ESTIMATED = 10_000
"""Pairs whose sketches are compared at once."""
_MULTIPLY = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(31)


def sketches(shingles: Shingles) -> Sketches:
    """Return the MinHash sketch of each text, shape (texts, NUM_HASHES).

    Two sketches agree in each column with the probability that is the Jaccard overlap of the sets
    of shingles.

    Source: Broder 1997, On the resemblance and containment of documents.
    """
    starts = shingles.starts.astype(np.uint64)
    found = np.empty((len(starts) - 1, NUM_HASHES), np.uint32)
    for first in range(0, len(found), _SKETCHED):
        ends = starts[first : first + _SKETCHED + 1]
        hashes = shingles.hashes[int(ends[0]) : int(ends[-1])]
        sketched = _MINHASH.digest_matrix_from_flat_token_hashes(
            hashes, ends - ends[0], NUM_HASHES, _SEED
        )
        count = (len(ends) - 1) * NUM_HASHES
        flat = np.fromiter(chain.from_iterable(sketched.to_rows()), np.uint32, count)
        found[first : first + _SKETCHED] = flat.reshape(-1, NUM_HASHES)
    return found


def rows_per_band(jaccard: float) -> int:
    """Return how many columns make a band, so that few pairs at the bound share none.

    Returns:
        The most rows r for which (1 - jaccard^r)^(NUM_HASHES // r) is at most ``MISSED``.
    """
    return max(r for r in range(1, NUM_HASHES + 1) if r == 1 or chance_missed(jaccard, r) <= MISSED)


def chance_missed(jaccard: float, rows: int) -> float:
    """Return the chance that two texts with this overlap share no band of so many rows."""
    return (1 - jaccard**rows) ** (NUM_HASHES // rows)


def candidates(found: Sketches, jaccard: float) -> Places:
    """Propose pairs of texts whose overlap may reach the bound.

    Args:
        found: Sketches, shape (texts, NUM_HASHES). Crowded buckets are thinned in this order, so
            it must not depend on files or shards.
        jaccard: The bound.

    Returns:
        Pairs of places, smaller place first, each pair once; shape (pairs, 2).
    """
    rows, count = rows_per_band(jaccard), len(found)
    codes = [np.empty(0, np.int64)]
    for first in range(0, NUM_HASHES - rows + 1, rows):
        low, high = _meetings(_bucket(found[:, first : first + rows]))
        codes = [np.unique(np.concatenate([*codes, low * count + high]))]
    return np.stack(np.divmod(codes[0], max(count, 1)), axis=1)


def estimates(found: Sketches, pairs: Places) -> npt.NDArray[np.float64]:
    """Estimate the Jaccard overlap of pairs: the share of columns in which their sketches agree.

    The standard error is at most 0.045.
    """
    parts = [np.empty(0)]
    for start in range(0, len(pairs), _ESTIMATED):
        left, right = pairs[start : start + _ESTIMATED].T
        parts.append((found[left] == found[right]).mean(axis=1))
    return np.concatenate(parts)


def _bucket(band: Sketches) -> Hashes:
    mixed = np.zeros(len(band), np.uint64)
    for column in band.T:
        mixed = (mixed ^ column) * _MULTIPLY
        mixed ^= mixed >> _SHIFT
    return mixed


def _meetings(buckets: Hashes) -> tuple[Places, Places]:
    """Return the pairs of places that lie in one bucket, the smaller place first."""
    order = np.argsort(buckets, kind="stable")
    sorted_ = buckets[order]
    first = np.flatnonzero(np.concatenate([[True], sorted_[1:] != sorted_[:-1]])[: len(order)])
    sizes = np.diff(np.append(first, len(order)))
    end, begin = np.repeat(first + sizes, sizes), np.repeat(first, sizes)
    crowded = np.repeat(sizes > _CROWD, sizes)
    place = np.arange(len(order))
    ahead = np.where(crowded, np.minimum(end - place - 1, 1), end - place - 1)
    left = np.repeat(place, ahead)
    step = np.arange(len(left)) - np.repeat(np.cumsum(ahead) - ahead, ahead) + 1
    with_first = crowded & (place > begin)
    low = np.concatenate([order[left], order[begin[with_first]]])
    high = np.concatenate([order[left + step], order[place[with_first]]])
    return low, high
