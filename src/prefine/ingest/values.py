"""Narrow the parsed values of a raw row, or raise the ``RowError`` that sends it to quarantine."""

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
    if isinstance(value, bool) or (isinstance(value, str) and "_" in value):
        raise _no_number(value, what)
    try:
        parsed = float(value)  # pyright: ignore[reportArgumentType]
    except (TypeError, ValueError, OverflowError):
        raise _no_number(value, what) from None
    return parsed if math.isfinite(parsed) else None


def _no_number(value: object, what: str) -> RowError:
    return RowError(Reason.UNKNOWN_LABEL, f"`{what}` is {value!s:.40}, not a number")


def truth(value: object) -> bool | None:
    """Return the truth value that a raw value spells; null where it spells none.

    Case and surrounding blanks do not matter: ``True``, ``1``, ``1.0``, ``yes``, ``desirable``,
    ``good`` and ``thumbs_up`` are true, their opposites false.
    """
    if isinstance(value, bool):
        return value
    word = spelling(value) if isinstance(value, str | int | float) else ""
    return True if word in _TRUE else False if word in _FALSE else None


def is_blank(value: object) -> bool:
    """Tell whether a value is missing: null, NaN, or a blank cell of a CSV."""
    if isinstance(value, float):
        return math.isnan(value)
    return value is None or (isinstance(value, str) and spelling(value) in _BLANK)


def spelling(value: object) -> str:
    """Return a raw word in the spelling that tables of known words have.

    Lower case, without surrounding blanks, words parted by one blank in place of ``_`` or ``-``.
    """
    return " ".join(_JOINT.sub(" ", str(value).casefold()).split())


def optional(row: Json, key: str) -> str | None:
    """Return a text that may be missing; numbers become text, lists their items."""
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
    """Return a list that must be there and not be empty; a CSV holds it as text."""
    value = as_list(required(row, key))
    if not value:
        raise RowError(Reason.WRONG_TYPE, f"`{key}` is not a list with items")
    return value


def as_list(value: object) -> list[Any] | None:
    """Return a list, also one written as text in JSON or as Python prints it; otherwise null.

    NumPy prints two texts without a comma between them: such a text is no list.
    """
    found = value if is_array(value) else parsed_text(value)
    return found if is_array(found) else None


def item_object(value: object, what: str) -> Json:
    """Return an object of a list; null, a missing member of the list, is an empty object."""
    if value is None:
        return {}
    if not is_object(value):
        raise RowError(Reason.WRONG_TYPE, f"`{what}` is {type_name(value)}, not an object")
    return value


def facts_of(row: Json, names: Mapping[str, str] | tuple[str, ...]) -> Json | None:
    """Return some columns of a row to be kept as ``meta``; null where it has none.

    A value that JSON cannot hold costs only itself.

    Args:
        row: A raw row, or an object in it.
        names: The columns; or the name under which each is kept, with the column.
    """
    columns = {name: name for name in names} if isinstance(names, tuple) else names
    found = {key: row[column] for key, column in columns.items() if row.get(column) is not None}
    return {key: value for key, value in found.items() if _is_json(value)} or None


def _is_json(value: object) -> bool:
    try:
        orjson.dumps(value)
    except TypeError:
        return False
    return True


def type_name(value: object) -> str:
    """Return what kind of JSON value it is, in words for an error message."""
    name = type(value).__name__
    return _TYPE_NAMES.get(name, f"of type {name}")
