"""Balanced selection: select pairs one by one from the groups with the fewest selected pairs.

The load of a pair is the sum over the balanced columns of n(g) * G, with n(g) the number of
selected pairs of its group g and G the number of groups of the column. The next pair has the
smallest load; ties are broken by the order of preference. With one column, it comes from the
remaining group with the fewest selected pairs. A larger budget selects the same pairs first.

Source: Taves 1974, minimization, which sums the marginal totals of the groups of a candidate.
"""

from collections.abc import Sequence
from heapq import heapify, heappop, heapreplace

import numpy as np

from prefine.decide.arrays import Places
from prefine.decide.groups import by_group, ranks_within


def balanced(groups: Sequence[Places], preferred: Places) -> Places:
    """Return the pairs in the order of selection.

    Args:
        groups: The group of each pair, one array of shape (pairs,) per column.
        preferred: The rank of each pair in the order of preference, without ties.
    """
    if not len(preferred):
        return np.empty(0, np.int64)
    if len(groups) == 1:
        return _in_rounds(groups[0], preferred)
    numbered = [np.unique(of_column, return_inverse=True)[1] for of_column in groups]
    return _by_load(numbered, preferred)


def _in_rounds(groups: Places, preferred: Places) -> Places:
    """Return the first pair of each group, then the second of each, and so on."""
    order = np.argsort(preferred)
    rounds = ranks_within(groups[order])
    return order[by_group(rounds)]


def _by_load(groups: Sequence[Places], preferred: Places) -> Places:
    """Select pairs one by one with a lazy priority queue; groups are numbered without gaps."""
    cells, cell_of = np.unique(np.stack(groups), axis=1, return_inverse=True)
    members: list[list[int]] = [[] for _ in range(cells.shape[1])]
    cell_of = cell_of.ravel()
    for pair in np.argsort(-preferred):
        members[cell_of[pair]].append(int(pair))
    groups_of = [[int(group) for group in cell] for cell in cells.T]
    num_groups = [int(of_column.max()) + 1 for of_column in groups]
    selected = [[0] * count for count in num_groups]
    queue = [(0, int(preferred[pairs[-1]]), cell) for cell, pairs in enumerate(members)]
    heapify(queue)
    order: list[int] = []
    while queue:
        queued_load, rank, cell = queue[0]
        load = _load(groups_of[cell], num_groups, selected)
        if load > queued_load:
            heapreplace(queue, (load, rank, cell))
            continue
        order.append(members[cell].pop())
        for column, group in enumerate(groups_of[cell]):
            selected[column][group] += 1
        if members[cell]:
            heapreplace(queue, (load, int(preferred[members[cell][-1]]), cell))
        else:
            heappop(queue)
    return np.array(order, np.int64)


def _load(
    groups: Sequence[int], num_groups: Sequence[int], selected: Sequence[Sequence[int]]
) -> int:
    return sum(
        share * counts[group]
        for group, share, counts in zip(groups, num_groups, selected, strict=True)
    )
