"""Quantiles of groups, with linear interpolation between the two nearest values."""

from collections.abc import Sequence

import numpy as np

from prefine.decide.arrays import Floats, Places
from prefine.decide.groups import by_group

_FEW = 1000
"""Number of groups up to which each is partitioned separately instead of sorting all values."""


def quantiles_of(values: Floats, shares: Sequence[float | None]) -> Floats:
    """Return quantiles of values.

    Args:
        values: The values, shape (values,); NaN is ignored.
        shares: The quantile levels, each in (0, 1) or None.

    Returns:
        Shape (shares,); NaN for a level of None, or without values.
    """
    known = values[~np.isnan(values)]
    bounds = np.full(len(shares), np.nan)
    if not len(known):
        return bounds
    size = np.array([len(known)])
    positions = {
        number: _position(size, share) for number, share in enumerate(shares) if share is not None
    }
    kth = [int(end[0]) for position in positions.values() for end in position[:2]]
    partitioned = np.partition(known, kth)
    for number, (low, high, part) in positions.items():
        bounds[number] = _interpolate(partitioned[low], partitioned[high], part)[0]
    return bounds


def group_quantiles(
    values: Floats, groups: Places, num_groups: int, shares: Sequence[float | None]
) -> Floats:
    """Return quantiles of each group.

    Args:
        values: The values, shape (values,); NaN is ignored.
        groups: The group of each value, from 0, shape (values,).
        num_groups: Number of groups.
        shares: The quantile levels, each in (0, 1) or None.

    Returns:
        Shape (shares, groups); NaN for a level of None, or for a group without values.
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
            bounds[number, present] = _interpolate(
                ordered[first + low], ordered[first + high], part
            )
    return bounds


def _position(sizes: Places, share: float) -> tuple[Places, Places, Floats]:
    """Return the two nearest positions of a quantile in sorted groups, and the fraction between."""
    position = share * (sizes - 1).astype(np.float64)
    low = np.floor(position).astype(np.int64)
    return low, np.minimum(low + 1, sizes - 1), position - low


def _interpolate(low: Floats, high: Floats, part: Floats) -> Floats:
    with np.errstate(invalid="ignore", over="ignore"):
        inside = low + part * (high - low)
    exact = (part == 0) | (low == high) | (low == -np.inf)
    return np.where(exact, low, inside)
