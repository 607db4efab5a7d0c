"""MinHash sketches, and candidate pairs of texts by locality-sensitive hashing."""

from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import rensa  # pyright: ignore[reportMissingTypeStubs]

from prefine.text.words import Hashes, Indices, Shingles

_MINHASH: Any = vars(rensa)["RMinHash"]

Sketches = npt.NDArray[np.uint32]

NUM_HASHES = 128
"""Columns of a sketch."""
MISSED = 0.001
"""Maximum probability that a pair exactly at the bound is not a candidate."""

_SEED = 1
_SKETCHED = 1024
"""Texts that are sketched at once; 8,192 took 25 % longer."""
_CROWD = 48
"""In a larger bucket, each text is compared with the first and with the next text only."""
_ESTIMATED = 10_000
"""Pairs whose sketches are compared at once."""
_MULTIPLY = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(31)


def sketches(shingles: Shingles) -> Sketches:
    """Return the MinHash sketch of each text, shape (texts, NUM_HASHES).

    The probability that two sketches agree in a column is the Jaccard overlap of the two sets of
    shingles.

    Source: Broder 1997, On the resemblance and containment of documents.
    """
    starts = shingles.starts.astype(np.uint64)
    rows = np.empty((len(starts) - 1, NUM_HASHES), np.uint32)
    for first in range(0, len(rows), _SKETCHED):
        ends = starts[first : first + _SKETCHED + 1]
        hashes = shingles.hashes[int(ends[0]) : int(ends[-1])]
        sketched = _MINHASH.digest_matrix_from_flat_token_hashes(
            hashes, ends - ends[0], NUM_HASHES, _SEED
        )
        count = (len(ends) - 1) * NUM_HASHES
        flat = np.fromiter(chain.from_iterable(sketched.to_rows()), np.uint32, count)
        rows[first : first + _SKETCHED] = flat.reshape(-1, NUM_HASHES)
    return rows


def rows_per_band(jaccard: float) -> int:
    """Return the number of columns of a band for a bound on the Jaccard overlap.

    Returns:
        The largest r with (1 - jaccard^r)^(NUM_HASHES // r) at most ``MISSED``, at least 1.
    """
    return max(r for r in range(1, NUM_HASHES + 1) if r == 1 or chance_missed(jaccard, r) <= MISSED)


def chance_missed(jaccard: float, rows: int) -> float:
    """Return the probability that two texts with this overlap share no band of ``rows`` columns."""
    return (1 - jaccard**rows) ** (NUM_HASHES // rows)


def candidates(sketched: Sketches, jaccard: float) -> Indices:
    """Return pairs of texts whose overlap may reach the bound.

    Args:
        sketched: Sketches, shape (texts, NUM_HASHES). Their order decides which pairs of a large
            bucket are candidates, so it must not depend on the order of the input.
        jaccard: The bound.

    Returns:
        Indices of texts, the smaller first, each pair once; shape (pairs, 2).
    """
    rows, count = rows_per_band(jaccard), len(sketched)
    codes = [np.empty(0, np.int64)]
    for first in range(0, NUM_HASHES - rows + 1, rows):
        low, high = _bucket_pairs(_bucket(sketched[:, first : first + rows]))
        codes = [np.unique(np.concatenate([*codes, low * count + high]))]
    return np.stack(np.divmod(codes[0], max(count, 1)), axis=1)


def estimates(sketched: Sketches, pairs: Indices) -> npt.NDArray[np.float64]:
    """Return the estimated Jaccard overlap of pairs: the share of equal columns of their sketches.

    The standard error is at most 0.045.
    """
    parts = [np.empty(0)]
    for start in range(0, len(pairs), _ESTIMATED):
        left, right = pairs[start : start + _ESTIMATED].T
        parts.append((sketched[left] == sketched[right]).mean(axis=1))
    return np.concatenate(parts)


def _bucket(band: Sketches) -> Hashes:
    mixed = np.zeros(len(band), np.uint64)
    for column in band.T:
        mixed = (mixed ^ column) * _MULTIPLY
        mixed ^= mixed >> _SHIFT
    return mixed


def _bucket_pairs(buckets: Hashes) -> tuple[Indices, Indices]:
    """Return the pairs of texts that share a bucket, the smaller index first."""
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
