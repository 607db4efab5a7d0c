"""Find the rows in one JSON object: rows under a key, columns of equal length, or a single row."""

from collections.abc import Sequence
from typing import Any

from prefine.errors import DataError
from prefine.ingest.record import Reason
from prefine.ingest.rows import Unreadable
from prefine.settings.json import Json, is_array, is_object

_CONTAINERS = frozenset(
    (
        *("data", "dataset", "rows", "items", "records", "entries", "results"),
        *("examples", "instances", "samples", "pairs", "preferences", "comparisons"),
        *("train", "training", "test", "testing", "validation", "valid", "dev", "eval"),
    )
)
"""Keys that hold rows and not a part of one row."""
_ROW_KEYS = frozenset(
    (
        *("prompt", "chosen", "rejected", "instruction", "question", "response", "responses"),
        *("messages", "conversation", "conversations", "completion", "completions"),
    )
)
"""Keys that identify an object as a row, whatever lists it has."""
_WRAPPING = {"row_idx", "row", "truncated_cells"}
"""Keys of a row in a response of the Hugging Face dataset viewer."""
_TRUNCATED = Unreadable(
    Reason.WRONG_TYPE, "was truncated by the dataset viewer; download the files of the data set"
)
_MAX_DEPTH = 3
"""Number of nested keys that are searched for lists of rows."""


def rows_of(value: Json, path: str, *, is_line: bool) -> list[Any]:
    """Return the rows in the only object of a file; the object itself if it contains none.

    Args:
        value: The object.
        path: Name of the file for messages.
        is_line: Whether the file is named as JSON lines, in which case only keys that are known to
            hold rows are considered.

    Raises:
        DataError: Several keys hold rows.
    """
    rows = _columns(value) or _records(value, path, is_line)
    return [value] if rows is None else rows


def rows_under(value: object, key: str, path: str) -> list[Any]:
    """Return the rows under a dotted key; a key that contains dots takes precedence.

    Args:
        value: The JSON value of the file.
        key: The dotted key.
        path: Name of the file for messages.

    Raises:
        DataError: There is no such key, or its value is neither a list nor columns of equal length.
    """
    parts = key.split(".")
    while parts:
        length = _num_parts(value, parts)
        if length is None or not is_object(value):
            keys = ", ".join(sorted(value)) if is_object(value) else "none: it is not an object"
            raise DataError(f"{path}: no key `{key}` (option `rows`); the keys are: {keys:.200}")
        value = value[".".join(parts[:length])]
        parts = parts[length:]
    rows = _columns(value) if is_object(value) else value
    if not is_array(rows):
        raise DataError(f"{path}: the value of `{key}` (option `rows`) is not a list of rows")
    return _unwrapped(rows) or rows


def _num_parts(value: object, parts: Sequence[str]) -> int | None:
    """Return how many parts of a dotted key form the next key, or None if no key matches."""
    if not is_object(value):
        return None
    return next((n for n in range(len(parts), 0, -1) if ".".join(parts[:n]) in value), None)


def possible_rows(value: Json, depth: int = _MAX_DEPTH) -> dict[str, list[Any]]:
    """Return all lists of rows in an object by their dotted keys.

    Args:
        value: The object.
        depth: Number of nested keys that are searched.
    """
    candidates: dict[str, list[Any]] = {}
    for key, item in value.items():
        rows = _columns(item) if is_object(item) else item
        if is_array(rows) and _is_list_of_rows(rows):
            candidates[key] = _unwrapped(rows) or rows
        elif is_object(item) and depth > 1:
            inner = possible_rows(item, depth - 1)
            candidates |= {f"{key}.{name}": rows for name, rows in inner.items()}
    return candidates


def _unwrapped(rows: object) -> list[Any] | None:
    """Return the rows in a response of the Hugging Face dataset viewer; None for other rows."""
    if not is_array(rows) or not rows or not all(map(_is_wrapped, rows)):
        return None
    return [_whole_cells(item["row"], item.get("truncated_cells")) for item in rows]


def _is_wrapped(item: object) -> bool:
    if not is_object(item) or not item.keys() <= _WRAPPING:
        return False
    return "row_idx" in item and is_object(item.get("row"))


def _whole_cells(row: Json, truncated: object) -> Json:
    names = truncated if is_array(truncated) else []
    return {name: _TRUNCATED if name in names else cell for name, cell in row.items()}


def _columns(value: Json) -> list[Any] | None:
    """Return the rows of columnar JSON: lists of equal length, or the formats of pandas."""
    if set(value) in ({"columns", "data"}, {"columns", "index", "data"}):
        names, cells = value["columns"], value["data"]
        if is_array(names) and is_array(cells) and len({*map(str, names)}) == len(names):
            return [_filled(names, row) for row in cells]
    columns = list(value.values())
    if columns and all(map(is_object, columns)):
        return _indexed(value)
    if len(columns) < 2 or not all(map(is_array, columns)):  # noqa: PLR2004
        return None
    if len({len(column) for column in columns}) > 1 or not _are_columns(columns):
        return None
    return [dict(zip(value, cells, strict=True)) for cells in zip(*columns, strict=True)]


def _filled(names: list[Any], cells: object) -> object:
    """Return a row of a data frame as an object; unchanged if it does not fit the columns."""
    if not is_array(cells) or len(cells) != len(names):
        return cells
    return dict(zip(map(str, names), cells, strict=True))


def _indexed(value: dict[str, Json]) -> list[Any] | None:
    """Return the rows of a data frame whose rows, or whose columns' cells, are keyed by number."""
    columns = list(value.values())
    if all(key.isdecimal() for key in value) and all(columns):
        return columns
    first = columns[0]
    numbered = bool(first) and all(key.isdecimal() for key in first)
    if not numbered or len(columns) == 1 or any(c.keys() != first.keys() for c in columns):
        return None
    return [{name: column[key] for name, column in value.items()} for key in first]


def _are_columns(columns: Sequence[list[Any]]) -> bool:
    """Return whether lists of equal length are columns, and not parts of one row.

    The turns of conversations, and a list of texts with a list of their scores, are parts of one
    row and may have equal lengths.
    """
    if any(map(_is_message, (item for column in columns for item in column[:1]))):
        return False
    kinds: list[set[object]] = [set(map(type, column)) for column in columns]
    scored = sum(kind <= {int, float, type(None)} for kind in kinds) == 1 and {str} in kinds
    return bool(columns[0]) and not (len(columns) == 2 and scored)  # noqa: PLR2004


def _is_message(item: object) -> bool:
    if not is_object(item):
        return False
    return bool({"role", "from"} & item.keys()) and bool({"content", "value"} & item.keys())


def _records(value: Json, path: str, is_line: bool) -> list[Any] | None:
    if any(key.lower() in _ROW_KEYS for key in value):
        return None
    if rows := _unwrapped(value.get("rows")):
        return rows
    lists = {key: item for key, item in value.items() if _is_list_of_rows(item)}
    known = [key for key in lists if key.lower() in _CONTAINERS]
    if len(known) > 1:
        listed = ", ".join(known)
        raise DataError(f"{path}: has several lists of rows; set `rows` to one of: {listed}")
    if known and len(lists) == 1:
        return lists[known[0]]
    return _under_only_key(value, path, is_line) if len(value) == 1 else None


def _under_only_key(value: Json, path: str, is_line: bool) -> list[Any] | None:
    (key, item), *_ = value.items()
    if is_object(item):
        return _columns(item) or _records(item, path, is_line)
    if _is_list_of_rows(item) and not is_line:
        return item
    return [] if key.lower() in _CONTAINERS and item == [] else None


def _is_list_of_rows(value: object) -> bool:
    return is_array(value) and bool(value) and all(map(is_object, value)) and not any(
        map(_is_message, value)
    )  # fmt: skip
