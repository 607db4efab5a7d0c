"""What a user should know about a rule that has little to work with, one sentence each."""

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from prefine.decide.limits import Limit
from prefine.decide.quantiles import quantiles_of
from prefine.decide.rule import Hit, Rule
from prefine.decide.seen import Seen
from prefine.schema import HUMAN_VERDICT

_FEWEST = 20
"""Sources with fewer values are not compared."""
_TIMES = 10.0
"""Scales differ where one middle half is this many times as wide as another."""


def remarks_on(seen: Seen, rule: Rule, hit: Hit) -> list[str]:
    """Return the remarks on a rule.

    Args:
        seen: The pairs that it looks at.
        rule: Any rule.
        hit: What it does with them.
    """
    found = [
        *_without_values(seen, rule, hit),
        *_of_other_scales(seen, rule, hit),
        *_null_groups(seen, rule),
    ]
    return [f"rule `{rule.reason}`: {text}" for text in found]


def _without_values(seen: Seen, rule: Rule, hit: Hit) -> Iterator[str]:
    """Yield a column that is null for all pairs of a source: the tested one, or of the order."""
    name = rule.tested or (rule.ranking.ordered_column if rule.ranking else None)
    if name is None or name == HUMAN_VERDICT:
        return
    missing = hit.missing if rule.tested else np.isnan(seen.numbers(name))
    if not missing.any():
        return
    names = seen.facts.source_names
    pairs = np.bincount(seen.source, minlength=len(names))
    empty = np.bincount(seen.source[missing], minlength=len(names))
    for place in np.flatnonzero((pairs > 0) & (empty == pairs)):
        count = "the only pair" if pairs[place] == 1 else f"all {pairs[place]:,} pairs"
        yield f"`{name}` is null for {count} of source {names[place]}"


def _of_other_scales(seen: Seen, rule: Rule, hit: Hit) -> Iterator[str]:
    """Yield two sources whose values a common quantile should not compare."""
    if not rule.is_relative or rule.grouped_by:
        return
    names = seen.facts.source_names
    if len(names) == 1:
        return
    value, source = hit.value, seen.source
    sizes = np.bincount(source[~np.isnan(value)], minlength=len(names))
    halves = {
        names[place]: quantiles_of(value[source == place], (0.25, 0.75)).tolist()
        for place in np.flatnonzero(sizes >= _FEWEST)
    }
    for one, other in combinations(halves, 2):
        if _differ(halves[one], halves[other]):
            spans = " and ".join(
                f"from {halves[name][0]:.4g} to {halves[name][1]:.4g} in {name}"
                for name in (one, other)
            )
            yield (
                f"the scales of `{rule.tested}` differ between sources (the middle half is "
                f"{spans}), so one quantile for all means little; add `per: source`"
            )
            return


def _differ(one: Sequence[float], other: Sequence[float]) -> bool:
    """Tell whether two middle halves do not touch, or one is far wider."""
    narrow, wide = sorted((one[1] - one[0], other[1] - other[0]))
    apart = max(one[0], other[0]) > min(one[1], other[1])
    return apart or (narrow > 0 and wide > _TIMES * narrow)


def _null_groups(seen: Seen, rule: Rule) -> Iterator[str]:
    """Yield how many pairs lack a group."""
    for name in rule.grouped_by:
        count = seen.groups(name).num_null
        if count and not (isinstance(rule, Limit) and _are_missing(rule, name)):
            pairs = "1 pair, which is" if count == 1 else f"{count:,} pairs, which are"
            yield f"`{name}` is null for {pairs} one group"


def _are_missing(rule: Limit, name: str) -> bool:
    return rule.missing != "keep" and name == rule.ranking.per
