"""Columns that rules read and decisions have, and which tests fit a column."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

import pyarrow as pa

from prefine.schema import UNKNOWN, Column, Flip
from prefine.settings import Location, Problem
from prefine.settings.names import listed, nearest

_TEXT = pa.large_string()
WHOLE_BELOW = 2.0**53
"""Whole numbers below this are written without a decimal point."""

ID_COLUMNS: Mapping[str, Column] = {
    "prompt_id": Column("prompt_id", _TEXT, "id of the prompt"),
    "pair_id": Column("pair_id", _TEXT, "id of the pair"),
    "chosen_id": Column("chosen_id", _TEXT, "id of the chosen response", Flip.SWAP, "rejected_id"),
    "rejected_id": Column(
        "rejected_id", _TEXT, "id of the rejected response", Flip.SWAP, "chosen_id"
    ),
}

KEYS = tuple(ID_COLUMNS)
"""Id columns of a pair, by which a rule may group."""

DECIDED = frozenset(
    {
        *("verdict", "rule", "column", "value", "threshold", "value_text", "threshold_text"),
        *("weight", "order", "explanation", "flipped_by", "flips", "is_flipped"),
    }
)
"""Columns of decisions and of exported rows: a measure may not write one of these names."""


def plain(value: float | str) -> str:
    """Return a value as YAML writes it, with all digits."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return value or "an empty text"
    return f"{value:.0f}" if value == round(value) and abs(value) < WHOLE_BELOW else f"{value}"


class KnownColumns(dict[str, Column]):
    """The columns that rules may read, and explanations of names that are not among them."""

    def __init__(
        self,
        columns: Mapping[str, Column],
        *,
        groups: Mapping[str, Collection[str]] | None = None,
        explain: Callable[[str], str | None] | None = None,
    ) -> None:
        """Index columns by name.

        Args:
            columns: By name.
            groups: The same names grouped by their origin, for messages.
            explain: Returns why a column does not exist, if that is known.
        """
        super().__init__(columns)
        self.groups = groups or {}
        self.explain = explain


def unknown_column(name: str, columns: Iterable[str]) -> str:
    """Return the error message for a column that does not exist.

    Args:
        name: The unknown name.
        columns: The columns that exist.
    """
    groups = columns.groups if isinstance(columns, KnownColumns) else {}
    explain = columns.explain if isinstance(columns, KnownColumns) else None
    reason = explain(name) if explain is not None else None
    if reason is not None:
        return reason
    known = list(columns)
    close = nearest(name, known)
    if close is not None:
        return f"no column `{name}`; did you mean `{close}`?"
    parts = [f"of {of}: {listed(names, 60)}" for of, names in groups.items() if names]
    if not parts:
        return f"no column `{name}`; the columns are: {listed(known)}"
    return f"no column `{name}`; the columns are {'; '.join(_cut(parts))}"


def _cut(parts: list[str]) -> list[str]:
    """Return the first parts of a long message."""
    more = len(parts) - _MAX_GROUPS
    return parts if more <= 0 else [*parts[:_MAX_GROUPS], f"and those of {more} more measures"]


_MAX_GROUPS = 4


def group_problems(
    name: str, location: Location, columns: Mapping[str, Column]
) -> Iterator[Problem]:
    """Yield an error if there is no such column or id to group by.

    Args:
        name: The column, or an id column.
        location: Where the rule names it, relative to the rule.
        columns: The columns that rules may read.
    """
    if name in columns or name in KEYS:
        return
    close = nearest(name, KEYS)
    if close is not None and nearest(name, [*KEYS, *columns]) == close:
        yield location, f"no column `{name}`; did you mean `{close}`?"
    else:
        yield location, unknown_column(name, columns)


def numeric_problems(column: Column) -> Iterator[Problem]:
    """Yield an error if a column is text, which has no order."""
    if not column.numeric and column.type != UNKNOWN:
        yield (), f"`{column.name}` is text; use `equals`, or a numeric column"


def bound_problems(
    minimum: float | None, maximum: float | None, column: Column
) -> Iterator[Problem]:
    """Yield why bounds do not fit a column: it is text, or they are outside its range."""
    yield from numeric_problems(column)
    if column.known_range is None:
        return
    low, high = column.known_range
    for key, bound in (("minimum", minimum), ("maximum", maximum)):
        if bound is None:
            continue
        where = f"`{column.name}` is {_span(column)}"
        if not low <= bound <= high:
            holds = "never" if (bound > high) == (key == "minimum") else "always"
            yield (), f"{where}, so that `{key}: {plain(bound)}` {holds} holds"
        elif pa.types.is_integer(column.type) and bound != int(bound):
            yield (), f"{where} and a whole number; found `{key}: {plain(bound)}`"


def value_problems(value: float | str, column: Column) -> Iterator[Problem]:
    """Yield why no value of a column can equal a given one."""
    if column.type == UNKNOWN:
        return
    if isinstance(value, str) == column.numeric:
        quotes = "" if column.numeric else "; if this is the text, put it in quotes"
        yield (), f"`{column.name}` holds {_kind(column)}; found {_describe_value(value)}{quotes}"
    elif isinstance(value, str):
        return
    elif pa.types.is_boolean(column.type) and value not in (0, 1):
        yield (), f"`{column.name}` is true or false; found `{plain(value)}`"
    elif pa.types.is_integer(column.type) and value != int(value):
        yield (), f"`{column.name}` holds whole numbers; found `{plain(value)}`"
    elif column.known_range and not column.known_range[0] <= value <= column.known_range[1]:
        yield (), f"`{column.name}` is {_span(column)}, and never {plain(value)}"


def _describe_value(value: float | str) -> str:
    if isinstance(value, str):
        return f"the text `{value}`"
    return f"`{plain(value)}`"


def _kind(column: Column) -> str:
    """Return the type of a column in words."""
    if not column.numeric:
        return "text"
    if pa.types.is_boolean(column.type):
        return "truth values (`true` or `false`, without quotes)"
    return "whole numbers" if pa.types.is_integer(column.type) else "numbers"


def _span(column: Column) -> str:
    """Return the range of a column in words."""
    low, high = column.known_range or (0.0, 0.0)
    if pa.types.is_boolean(column.type):
        return "true (1) or false (0)"
    return f"in [{low:g}, {high:g}]" if high != float("inf") else f"at least {low:g}"
