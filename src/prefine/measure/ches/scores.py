"""The arithmetic of CHES.

With S the sum of the hidden states that predict a response's tokens, n their number and m = S / n:

    ches            = <S+, S- - S+>        higher: preference tuning pushes chosen down more
    ches_normalized = <m+, m- - m+>
    ches_ln_div     = the same as the last, over the states from the first differing token on

A response costs one pass whatever the number of its pairs: K responses to a prompt give K sums, and
all ordered couples of them are dot products of those.

Source: Razin et al. 2024, Unintentional Unalignment, Definitions 2 and 3; its theory lets the first
tokens differ, which ``ches_ln_div`` restores for responses that begin alike.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]


class Score(NamedTuple):
    """CHES of an ordered couple, and of the same couple swapped."""

    ches: float
    ches_reversed: float
    normalized: float
    normalized_reversed: float


def ches(chosen: Vector, rejected: Vector, num_chosen: int, num_rejected: int) -> Score:
    """Score a pair from its two sums of hidden states.

    Args:
        chosen: Sum over the chosen response, shape (D,).
        rejected: Sum over the rejected response, shape (D,).
        num_chosen: States in the first sum.
        num_rejected: States in the second sum.
    """
    mean_chosen, mean_rejected = chosen / num_chosen, rejected / num_rejected
    apart, mean_apart = rejected - chosen, mean_rejected - mean_chosen
    return Score(
        _dot(chosen, apart),
        -_dot(rejected, apart),
        _dot(mean_chosen, mean_apart),
        -_dot(mean_rejected, mean_apart),
    )


def _dot(a: Vector, b: Vector) -> float:
    """Return the inner product; BLAS would share a long one between threads."""
    return float(np.einsum("d,d->", a, b))


def shared_beginning(a: Sequence[int], b: Sequence[int]) -> int:
    """Return how many first tokens two responses have in common."""
    for place, (left, right) in enumerate(zip(a, b, strict=False)):
        if left != right:
            return place
    return min(len(a), len(b))
