"""Balanced selection: one pair after another, from the groups that least was taken from.

What comes in: the groups of each pair, and an order of preference. What goes out: the order in
which pairs are taken. What never happens: an order that depends on how many are wanted; a larger
budget takes the same ones first.

The load of a pair is the sum over the balanced columns of n(g) * G: n(g) is how many pairs of its
group g are taken, G how many groups the column has, so that every column is held against an equal
share for each of its groups. Each time a pair of the least load is taken, the preferred one of
several. With one column that is the group with the fewest pairs taken, as long as it has any left.

Source: Taves 1974, minimization: the marginal totals of the groups of a candidate are added up.
"""

from collections.abc import Sequence
from heapq import heapify, heappop, heapreplace

import numpy as np
import numpy.typing as npt

Places = npt.NDArray[np.int64]


def balanced(groups: Sequence[Places], preferred: Places) -> Places:
    """Return the pairs in the order in which they are taken.

    Args:
        groups: For each column the number of each pair's group, from 0, shape (pairs,).
        preferred: The place of each pair in the order of preference, each another one.
    """
    if not len(preferred):
        return np.empty(0, np.int64)
    cells, cell_of = np.unique(np.stack(groups), axis=1, return_inverse=True)
    queues: list[list[int]] = [[] for _ in range(cells.shape[1])]
    cell_of = cell_of.ravel()
    for pair in np.argsort(-preferred):
        queues[cell_of[pair]].append(int(pair))
    members = [[int(group) for group in cell] for cell in cells.T]
    shares = [int(of_column.max()) + 1 for of_column in groups]
    taken = [[0] * share for share in shares]
    waiting = [(0, int(preferred[queue[-1]]), cell) for cell, queue in enumerate(queues)]
    heapify(waiting)
    order: list[int] = []
    while waiting:
        known, place, cell = waiting[0]
        load = _load(members[cell], shares, taken)
        if load > known:
            heapreplace(waiting, (load, place, cell))
            continue
        order.append(queues[cell].pop())
        for column, group in enumerate(members[cell]):
            taken[column][group] += 1
        if queues[cell]:
            heapreplace(waiting, (load, int(preferred[queues[cell][-1]]), cell))
        else:
            heappop(waiting)
    return np.array(order, np.int64)


def _load(groups: Sequence[int], shares: Sequence[int], taken: Sequence[Sequence[int]]) -> int:
    return sum(
        share * counts[group] for group, share, counts in zip(groups, shares, taken, strict=True)
    )
