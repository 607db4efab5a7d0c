"""Names of columns that deciding reads and writes, and which tests fit a column."""

import difflib
from collections.abc import Collection, Iterable, Iterator

import polars as pl

from prefine.schema import HUMAN_VERDICT, UNKNOWN, Column
from prefine.settings import Location, Problem

KEYS = ("prompt_id", "pair_id", "chosen_id", "rejected_id")
"""Id columns of a pair: a rule may group by them."""

DECIDED = frozenset(
    {
        *("verdict", "rule", "column", "value", "threshold", "value_text", "threshold_text"),
        *("weight", "order", "explanation", "flipped_by", "is_flipped"),
    }
)
"""Columns of decisions and of exported rows: a measure may not write one of these names."""

IN = pl.col("_in")
"""While rules are applied: no rule has dropped or held the pair."""
FLIPPED = pl.col("_flipped")
"""While rules are applied: chosen and rejected have changed places."""
SEEN = pl.col("_seen")
"""While rules are applied: the present rule looks at the pair, which is in and not exempt."""
PLACE = "_place"
"""While rules are applied: the place of a pair, from 1, in the order of a cap or a budget."""

DIRECTED = pl.col(HUMAN_VERDICT).is_in(["right", "wrong"]).fill_null(value=False)
"""A human said which side is better, and no rule that does not name verdicts acts on the pair."""


def current_value(column: Column) -> pl.Expr:
    """Return a column in the pair's current direction: numbers as floats, NaN as null."""
    value = column.seen(FLIPPED)
    return value.cast(pl.Float64).fill_nan(None) if column.numeric else value


def unknown_column(name: str, columns: Iterable[str]) -> str:
    """Return the message that a column does not exist, with the nearest name and all columns."""
    known = list(columns)
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean `{close[0]}`?" if close else ""
    return f"no column `{name}`{hint}. The columns are: {', '.join(known)}"


def group_problems(name: str, location: Location, columns: Collection[str]) -> Iterator[Problem]:
    """Yield why pairs cannot be grouped by a column.

    Args:
        name: The column, or an id column.
        location: Where the rule names it, relative to the rule.
        columns: Names of the columns that rules may read.
    """
    if name not in columns and name not in KEYS:
        yield location, unknown_column(name, [*KEYS, *columns])


def numeric_problems(column: Column) -> Iterator[Problem]:
    """Yield why a bound cannot be tested on a column."""
    if not column.numeric and column.type != UNKNOWN:
        yield (), f"`{column.name}` is text; use `equals`, or a numeric column"


def value_problems(value: float | str, column: Column) -> Iterator[Problem]:
    """Yield why a column can never equal a value."""
    if column.type != UNKNOWN and isinstance(value, str) == column.numeric:
        kind = "a number or a truth value" if column.numeric else "text"
        yield (), f"`{column.name}` holds {kind}; found `{value}`"
