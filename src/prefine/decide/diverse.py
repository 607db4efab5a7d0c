"""Greedy selection of prompts by quality and diversity: facility location and k-center.

Each step takes the prompt with the largest ``quality * gain ** weight``. With c(j) the largest
cosine of j to a taken prompt (1 for a taken prompt itself, 0 where none is listed), and u(i) the
largest cosine that an unlisted prompt could have, which is that of the last in the list of i, the
gain of i is

    cover   sum over i and its neighbours j of max(0, s(i, j) - c(j))       facility location
    spread  1 - max(c(i), u(i))                                             k-center

The order does not depend on the budget: a larger budget takes the same prompts first. No gain grows
while others are taken, so an earlier gain is an upper bound, and only the first in the queue is
computed again (lazy greedy); the order is that of computing all gains each time. Two prompts are
neighbours when one lists the other; cosines below 0 count as 0.

With complete lists u is 0, and this is the exact greedy algorithm. With shorter lists ``cover``
counts an unlisted prompt as cosine 0, and ``spread`` as u. Of 3,118 real prompts 500 were chosen,
without a quality, by vectors from which no mean was subtracted. Their mean log distance was -0.239
by ``cover`` with complete lists and -0.272 with 32 neighbours, -0.081 and -0.079 by ``spread``
(-0.432 where it counted unlisted prompts as 0), and -0.689 at random.

Source: Nemhauser, Wolsey and Fisher 1978 (facility location), Gonzalez 1985 (k-center), Minoux 1978
(lazy evaluation), Lindgren, Wu and Dimakis 2016 (lists of neighbours in place of all cosines).
"""

from heapq import heapify, heappop, heapreplace
from typing import Literal

import numpy as np
from pydantic import Field

from prefine.decide.neighbours import Floats, Graph, Places
from prefine.settings import Part


class Diverse(Part):
    """Prefer pairs whose prompts are unlike those already taken.

    Pairs are taken one by one: the next has the largest quality times diversity ** ``weight``.
    Quality is the rank in ``order_by`` as a share (1 is the best, and every pair without
    ``order_by``); diversity is what ``by`` names, from the measure ``prompt_neighbours``. The
    second pair of a prompt comes after the first pairs of all prompts, and a pair without a value
    to order by, or with a blank prompt, after all others.
    """

    by: Literal["cover", "spread"] = "cover"
    """``cover``: facility location, how much nearer the prompts of all remaining pairs come to a
    taken one. ``spread``: k-center, the distance of the prompt to the nearest taken one."""
    weight: float = Field(default=1.0, gt=0, le=100)
    """Exponent of the diversity: 1 counts it as much as quality."""


def greedy(graph: Graph, quality: Floats, tie: Floats, config: Diverse) -> Places:
    """Return the prompts in the order in which they are taken.

    Args:
        graph: Which prompts are near which.
        quality: Above 0, shape (prompts,).
        tie: The smaller goes first where gains and qualities are equal; shape (prompts,).
        config: The gain, and its exponent.
    """
    covered = np.zeros(len(quality)) if config.by == "cover" else graph.bounds.copy()
    gain = _cover if config.by == "cover" else _spread
    worth = [float(value) for value in quality]
    queue = [
        (-worth[i] * gain(graph, covered, i) ** config.weight, -worth[i], float(tie[i]), i)
        for i in range(len(worth))
    ]
    heapify(queue)
    order: list[int] = []
    while queue:
        known, minus_quality, by, i = queue[0]
        now = -worth[i] * gain(graph, covered, i) ** config.weight
        if now > known:
            heapreplace(queue, (now, minus_quality, by, i))
            continue
        heappop(queue)
        order.append(i)
        _take(graph, covered, i)
    return np.array(order, np.int64)


def _cover(graph: Graph, covered: Floats, i: int) -> float:
    row = slice(graph.starts[i], graph.starts[i + 1])
    nearer = np.maximum(graph.similarities[row] - covered[graph.places[row]], 0.0)
    return float(nearer.sum() + (1.0 - covered[i]))


def _spread(graph: Graph, covered: Floats, i: int) -> float:
    del graph
    return float(1.0 - covered[i])


def _take(graph: Graph, covered: Floats, i: int) -> None:
    row = slice(graph.starts[i], graph.starts[i + 1])
    near = graph.places[row]
    covered[near] = np.maximum(covered[near], graph.similarities[row])
    covered[i] = 1.0
