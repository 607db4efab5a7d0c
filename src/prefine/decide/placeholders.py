"""Detection of placeholder label columns: a bound on a constant label is an error."""

import numpy as np

from prefine.decide.bounds import Bounded
from prefine.decide.rule import Rule
from prefine.decide.tested import TestedPairs
from prefine.errors import DataError

_LABELS = frozenset({"rating_gap", "chosen_rating", "rejected_rating", "strength"})


def refuse_placeholder(pairs: TestedPairs, rule: Rule) -> None:
    """Reject a bound on a label column that is constant in a source, or in a group of a source.

    Args:
        pairs: The pairs that the rule tests.
        rule: Any rule.

    Raises:
        DataError: The column is a placeholder.
    """
    if not isinstance(rule, Bounded) or rule.column not in _LABELS:
        return
    minimum = rule.placeholder_pairs
    if minimum is None or len(pairs) < minimum:
        return
    value = pairs.facts.numbers(rule.column).own[pairs.rows]
    group = pairs.source
    for name in rule.grouped_by:
        within = pairs.groups(name)
        _, group = np.unique(group * within.num_groups + within.of, return_inverse=True)
    known = ~np.isnan(value)
    value, group, source = value[known], group[known], pairs.source[known]
    sizes = np.bincount(group)
    low, high = np.full(len(sizes), np.inf), np.full(len(sizes), -np.inf)
    np.minimum.at(low, group, value)
    np.maximum.at(high, group, value)
    constant = (sizes >= minimum) & (low == high)
    if not constant.any():
        return
    members = np.flatnonzero(constant[group])
    first = members[np.lexsort((value[members], -sizes[group[members]], source[members]))[0]]
    where = "".join(f" with the same `{name}`" for name in rule.grouped_by)
    name = pairs.facts.source_names[source[first]]
    raise DataError(
        f"rule `{rule.reason}`: `{rule.column}` is {value[first]:g} for all "
        f"{sizes[group[first]]:,} tested pairs of source {name}{where}, so it looks like a "
        f"placeholder; exempt the source with `unless: {{column: source, equals: {name}}}`, or "
        "disable this check with `placeholder_pairs: null`"
    )
