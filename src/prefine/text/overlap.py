"""Jaccard overlap of the shingles of two texts, as multisets."""

from typing import Any

import numpy as np
import numpy.typing as npt

from prefine.text.words import Indices, Shingles

_COMPARED = 50_000
"""Pairs that are compared at once."""


def overlaps(shingles: Shingles, pairs: Indices) -> npt.NDArray[np.float64]:
    """Return the Jaccard overlap of each pair of texts, with repeated shingles counted.

    Args:
        shingles: Shingles of all texts.
        pairs: Indices of texts, shape (pairs, 2).

    Returns:
        Sum of the smaller counts divided by the sum of the larger counts, in [0, 1], shape
        (pairs,).
    """
    parts = [np.empty(0)]
    for start in range(0, len(pairs), _COMPARED):
        block = pairs[start : start + _COMPARED]
        indices, rows = np.unique(block, return_inverse=True)
        parts.append(_compared(shingles.of(indices), rows.reshape(block.shape)))
    return np.concatenate(parts)


def _compared(shingles: Shingles, pairs: Indices) -> npt.NDArray[np.float64]:
    from scipy.sparse import csr_matrix

    names, columns = np.unique(shingles.hashes, return_inverse=True)
    ones = np.ones(len(columns), np.int32)
    shape = (len(shingles.starts) - 1, len(names))
    counts: Any = csr_matrix((ones, columns, shingles.starts), shape=shape)
    counts.sum_duplicates()
    sizes = np.diff(shingles.starts)
    left, right = pairs.T
    smaller: Any = counts[left].minimum(counts[right])
    shared = np.asarray(smaller.sum(axis=1), np.float64).ravel()
    return shared / np.maximum(sizes[left] + sizes[right] - shared, 1)
