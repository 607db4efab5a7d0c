"""Quantiles of groups, with linear interpolation between the two nearest values."""

from collections.abc import Sequence

import numpy as np

from prefine.decide.arrays import Floats, Places
from prefine.decide.groups import by_group

_FEW = 1000
"""So many groups are taken one by one, each without sorting it."""


def quantiles_of(values: Floats, shares: Sequence[float | None]) -> Floats:
    """Return quantiles of values; NaN where there are none, and for a share of null.

    Args:
        values: NaN does not count.
        shares: Of which quantiles; each in (0, 1).
    """
    known = values[~np.isnan(values)]
    bounds = np.full(len(shares), np.nan)
    if not len(known):
        return bounds
    size = np.array([len(known)])
    found = {
        number: _position(size, share) for number, share in enumerate(shares) if share is not None
    }
    near = np.partition(known, [int(one[0]) for ends in found.values() for one in ends[:2]])
    for number, (low, high, part) in found.items():
        bounds[number] = _between(near[low], near[high], part)[0]
    return bounds


def group_quantiles(
    values: Floats, groups: Places, num_groups: int, shares: Sequence[float | None]
) -> Floats:
    """Return quantiles of each group; NaN for a group without values, and for a share of null.

    Args:
        values: NaN does not count.
        groups: The group of each value, from 0.
        num_groups: How many groups there are.
        shares: Of which quantiles; each in (0, 1).

    Returns:
        Shape (shares, groups).
    """
    counts = ~np.isnan(values)
    values, groups = values[counts], groups[counts]
    sizes = np.bincount(groups, minlength=num_groups)
    starts = np.cumsum(sizes) - sizes
    bounds = np.full((len(shares), num_groups), np.nan)
    if num_groups <= _FEW:
        ordered = values[by_group(groups)]
        for group in range(num_groups):
            own = ordered[starts[group] : starts[group] + sizes[group]]
            bounds[:, group] = quantiles_of(own, shares)
        return bounds
    by_value = np.argsort(values)
    ordered = values[by_value[by_group(groups[by_value])]]
    present = sizes > 0
    for number, share in enumerate(shares):
        if share is not None:
            low, high, part = _position(sizes[present], share)
            first = starts[present]
            bounds[number, present] = _between(ordered[first + low], ordered[first + high], part)
    return bounds


def _position(sizes: Places, share: float) -> tuple[Places, Places, Floats]:
    place = share * (sizes - 1).astype(np.float64)
    low = np.floor(place).astype(np.int64)
    return low, np.minimum(low + 1, sizes - 1), place - low


def _between(low: Floats, high: Floats, part: Floats) -> Floats:
    with np.errstate(invalid="ignore", over="ignore"):
        inside = low + part * (high - low)
    exact = (part == 0) | (low == high) | (low == -np.inf)
    return np.where(exact, low, inside)
