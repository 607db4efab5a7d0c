"""Explain why no layout fits the first rows of a file, and what to set in the recipe."""

import json
import re
from collections.abc import Callable, Sequence

from prefine.ingest.forms.containers import possible_rows
from prefine.ingest.rows import RawRow, Unreadable
from prefine.settings.json import Json, is_array, is_object

_NUM_SHOWN = 40
"""How many keys a message shows."""
_NUM_INNER = 5
"""How many keys of an object within the row it shows."""
_NUM_CHARS = 60
"""How many characters of a key it shows."""
_MAX_DEPTH = 8
"""How deep in a row unreadable values are looked for."""
_DELIMITER = re.compile(r"[,;\t|^~\x01\x1f]")
_ELEMENTS = {
    "a text": "texts",
    "a number": "numbers",
    "a truth value": "truth values",
    "null": "nulls",
    "unreadable": "unreadable values",
}


def values_of(rows: Sequence[RawRow]) -> list[Json]:
    """Return the values of the rows that were parsed."""
    return [row.value for row in rows if row.value is not None]


def shown_keys(values: Sequence[Json]) -> str:
    """Return the keys of the first row, each with the types that its values have in all rows."""
    keys = sorted(values[0], key=str) if values else []
    shown = [f"{_shown(key)} ({_types(values, key)})" for key in keys[:_NUM_SHOWN]]
    return ", ".join([*shown, "..."] if len(keys) > _NUM_SHOWN else shown)


def unreadable_hints(rows: Sequence[RawRow]) -> list[str]:
    """Return why the first row that holds something unreadable is so."""
    for row in sorted(rows, key=lambda row: row.number):
        error = row.error
        if error is None and (place := _unreadable(row.value, "")) is not None:
            error = place[1].error(place[0])
        if error is not None:
            return [f"Row {row.number}: {error}"]
    return []


def rows_hints(values: Sequence[Json], fits: Callable[[Json], bool]) -> list[str]:
    """Return the option ``rows`` that would read the rows that the first value holds.

    Args:
        values: The first values of the file.
        fits: Whether a layout fits a value.
    """
    if not values:
        return []
    found = possible_rows(values[0])
    known = [key for key, rows in found.items() if is_object(rows[0]) and fits(rows[0])]
    options = [f"`rows: {_shown(key)}`" for key in known or (found if len(values) == 1 else [])]
    return [f"If the rows are in a list under a key, set {' or '.join(options)}"] if options else []


def delimiter_hints(values: Sequence[Json]) -> list[str]:
    """Return the option ``delimiter`` that would split the name of an only column."""
    names = list(map(str, values[0])) if values else []
    found = _DELIMITER.search(names[0]) if len(names) == 1 else None
    return [f"In delimited text, set `delimiter` to {json.dumps(found[0])}"] if found else []


def _shown(key: object) -> str:
    return " ".join(str(key).split())[:_NUM_CHARS]


def _types(values: Sequence[Json], key: str) -> str:
    """Return the types of the values under a key, as they first occur."""
    return " or ".join(dict.fromkeys(_type(value[key]) for value in values if key in value))


def _type(value: object) -> str:
    if is_array(value):
        return _list_type(value)
    if is_object(value):
        inner = ", ".join(_shown(key) for key in list(value)[:_NUM_INNER])
        more = ", ..." if len(value) > _NUM_INNER else ""
        of_lists = " of lists" if value and all(map(is_array, value.values())) else ""
        return f"an object{of_lists}: {inner}{more}" if inner else "an empty object"
    for kind, name in ((bool, "a truth value"), (int | float, "a number"), (str, "a text")):
        if isinstance(value, kind):
            return name
    return "null" if value is None else "unreadable"


def _list_type(items: Sequence[object]) -> str:
    kinds = {"objects" if is_object(i) else "lists" if is_array(i) else _type(i) for i in items}
    if not kinds:
        return "an empty list"
    if len(kinds) > 1:
        return "a list of several types"
    (kind,) = kinds
    return f"a list of {_ELEMENTS.get(kind, kind)}"


def _unreadable(value: object, path: str, depth: int = _MAX_DEPTH) -> tuple[str, Unreadable] | None:
    """Return the first unreadable value within a value, with its path."""
    if isinstance(value, Unreadable):
        return path, value
    if depth == 0:
        return None
    items = enumerate(value) if is_array(value) else value.items() if is_object(value) else ()
    found = (
        _unreadable(item, f"{path}.{_shown(key)}".lstrip("."), depth - 1) for key, item in items
    )
    return next((place for place in found if place is not None), None)
