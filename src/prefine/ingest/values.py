"""Convert the values of a raw row to the expected types, or raise a ``RowError``."""

import math
import re
from collections.abc import Mapping
from typing import Any

import orjson

from prefine.ingest.literals import parsed_text
from prefine.ingest.record import Reason, RowError
from prefine.ingest.rows import Unreadable
from prefine.settings.json import Json, is_array, is_object

_SURROGATE = re.compile("[\ud800-\udfff]")
_JOINT = re.compile(r"(?<=\w)[-_](?=\w)")
_TRUE = frozenset(
    {
        *("true", "1", "1.0", "yes", "desirable", "good", "up", "upvote", "thumbs up", "thumb up"),
        *("positive", "like", "liked", "accepted", "👍"),
    }
)
_FALSE = frozenset(
    {
        *("false", "0", "0.0", "no", "undesirable", "bad", "down", "downvote"),
        *("thumbs down", "thumb down", "negative", "dislike", "disliked", "rejected", "👎"),
    }
)
_BLANK = frozenset({"", "nan", "null", "none", "n/a"})
_TYPE_NAMES = {
    "NoneType": "null",
    "bool": "a boolean",
    "int": "a number",
    "float": "a number",
    "str": "a string",
    "dict": "an object",
    "list": "a list",
}


def required(row: Json, key: str) -> Any:
    """Return the value of a column.

    Raises:
        RowError: The column is missing or null.
    """
    value = row.get(key)
    if value is None:
        raise RowError(Reason.MISSING_VALUE, f"`{key}` is missing or null")
    return value


def text(value: object, what: str, reason: Reason = Reason.WRONG_TYPE) -> str:
    """Return a value as a string.

    Args:
        value: The raw value.
        what: Name of the value for messages.
        reason: Reason of the error for a value that is not a string.

    Raises:
        RowError: The value is not a string or contains an unpaired surrogate.
    """
    if isinstance(value, Unreadable):
        raise value.error(what)
    if not isinstance(value, str):
        raise RowError(reason, f"`{what}` is {type_name(value)}, not a string")
    if not value.isascii() and _SURROGATE.search(value):
        raise RowError(Reason.INVALID_TEXT, f"`{what}` contains an unpaired surrogate")
    return value


def number(value: object, what: str) -> float | None:
    """Return a number, which may be written as text; None for null, blank, ``N/A``, NaN, infinity.

    Raises:
        RowError: The value is none of these.
    """
    if value is None or (isinstance(value, str) and value.strip().lower() in {"", "n/a", "na"}):
        return None
    if isinstance(value, bool) or (isinstance(value, str) and "_" in value):
        raise _not_a_number(value, what)
    try:
        parsed = float(value)  # pyright: ignore[reportArgumentType]
    except (TypeError, ValueError, OverflowError):
        raise _not_a_number(value, what) from None
    return parsed if math.isfinite(parsed) else None


def _not_a_number(value: object, what: str) -> RowError:
    return RowError(Reason.UNKNOWN_LABEL, f"`{what}` is {value!s:.40}, not a number")


def truth(value: object) -> bool | None:
    """Return a raw value as a boolean, or None if it is not a known spelling of one.

    Case and surrounding blanks are ignored: ``True``, ``1``, ``1.0``, ``yes``, ``desirable``,
    ``good`` and ``thumbs_up`` are true, their opposites are false.
    """
    if isinstance(value, bool):
        return value
    word = spelling(value) if isinstance(value, str | int | float) else ""
    return True if word in _TRUE else False if word in _FALSE else None


def is_blank(value: object) -> bool:
    """Return whether a value is missing: null, NaN, or a blank cell of a CSV file."""
    if isinstance(value, float):
        return math.isnan(value)
    return value is None or (isinstance(value, str) and spelling(value) in _BLANK)


def spelling(value: object) -> str:
    """Return a raw word in lower case, with single blanks in place of ``_``, ``-`` and blanks."""
    return " ".join(_JOINT.sub(" ", str(value).casefold()).split())


def optional(row: Json, key: str) -> str | None:
    """Return the value of an optional column as text, or None if it is null or empty.

    A list becomes its items, joined by commas.
    """
    value = row.get(key)
    if value is None:
        return None
    if isinstance(value, Unreadable):
        raise value.error(key)
    if value == "":
        return None
    if is_array(value):
        return ",".join(str(item) for item in value) or None
    return str(value)


def nonempty_list(row: Json, key: str) -> list[object]:
    """Return a list with at least one item, which may be written as text.

    Raises:
        RowError: The column is missing, not a list, or empty.
    """
    value = as_list(required(row, key))
    if not value:
        raise RowError(Reason.WRONG_TYPE, f"`{key}` is not a list with items")
    return value


def as_list(value: object) -> list[Any] | None:
    """Return a list, which may be written as JSON or as a Python literal; otherwise None.

    Text without commas between the items, as NumPy prints arrays, is not parsed.
    """
    items = value if is_array(value) else parsed_text(value)
    return items if is_array(items) else None


def item_object(value: object, what: str) -> Json:
    """Return an item of a list as an object; null becomes an empty object.

    Raises:
        RowError: The item is neither an object nor null.
    """
    if value is None:
        return {}
    if not is_object(value):
        raise RowError(Reason.WRONG_TYPE, f"`{what}` is {type_name(value)}, not an object")
    return value


def facts_of(row: Json, names: Mapping[str, str] | tuple[str, ...]) -> Json | None:
    """Return columns of a row that are stored as ``meta``, or None if it has none of them.

    Values that cannot be written as JSON are left out.

    Args:
        row: A raw row, or an object in it.
        names: The columns, or a mapping of the stored names to the columns.
    """
    columns = {name: name for name in names} if isinstance(names, tuple) else names
    values = {key: row[column] for key, column in columns.items() if row.get(column) is not None}
    return {key: value for key, value in values.items() if _is_json(value)} or None


def _is_json(value: object) -> bool:
    try:
        orjson.dumps(value)
    except TypeError:
        return False
    return True


def type_name(value: object) -> str:
    """Return the JSON type of a value for an error message, such as ``a list``."""
    name = type(value).__name__
    return _TYPE_NAMES.get(name, f"of type {name}")
