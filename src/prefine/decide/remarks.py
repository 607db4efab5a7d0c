"""Warnings about rules whose columns are null or not comparable between sources."""

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from prefine.decide.limits import Limit
from prefine.decide.quantiles import quantiles_of
from prefine.decide.rule import Hit, Rule
from prefine.decide.tested import TestedPairs
from prefine.schema import HUMAN_VERDICT

_MIN_VALUES = 20
"""Minimum number of values of a source for a comparison of scales."""
_WIDTH_RATIO = 10.0
"""Ratio of two interquartile ranges above which scales count as different."""


def remarks_on(pairs: TestedPairs, rule: Rule, hit: Hit) -> list[str]:
    """Return the remarks on a rule.

    Args:
        pairs: The pairs that the rule tests.
        rule: Any rule.
        hit: The result of the rule for these pairs.
    """
    remarks = [
        *_null_columns(pairs, rule, hit),
        *_different_scales(pairs, rule, hit),
        *_null_groups(pairs, rule),
    ]
    return [f"rule `{rule.reason}`: {text}" for text in remarks]


def _null_columns(pairs: TestedPairs, rule: Rule, hit: Hit) -> Iterator[str]:
    """Yield a remark for each source in which the tested or ordering column is always null."""
    name = rule.tested or (rule.ranking.ordered_column if rule.ranking else None)
    if name is None or name == HUMAN_VERDICT:
        return
    missing = hit.missing if rule.tested else np.isnan(pairs.numbers(name))
    if not missing.any():
        return
    names = pairs.facts.source_names
    num_pairs = np.bincount(pairs.source, minlength=len(names))
    empty = np.bincount(pairs.source[missing], minlength=len(names))
    for position in np.flatnonzero((num_pairs > 0) & (empty == num_pairs)):
        count = (
            "the only pair" if num_pairs[position] == 1 else f"all {num_pairs[position]:,} pairs"
        )
        yield f"`{name}` is null for {count} of source {names[position]}"


def _different_scales(pairs: TestedPairs, rule: Rule, hit: Hit) -> Iterator[str]:
    """Yield a remark on two sources whose values have different scales."""
    if not rule.is_relative or rule.grouped_by:
        return
    names = pairs.facts.source_names
    if len(names) == 1:
        return
    value, source = hit.value, pairs.source
    sizes = np.bincount(source[~np.isnan(value)], minlength=len(names))
    quartiles = {
        names[position]: quantiles_of(value[source == position], (0.25, 0.75)).tolist()
        for position in np.flatnonzero(sizes >= _MIN_VALUES)
    }
    for first, second in combinations(quartiles, 2):
        if _differ(quartiles[first], quartiles[second]):
            ranges = " and ".join(
                f"{quartiles[name][0]:.4g} to {quartiles[name][1]:.4g} in {name}"
                for name in (first, second)
            )
            yield (
                f"the scales of `{rule.tested}` differ between sources (interquartile range "
                f"{ranges}), so one quantile over all sources is not meaningful; add `per: source`"
            )
            return


def _differ(first: Sequence[float], second: Sequence[float]) -> bool:
    """Return whether two interquartile ranges are disjoint, or one is much wider."""
    narrow, wide = sorted((first[1] - first[0], second[1] - second[0]))
    disjoint = max(first[0], second[0]) > min(first[1], second[1])
    return disjoint or (narrow > 0 and wide > _WIDTH_RATIO * narrow)


def _null_groups(pairs: TestedPairs, rule: Rule) -> Iterator[str]:
    """Yield a remark for each grouping column with nulls."""
    for name in rule.grouped_by:
        count = pairs.groups(name).num_null
        if count and not (isinstance(rule, Limit) and _are_missing(rule, name)):
            count_text = "1 pair, which counts" if count == 1 else f"{count:,} pairs, which count"
            yield f"`{name}` is null for {count_text} as one group"


def _are_missing(rule: Limit, name: str) -> bool:
    return rule.missing != "keep" and name == rule.ranking.per
