"""Select the pairs of rated, ranked or rewarded responses."""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import combinations, pairwise
from math import ceil
from typing import NamedTuple

from prefine.pair.exact import decimal
from prefine.pair.settings import Pairs

Chance = Callable[[str], float]
"""Function that returns a number in [0, 1) for a key, for random choices and to break ties."""

Valued = tuple[str, int]
"""A response id and its value as a multiple of ``1 / unit``."""


class RankedPair(NamedTuple):
    """Two responses whose values differ."""

    winner: str
    """Id of the response with the higher value."""
    loser: str
    """Id of the response with the lower value."""
    gap: int
    """Difference of the values as a multiple of ``1 / unit``."""


class Selected(NamedTuple):
    """Selected pairs, and responses that ``minimum_gap`` leaves without a pair."""

    pairs: list[RankedPair]
    """Selected pairs, the widest gap first."""
    too_narrow: set[str]
    """Responses of which all pairs have a positive gap below ``minimum_gap``."""


def select(scored: Sequence[Valued], config: Pairs, chance: Chance, unit: int = 1) -> Selected:
    """Select pairs of the valued responses of one prompt.

    Args:
        scored: Distinct response ids with their values; higher is better.
        config: The strategy, the minimum gap and the maximum number of pairs.
        chance: Random number in [0, 1) of an id, which breaks ties.
        unit: Values are multiples of ``1 / unit``.
    """
    pairs = [
        RankedPair(better[0], worse[0], better[1] - worse[1])
        for better, worse in candidates(scored, config.select, chance)
    ]
    return limited(pairs, config, chance, unit)


def limited(pairs: Sequence[RankedPair], config: Pairs, chance: Chance, unit: int = 1) -> Selected:
    """Return the pairs with at least the minimum gap, the widest first, up to the maximum number.

    Args:
        pairs: Distinct pairs.
        config: The minimum gap and the maximum number of pairs.
        chance: Random number in [0, 1) of a key, which breaks ties.
        unit: Gaps are multiples of ``1 / unit``.
    """
    least = _least(config.minimum_gap, unit)
    wide = [pair for pair in pairs if pair.gap >= least]
    narrow = {name for pair in pairs if 0 < pair.gap < least for name in pair[:2]}
    wide.sort(key=lambda pair: (-pair.gap, chance(pair.winner + pair.loser)))
    too_narrow = narrow.difference(name for pair in wide for name in pair[:2])
    return Selected(wide[: config.per_prompt], too_narrow)


@lru_cache
def _least(minimum_gap: float, unit: int) -> int:
    """Return the minimum gap as a multiple of ``1 / unit``, at least 1."""
    return max(1, ceil(decimal(minimum_gap) * unit))


def without_order(pairs: Sequence[RankedPair], strategy: str, chance: Chance) -> list[RankedPair]:
    """Select candidate pairs of a list of which no annotator has rated all responses.

    Not all pairs of such a list are compared, and those that are may form a cycle. For
    ``best_vs_worst``, the pair with the widest gap is selected; for ``best_vs_random``, its winner
    and a random response that the winner beats. Two responses are ``adjacent`` if no other response
    is known to be between them.

    Args:
        pairs: All compared pairs of the list.
        strategy: The setting ``select`` of the recipe.
        chance: Random number in [0, 1) of a key, which breaks ties.
    """
    beaten = [pair for pair in pairs if pair.gap > 0]
    if strategy == "all" or not beaten:
        return beaten
    if strategy == "adjacent":
        losers: dict[str, set[str]] = {}
        winners: dict[str, set[str]] = {}
        for pair in beaten:
            losers.setdefault(pair.winner, set()).add(pair.loser)
            winners.setdefault(pair.loser, set()).add(pair.winner)
        return [c for c in beaten if losers[c.winner].isdisjoint(winners[c.loser])]
    widest = min(beaten, key=lambda pair: (-pair.gap, chance(pair.winner + pair.loser)))
    if strategy == "best_vs_worst":
        return [widest]
    of_best = [pair for pair in beaten if pair.winner == widest.winner]
    return [min(of_best, key=lambda pair: chance(f"random/{pair.loser}"))]


def candidates(
    scored: Iterable[Valued], strategy: str, chance: Chance
) -> Iterable[tuple[Valued, Valued]]:
    """Return candidate pairs of the valued responses of a list, the better response first.

    Args:
        scored: Distinct response ids with their values; higher is better.
        strategy: The setting ``select`` of the recipe.
        chance: Random number in [0, 1) of a key, which breaks ties.
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


def unused_reason(scored: Sequence[Valued]) -> str:
    """Return why a response of a list is in no selected pair."""
    if len(scored) < 2:  # noqa: PLR2004 - a pair
        return "no_partner"
    return "tie" if len({value for _, value in scored}) == 1 else "not_selected"
