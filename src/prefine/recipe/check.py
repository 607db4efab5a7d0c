"""What must hold between the parts of a recipe: names, and the columns that rules speak of.

What comes in: a recipe whose parts are valid one by one. What goes out: problems with their YAML
paths. What never happens: stopping at the first.
"""

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator

from prefine.recipe.measures import (
    Ches,
    Contamination,
    DisplacementPressure,
    PromptNeighbours,
    RewardAgreement,
    columns_of,
    scored,
)
from prefine.recipe.model import RESERVED, Recipe
from prefine.recipe.rules import Condition, Rule
from prefine.schema import PAIR_COLUMNS, Column

Location = tuple[str | int, ...]
Problem = tuple[Location, str]

DECIDED = frozenset(
    {
        *("verdict", "rule", "column", "value", "threshold", "value_text", "threshold_text"),
        *("weight", "order", "explanation", "flipped_by", "is_flipped"),
    }
)
"""Columns of decisions and of exported rows: a measure may not write one of these names."""

KEYS = ("prompt_id", "pair_id", "chosen_id", "rejected_id")
"""Id columns: a cap may group by them."""


def problems_of(recipe: Recipe) -> Iterator[Problem]:
    """Yield every contradiction between the parts of a recipe."""
    yield from _names(recipe)
    columns = rule_columns(recipe)
    start = len(recipe.structure.rules())
    for index, rule in enumerate(recipe.all_rules):
        if index >= start:
            yield from _rule(rule, ("rules", index - start), columns)
            yield from _selects(rule, ("rules", index - start), recipe)
    yield from _pairs(recipe)
    yield from _pressures(recipe)
    yield from _export(recipe, columns)


def rule_columns(recipe: Recipe) -> dict[str, Column]:
    """Return every column that a rule of this recipe may read, by name and in order."""
    facts = {column.name: column for column in PAIR_COLUMNS}
    return facts | dict(columns_of(recipe.measures))


def _names(recipe: Recipe) -> Iterator[Problem]:
    for key, names in {
        "sources": [source.name for source in recipe.sources],
        "rules": [rule.reason for rule in recipe.all_rules],
        "measures": [*_examples(recipe), *(getattr(m, "name", m.kind) for m in recipe.measures)],
    }.items():
        for name in _repeated(names):
            yield (key,), f"the name `{name}` is used twice; give each its own `name`"
    columns = [column.name for measure in recipe.measures for column in measure.columns()]
    taken = [*columns, *(column.name for column in PAIR_COLUMNS), *KEYS]
    for name in _repeated(taken):
        yield ("measures",), f"two measures write the column `{name}`; rename one with `name`"
    for name in sorted(DECIDED & set(columns)):
        yield ("measures",), f"`{name}` is a column of the decisions; rename it with `name`"


def _examples(recipe: Recipe) -> Iterator[str]:
    """Yield the names of benchmarks: with measures of likeness they share a name for files."""
    for measure in recipe.measures:
        if isinstance(measure, Contamination):
            yield from (benchmark.name for benchmark in measure.benchmarks)


def _repeated(names: Iterable[str]) -> list[str]:
    return [name for name, times in Counter(names).items() if times > 1]


def _rule(rule: Rule, path: Location, columns: dict[str, Column]) -> Iterator[Problem]:
    if rule.column is not None:
        known = columns.get(rule.column)
        if known is None:
            yield (*path, "column"), unknown_column(rule.column, columns)
        else:
            yield from _types(rule, path, known)
    if rule.unless is not None:
        name, known = rule.unless.column, columns.get(rule.unless.column)
        if known is None:
            yield (*path, "unless", "column"), unknown_column(name, columns)
        else:
            yield from _fits(rule.unless, (*path, "unless"), known)
    yield from _groups(rule, path, columns)


def _groups(rule: Rule, path: Location, columns: dict[str, Column]) -> Iterator[Problem]:
    """Yield what is wrong with how a cap, budget or quantile groups and orders."""
    if rule.per is not None and rule.per not in columns and rule.per not in KEYS:
        yield (*path, "per"), unknown_column(rule.per, [*KEYS, *columns])
    for index, name in enumerate(rule.balance):
        if name not in columns and name not in KEYS:
            yield (*path, "balance", index), unknown_column(name, [*KEYS, *columns])
    if rule.order_by is not None:
        name = rule.order_by.removeprefix("-")
        if name not in columns:
            yield (*path, "order_by"), unknown_column(name, columns)
        elif not columns[name].numeric:
            yield (*path, "order_by"), f"`{name}` is text and has no order"


def _selects(rule: Rule, path: Location, recipe: Recipe) -> Iterator[Problem]:
    """Yield what a rule lacks to prefer pairs that are unlike each other."""
    kinds = {type(measure) for measure in recipe.measures}
    if rule.diverse is not None and PromptNeighbours not in kinds:
        text = "`diverse` needs to know what is near: add the measure `prompt_neighbours`"
        yield (*path, "diverse"), text


def _types(rule: Rule, path: Location, column: Column) -> Iterator[Problem]:
    if rule.test in {"bound", "quantile"} and not column.numeric:
        yield path, _not_numeric(column)
    for value in (rule.equals, rule.differs):
        yield from _comparable(value, path, column)
    for condition in (rule.flip_when, rule.hold_when):
        if condition is not None:
            yield from _fits(condition, path, column)


def _fits(condition: Condition, path: Location, column: Column) -> Iterator[Problem]:
    """Yield why a condition cannot be asked of a column."""
    if condition.equals is None and not column.numeric:
        yield path, _not_numeric(column)
    yield from _comparable(condition.equals, path, column)


def _not_numeric(column: Column) -> str:
    return f"`{column.name}` is text; use `equals`, or a numeric column"


def _comparable(value: object, path: Location, column: Column) -> Iterator[Problem]:
    if value is not None and isinstance(value, str) == column.numeric:
        kind = "a number or a truth value" if column.numeric else "text"
        yield path, f"`{column.name}` holds {kind}; found `{value}`"


def unknown_column(name: str, columns: Iterable[str]) -> str:
    """Say that a column does not exist, which one may be meant, and which ones there are."""
    known = list(columns)
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean `{close[0]}`?" if close else ""
    return f"no column `{name}`{hint}. The columns are: {', '.join(known)}"


def _pairs(recipe: Recipe) -> Iterator[Problem]:
    rewards = scored(recipe.measures)
    wants = "reward" in recipe.pairs.use
    if wants != (recipe.pairs.reward is not None):
        yield ("pairs", "reward"), "`reward` and `use: [reward]` go together"
    elif wants and recipe.pairs.reward not in rewards:
        known = ", ".join(rewards) or "none"
        text = f"no reward measure `{recipe.pairs.reward}`; the response rewards are: {known}"
        yield ("pairs", "reward"), text
    for index, measure in enumerate(recipe.measures):
        if isinstance(measure, RewardAgreement):
            for name in measure.models:
                if name not in rewards:
                    known = ", ".join(rewards) or "none"
                    text = f"no reward measure `{name}`; the response rewards are: {known}"
                    yield ("measures", index, "models"), text
            for name in _repeated(measure.models):
                yield ("measures", index, "models"), f"`{name}` is named twice"


def _pressures(recipe: Recipe) -> Iterator[Problem]:
    stored = [m.name for m in recipe.measures if isinstance(m, Ches) and m.store is not None]
    for index, measure in enumerate(recipe.measures):
        if isinstance(measure, DisplacementPressure) and measure.ches not in stored:
            known = ", ".join(stored) or "none"
            text = f"no CHES measure `{measure.ches}` with `store`; those with it are: {known}"
            yield ("measures", index, "ches"), text


def _export(recipe: Recipe, columns: dict[str, Column]) -> Iterator[Problem]:
    for index, name in enumerate(recipe.export.columns or ()):
        path: Location = ("export", "columns", index)
        if name not in columns:
            yield path, unknown_column(name, columns)
        elif name in RESERVED:
            yield path, f"trainers read a column `{name}` as something else; leave it out"
    for measure in recipe.measures:
        for column in measure.columns():
            if column.name in RESERVED:
                yield ("measures",), f"a measure may not write the reserved column `{column.name}`"
