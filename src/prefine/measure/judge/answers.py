"""Probability, position bias and consistency from the answers of an LLM judge."""

from collections import Counter
from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from prefine.serve.vllm.judge import Answer

_EVEN = 0.5


class OrderSummary(NamedTuple):
    """The answers for one order of the two responses."""

    probability: float
    """Mean probability that the first response is better, in [0, 1]."""
    consistency: float
    """Share of the answers that agree with the majority, in (0, 1]."""
    num_answers: int
    """Number of answers that could be parsed."""


def summarize_answers(answers: "Sequence[Answer]") -> OrderSummary | None:
    """Summarize the answers for one order; None if no answer could be parsed."""
    if not answers:
        return None
    verdicts = Counter(answer.first for answer in answers)
    share = verdicts.most_common(1)[0][1] / len(answers)
    return OrderSummary(fmean(answer.probability for answer in answers), share, len(answers))


def combine_orders(first: float, second: float) -> tuple[float, float, bool]:
    """Combine the two orders of a pair.

    Args:
        first: Probability of chosen when it is shown first, in [0, 1].
        second: Probability of chosen when it is shown second, in [0, 1].

    Returns:
        The mean probability, the position bias in [-0.5, 0.5], and whether both orders prefer the
        same response.

    Source:
        FairEval (Wang et al. 2023) for the mean over orders, MT-Bench (Zheng et al. 2023) for the
        consistency of verdicts.
    """
    consistent = (first > _EVEN) == (second > _EVEN)
    return (first + second) / 2, (first - second) / 2, consistent
