"""Narrow the parsed values of a raw row, or raise the ``RowError`` that sends it to quarantine."""

import math
import re
from typing import Any

from prefine.ingest.record import Reason, RowError
from prefine.ingest.rows import Unreadable
from prefine.settings.json import Json, is_array

_SURROGATE = re.compile("[\ud800-\udfff]")
_TYPE_NAMES = {"NoneType": "null", "bool": "a truth value", "dict": "an object", "list": "a list"}


def required(row: Json, key: str) -> Any:
    """Return a value that must be there and not be null."""
    value = row.get(key)
    if value is None:
        raise RowError(Reason.MISSING_VALUE, f"`{key}` is missing or null")
    return value


def text(value: object, what: str, reason: Reason = Reason.WRONG_TYPE) -> str:
    """Return a value that must be a text."""
    if isinstance(value, Unreadable):
        raise value.error(what)
    if not isinstance(value, str):
        raise RowError(reason, f"`{what}` is {type_name(value)}, not a text")
    if not value.isascii() and _SURROGATE.search(value):
        raise RowError(Reason.INVALID_TEXT, f"`{what}` holds half of a surrogate pair")
    return value


def number(value: object, what: str) -> float | None:
    """Return a number, also one written as text; null and ``N/A`` are no number."""
    if value is None or (isinstance(value, str) and value.strip().lower() in {"", "n/a", "na"}):
        return None
    try:
        parsed = float("" if isinstance(value, bool) else value)  # pyright: ignore[reportArgumentType]
    except (TypeError, ValueError, OverflowError):
        raise RowError(Reason.UNKNOWN_LABEL, f"`{what}` is not a number") from None
    return parsed if math.isfinite(parsed) else None


def optional(row: Json, key: str) -> str | None:
    """Return a text that may be missing; numbers become text, lists their items."""
    value = row.get(key)
    if isinstance(value, Unreadable):
        raise value.error(key)
    if value is None or value == "":
        return None
    if is_array(value):
        return ",".join(str(item) for item in value) or None
    return str(value)


def nonempty_list(row: Json, key: str) -> list[object]:
    """Return a list that must be there and not be empty."""
    value = required(row, key)
    if not is_array(value) or not value:
        raise RowError(Reason.WRONG_TYPE, f"`{key}` is not a list with items")
    return value


def type_name(value: object) -> str:
    """Return what kind of JSON value it is, in words for an error message."""
    name = type(value).__name__
    return _TYPE_NAMES.get(name, f"of type {name}")
