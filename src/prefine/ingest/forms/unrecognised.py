"""Hints for a file that no layout fits: its keys, and what to set in the recipe."""

import json
import re
from collections.abc import Callable, Sequence

from prefine.ingest.forms.containers import possible_rows
from prefine.ingest.rows import RawRow, Unreadable
from prefine.settings.json import Json, is_array, is_object

_NUM_SHOWN = 40
"""Maximum number of keys in a message."""
_NUM_INNER = 5
"""Maximum number of keys of a nested object in a message."""
_NUM_CHARS = 60
"""Maximum number of characters of a key in a message."""
_MAX_DEPTH = 8
"""Maximum depth of the search for unreadable values."""
_DELIMITER = re.compile(r"[,;\t|^~\x01\x1f]")
_ELEMENTS = {
    "a string": "strings",
    "a number": "numbers",
    "a boolean": "booleans",
    "null": "nulls",
    "unreadable": "unreadable values",
}


def values_of(rows: Sequence[RawRow]) -> list[Json]:
    """Return the values of the rows that were parsed."""
    return [row.value for row in rows if row.value is not None]


def shown_keys(values: Sequence[Json]) -> str:
    """Return the keys of the first row, each with the types of its values in all rows."""
    keys = sorted(values[0], key=str) if values else []
    shown = [f"{_shown(key)} ({_types(values, key)})" for key in keys[:_NUM_SHOWN]]
    return ", ".join([*shown, "..."] if len(keys) > _NUM_SHOWN else shown)


def unreadable_hints(rows: Sequence[RawRow]) -> list[str]:
    """Return a hint with the first unreadable row or value."""
    for row in sorted(rows, key=lambda row: row.number):
        error = row.error
        if error is None and (hit := _unreadable(row.value, "")) is not None:
            error = hit[1].error(hit[0])
        if error is not None:
            return [f"Row {row.number}: {error}"]
    return []


def rows_hints(values: Sequence[Json], fits: Callable[[Json], bool]) -> list[str]:
    """Return a hint at the option ``rows`` if the first value contains lists of rows.

    Args:
        values: The first values of the file.
        fits: Returns whether a layout fits a value.
    """
    if not values:
        return []
    lists = possible_rows(values[0])
    known = [key for key, rows in lists.items() if is_object(rows[0]) and fits(rows[0])]
    options = [f"`rows: {_shown(key)}`" for key in known or (lists if len(values) == 1 else [])]
    return [f"If the rows are in a list under a key, set {' or '.join(options)}"] if options else []


def delimiter_hints(values: Sequence[Json]) -> list[str]:
    """Return a hint at the option ``delimiter`` if the name of a single column contains one."""
    names = list(map(str, values[0])) if values else []
    match = _DELIMITER.search(names[0]) if len(names) == 1 else None
    return [f"For delimited text, set `delimiter` to {json.dumps(match[0])}"] if match else []


def _shown(key: object) -> str:
    return " ".join(str(key).split())[:_NUM_CHARS]


def _types(values: Sequence[Json], key: str) -> str:
    """Return the types of the values under a key, in order of first occurrence."""
    return " or ".join(dict.fromkeys(_type(value[key]) for value in values if key in value))


def _type(value: object) -> str:
    if is_array(value):
        return _list_type(value)
    if is_object(value):
        inner = ", ".join(_shown(key) for key in list(value)[:_NUM_INNER])
        more = ", ..." if len(value) > _NUM_INNER else ""
        of_lists = " of lists" if value and all(map(is_array, value.values())) else ""
        return f"an object{of_lists}: {inner}{more}" if inner else "an empty object"
    for kind, name in ((bool, "a boolean"), (int | float, "a number"), (str, "a string")):
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
    hits = (
        _unreadable(item, f"{path}.{_shown(key)}".lstrip("."), depth - 1) for key, item in items
    )
    return next((hit for hit in hits if hit is not None), None)
