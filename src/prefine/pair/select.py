"""Which couples of valued responses become pairs."""

from collections.abc import Callable, Iterable, Sequence
from itertools import combinations, pairwise
from typing import NamedTuple

from prefine.pair.settings import Pairs

Chance = Callable[[str], float]
"""A number in [0, 1) for a key: it decides between equals."""

Valued = tuple[str, float]
"""A response id and its value."""


class Couple(NamedTuple):
    """Two responses whose values differ."""

    winner: str
    loser: str
    gap: float


def select(scored: Sequence[Valued], config: Pairs, chance: Chance) -> list[Couple]:
    """Choose couples out of the valued responses of one prompt.

    Args:
        scored: Distinct response ids with their values; higher is better.
        config: The strategy, the least gap, and how many couples.
        chance: A number in [0, 1) for an id: decides between equals.

    Returns:
        Couples with a positive gap of at least ``minimum_gap``, widest first.
    """
    ordered = sorted(scored, key=lambda item: (-item[1], chance(item[0])))
    couples = [
        Couple(better[0], worse[0], better[1] - worse[1])
        for better, worse in _couples(ordered, config.select, chance)
        if better[1] > worse[1]
    ]
    wide = [couple for couple in couples if couple.gap >= config.minimum_gap]
    wide.sort(key=lambda couple: (-couple.gap, chance(couple.winner + couple.loser)))
    return wide[: config.per_prompt]


def _couples(
    ordered: Sequence[Valued], strategy: str, chance: Chance
) -> Iterable[tuple[Valued, Valued]]:
    """Return couples of a list that is sorted from best to worst."""
    if strategy == "all":
        return combinations(ordered, 2)
    if strategy == "adjacent":
        return pairwise(ordered)
    best = ordered[0]
    lower = [item for item in ordered if item[1] < best[1]]
    if not lower:
        return []
    if strategy == "best_vs_worst":
        return [(best, lower[-1])]
    return [(best, min(lower, key=lambda item: chance(f"random/{item[0]}")))]


def fate(scored: Sequence[Valued]) -> str:
    """Say why a response that is in no couple of its list is in none."""
    if len(scored) < 2:  # noqa: PLR2004 - a couple
        return "no_partner"
    return "tie" if len({value for _, value in scored}) == 1 else "not_selected"
