"""Rows of a table of a run: as a table if it fits the terminal, else one block per row."""

from collections.abc import Sequence

from prefine.cli.layout import GAP, column_widths, longest_word, text_width, wrap_words
from prefine.cli.output import Stream
from prefine.cli.tables import cell_text, print_table
from prefine.cli.text import cut
from prefine.settings.json import Json, is_array, is_object

_ID_DIGITS = 10
"""Digits of an id in a table; the beginning of an id is enough to name a pair."""
_MIN_WIDTH = 24
"""Narrowest column in which a text may be wrapped."""
_MAX_LINES = 3
"""Maximum number of lines of a row in a table."""


def print_rows(stream: Stream, rows: Sequence[Json], chars: int) -> None:
    """Print rows, without the columns that are null in all of them.

    Args:
        stream: Where to print.
        rows: Rows with the same columns.
        chars: Maximum number of characters of a text; 0 prints all of it.
    """
    if not rows:
        return
    names = [name for name in rows[0] if any(r[name] is not None for r in rows)]
    values = [[_cut(row[name], chars) for name in names] for row in rows]
    short = [
        [_short(name, value) for name, value in zip(names, line, strict=True)] for line in values
    ]
    if _fits(names, [[cell_text(value) for value in line] for line in short], stream.width):
        print_table(stream, "", names, short)
        return
    for line in values:
        _print_block(stream, dict(zip(names, line, strict=True)))


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
    """Return whether rows are readable as a table, with few lines each and no broken words."""
    if any("\n" in cell for line in lines for cell in line):
        return False
    columns = [[name, *(line[place] for line in lines)] for place, name in enumerate(names)]
    for size, cells in zip(column_widths(columns, width), columns, strict=True):
        widest = max(map(text_width, cells))
        if max(map(longest_word, cells)) > size or widest > _MAX_LINES * size:
            return False
        if size < min(widest, _MIN_WIDTH):
            return False
    return True


def _print_block(stream: Stream, row: Json) -> None:
    """Print one row: a line for each value; long values are wrapped."""
    indent = max(map(len, row), default=0) + GAP
    for name, value in row.items():
        if value is None:
            continue
        lines = wrap_words(cell_text(value), max(stream.width - indent, _MIN_WIDTH))
        for number, line in enumerate(lines):
            head = name if number == 0 else ""
            stream.line(f"{head:<{indent}}{line}".rstrip())
    stream.line()
