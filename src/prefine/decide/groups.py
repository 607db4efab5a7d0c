"""Stable sorting and ranking of array elements by group."""

import numpy as np

from prefine.decide.arrays import Places

_RADIX = 2**16
"""Number of groups below which a radix sort of 16-bit numbers is used, which is 5 times faster."""


def by_group(groups: Places) -> Places:
    """Return the order that sorts elements by group and is stable within groups."""
    if len(groups) and groups.max() < _RADIX:
        return np.argsort(groups.astype(np.uint16), kind="stable")
    return np.argsort(groups * len(groups) + np.arange(len(groups)))


def ranks_within(groups: Places) -> Places:
    """Return the rank of each element within its group, from 1, in the given order."""
    order = by_group(groups)
    ordered = groups[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])) if len(groups) else order
    sizes = np.diff(np.append(starts, len(groups)))
    ranks = np.empty(len(groups), np.int64)
    ranks[order] = np.arange(len(groups)) - np.repeat(starts, sizes) + 1
    return ranks
