"""Rows of a table on a console: as a table where it fits, else one block per row."""

from collections.abc import Sequence
from textwrap import wrap
from typing import TYPE_CHECKING

from prefine.cli.tables import cell_text, print_table
from prefine.cli.text import cut
from prefine.settings.json import Json, is_array, is_object

if TYPE_CHECKING:
    from rich.console import Console

_ID_DIGITS = 10
"""Digits of an id in a table; the beginning of an id is enough to name a pair."""
_LEAST_WIDTH = 24
"""Narrowest column in which a text may be wrapped."""
_MOST_LINES = 4
"""Maximum number of lines of a row in a table."""
_GAP = 2


def print_rows(console: "Console", rows: Sequence[Json], chars: int) -> None:
    """Print rows, without the columns that are null in all of them.

    Args:
        console: Where to print.
        rows: Rows with the same columns.
        chars: Maximum number of characters of a text; 0 prints all of it.
    """
    names = [name for name in (rows[0] if rows else ()) if any(r[name] is not None for r in rows)]
    values = [[_cut(row[name], chars) for name in names] for row in rows]
    short = [
        [_short(name, value) for name, value in zip(names, line, strict=True)] for line in values
    ]
    if _fits(names, [[cell_text(value) for value in line] for line in short], console.width):
        print_table(console, "", names, short)
        return
    for line in values:
        _print_block(console, dict(zip(names, line, strict=True)))


def _cut(value: object, chars: int) -> object:
    if isinstance(value, str):
        return cut(value, chars)
    if is_array(value):
        return [_cut(item, chars) for item in value]
    if is_object(value):
        return {key: _cut(item, chars) for key, item in value.items() if item is not None}
    return value


def _short(name: str, value: object) -> object:
    return value[:_ID_DIGITS] if _is_id(name) and isinstance(value, str) else value


def _is_id(name: str) -> bool:
    return name.endswith("_id") and name != "own_id"


def _fits(names: Sequence[str], lines: Sequence[Sequence[str]], width: int) -> bool:
    """Tell whether rows fit as a table whose widest column may be wrapped."""
    if any("\n" in cell for line in lines for cell in line):
        return False
    columns = [[name, *(line[place] for line in lines)] for place, name in enumerate(names)]
    widths = sorted(max(map(len, column)) for column in columns)
    total = sum(widths) + _GAP * len(widths)
    if total <= width:
        return True
    left = width - (total - widths[-1])
    return left >= _LEAST_WIDTH and widths[-1] <= _MOST_LINES * left


def _print_block(console: "Console", row: Json) -> None:
    """Print one row: a line for each value, long ones wrapped below themselves."""
    indent = max(map(len, row), default=0) + _GAP
    for name, value in row.items():
        if value is None:
            continue
        lines = [
            part
            for line in cell_text(value).splitlines() or [""]
            for part in _wrapped(line, max(console.width - indent, _LEAST_WIDTH))
        ]
        for number, line in enumerate(lines):
            head = name if number == 0 else ""
            console.print(f"{head:<{indent}}{line}", markup=False, highlight=False)
    console.print()


def _wrapped(line: str, width: int) -> list[str]:
    """Wrap a line between words; a word that is longer than a line stays whole."""
    return wrap(line, width, break_long_words=False, break_on_hyphens=False) or [""]
