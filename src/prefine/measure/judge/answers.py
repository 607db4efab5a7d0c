"""What a judge's answers say of a pair: probability, position bias, consistency."""

from collections import Counter
from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from prefine.serve.vllm.judge import Answer

_EVEN = 0.5


class OrderSummary(NamedTuple):
    """The answers to one order of a pair."""

    probability: float
    """Of the response that was shown first."""
    consistency: float
    num_answers: int


def summary(answers: "Sequence[Answer]") -> OrderSummary | None:
    """Summarise the answers to one order; null where none could be read."""
    if not answers:
        return None
    named = Counter(answer.first for answer in answers)
    share = named.most_common(1)[0][1] / len(answers)
    return OrderSummary(fmean(answer.probability for answer in answers), share, len(answers))


def both_orders(first: float, second: float) -> tuple[float, float, bool]:
    """Combine the two orders of a pair.

    Args:
        first: Probability of chosen where it is shown first.
        second: The same where it is shown second.

    Returns:
        Probability, position bias, and whether both orders name the same response.
    """
    consistent = (first > _EVEN) == (second > _EVEN)
    return (first + second) / 2, (first - second) / 2, consistent
