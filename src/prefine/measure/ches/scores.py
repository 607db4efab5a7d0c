"""The formulas of CHES, the centered hidden embedding similarity.

With S the sum of the hidden states that predict a response's tokens, n their number and m = S / n:

    ches            = <S+, S- - S+>        higher: preference tuning lowers log p(chosen) more
    ches_normalized = <m+, m- - m+>
    ches_ln_div     = ches_normalized over the states from the first differing token

Each response needs one forward pass however many pairs it is in: the scores of all ordered pairs of
K responses are dot products of their K sums.

Source: Razin et al. 2024, Unintentional Unalignment, Definitions 2 and 3. Its theory assumes that
the first tokens differ; ``ches_ln_div`` restores this for responses with a common prefix.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]


class Score(NamedTuple):
    """CHES of a pair, and of the same pair with chosen and rejected swapped."""

    ches: float
    """CHES of the pair."""
    ches_reversed: float
    """CHES of the swapped pair."""
    normalized: float
    """Length-normalized CHES of the pair."""
    normalized_reversed: float
    """Length-normalized CHES of the swapped pair."""


def ches(chosen: Vector, rejected: Vector, num_chosen: int, num_rejected: int) -> Score:
    """Compute CHES from the two sums of hidden states of a pair.

    Args:
        chosen: Sum over the chosen response, shape (D,).
        rejected: Sum over the rejected response, shape (D,).
        num_chosen: Number of states in the first sum, above 0.
        num_rejected: Number of states in the second sum, above 0.

    Source:
        Razin et al. 2024, Definitions 2 and 3.
    """
    mean_chosen, mean_rejected = chosen / num_chosen, rejected / num_rejected
    difference, mean_difference = rejected - chosen, mean_rejected - mean_chosen
    return Score(
        _dot(chosen, difference),
        -_dot(rejected, difference),
        _dot(mean_chosen, mean_difference),
        -_dot(mean_rejected, mean_difference),
    )


def _dot(a: Vector, b: Vector) -> float:
    """Return the dot product without BLAS, whose result may depend on the number of threads."""
    return float(np.einsum("d,d->", a, b))
