"""Which couples of valued responses become pairs."""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import combinations, pairwise
from math import ceil
from typing import NamedTuple

from prefine.pair.exact import decimal
from prefine.pair.settings import Pairs

Chance = Callable[[str], float]
"""A number in [0, 1) for a key: it decides between equals."""

Valued = tuple[str, int]
"""A response id and its value, in whole multiples of a unit fraction."""


class Couple(NamedTuple):
    """Two responses whose values differ."""

    winner: str
    loser: str
    gap: int
    """In multiples of the unit fraction of the values."""


class Selected(NamedTuple):
    """Couples that were selected, and responses that ``minimum_gap`` left out."""

    couples: list[Couple]
    """Widest first."""
    too_narrow: set[str]
    """Responses whose couples all have a positive gap below ``minimum_gap``."""


def select(scored: Sequence[Valued], config: Pairs, chance: Chance, unit: int = 1) -> Selected:
    """Choose couples out of the valued responses of one prompt.

    Args:
        scored: Distinct response ids with their values; higher is better.
        config: The strategy, the least gap, and how many couples.
        chance: A number in [0, 1) for an id: decides between equals.
        unit: Values are multiples of ``1 / unit``.
    """
    couples = [
        Couple(better[0], worse[0], better[1] - worse[1])
        for better, worse in candidates(scored, config.select, chance)
    ]
    return limited(couples, config, chance, unit)


def limited(couples: Sequence[Couple], config: Pairs, chance: Chance, unit: int = 1) -> Selected:
    """Return the couples with a positive gap that is wide enough, widest first, and cut the list.

    Args:
        couples: Each at most once.
        config: The least gap, and how many couples.
        chance: Decides between equals.
        unit: Gaps are multiples of ``1 / unit``.
    """
    least = _least(config.minimum_gap, unit)
    wide = [couple for couple in couples if couple.gap >= least]
    narrow = {name for couple in couples if 0 < couple.gap < least for name in couple[:2]}
    wide.sort(key=lambda couple: (-couple.gap, chance(couple.winner + couple.loser)))
    too_narrow = narrow.difference(name for couple in wide for name in couple[:2])
    return Selected(wide[: config.per_prompt], too_narrow)


@lru_cache
def _least(minimum_gap: float, unit: int) -> int:
    """Return the least gap in multiples of ``1 / unit``."""
    return max(1, ceil(decimal(minimum_gap) * unit))


def without_order(couples: Sequence[Couple], strategy: str, chance: Chance) -> list[Couple]:
    """Choose couples where no rater has put the responses of the list in order.

    Not all couples of such a list are known, and those that are may form a circle. The widest
    stands for the best against the worst; the best against a random one is its winner against
    one of those that it beats. Two responses are adjacent where none is known to be between them.

    Args:
        couples: All couples of the list that are known.
        strategy: As in the recipe.
        chance: Decides between equals.
    """
    beaten = [couple for couple in couples if couple.gap > 0]
    if strategy == "all" or not beaten:
        return beaten
    if strategy == "adjacent":
        losers: dict[str, set[str]] = {}
        winners: dict[str, set[str]] = {}
        for couple in beaten:
            losers.setdefault(couple.winner, set()).add(couple.loser)
            winners.setdefault(couple.loser, set()).add(couple.winner)
        return [one for one in beaten if losers[one.winner].isdisjoint(winners[one.loser])]
    widest = min(beaten, key=lambda one: (-one.gap, chance(one.winner + one.loser)))
    if strategy == "best_vs_worst":
        return [widest]
    of_best = [one for one in beaten if one.winner == widest.winner]
    return [min(of_best, key=lambda one: chance(f"random/{one.loser}"))]


def candidates(
    scored: Iterable[Valued], strategy: str, chance: Chance
) -> Iterable[tuple[Valued, Valued]]:
    """Return couples of the valued responses of a list, the better one first.

    Args:
        scored: Distinct response ids with their values; higher is better.
        strategy: As in the recipe.
        chance: Decides between equals.
    """
    ordered = sorted(scored, key=lambda item: (-item[1], chance(item[0])))
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
