"""Raw rows: what is parsed out of a file, before any layout looks at it."""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson

from prefine.ingest.record import Reason, RowError
from prefine.settings.json import Json, is_array, is_object

BEGINNING = 1024
"""How many bytes of a row that is too long are kept."""
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
RECORD_SEPARATOR = b"\x1e"
"""Begins each value of a JSON text sequence (RFC 7464)."""
PYTHON_DICT = "Python dicts in single quotes, not JSON; write rows with `json.dumps`"
"""What rows in Python's spelling are."""

_PYTHON_DICT = re.compile(rb"\s*\{\s*'[^'\n]*'\s*:")
_EXACT = 2.0**63
"""A whole number from here on is parsed as a float, which loses digits."""
_BETWEEN = " \t\r\n,\ufeff\x1e"
"""What may stand between two JSON values."""
_DECODER = json.JSONDecoder(strict=False)
_NOT_UTF8 = (
    "holds bytes that are not UTF-8; if the file has another encoding, set `encoding`, "
    "for example to windows-1252"
)
_HALF = "holds half of a surrogate pair (such as half an emoji), which is not text"


class Unreadable:
    """Stands for a value that cannot be held; it is neither text, number, list nor object.

    A layout that reads the value refuses the row; all others do not notice.
    """

    __slots__ = ("detail", "reason")

    def __init__(self, reason: Reason, detail: str) -> None:
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"unreadable: {self.detail}"

    def error(self, what: str) -> RowError:
        """Return the error of a row in which the value is needed."""
        return RowError(self.reason, f"`{what}` {self.detail}")


class RawRow(NamedTuple):
    """One row of a file."""

    number: int
    """From 1: the line of a file of JSON lines, otherwise the place among the rows."""
    value: Json | None
    """The parsed row; null when it could not be parsed."""
    error: RowError | None
    raw: bytes
    """The beginning of the row as it stands in the file, for quarantine."""


def raw_text(row: RawRow) -> bytes:
    """Return the beginning of a row as it stands in the file, or as JSON where it was a table."""
    return row.raw if row.raw or row.value is None else json_bytes(row.value)


def json_bytes(value: object) -> bytes:
    """Return a parsed value as JSON, whatever it holds; what JSON cannot hold becomes text."""
    try:
        return orjson.dumps(value, default=str)
    except TypeError:  # a number beyond 64 bits, half a surrogate pair, or nested too deeply
        try:
            return json.dumps(value, default=str).encode()
        except RecursionError:
            return b""


def as_row(value: object, number: int, raw: bytes = b"") -> RawRow:
    """Return a parsed value as a row; one that is no object has its error."""
    if not is_object(value):
        error = RowError(Reason.NOT_AN_OBJECT, "the row is not an object with keys")
        return RawRow(number, None, error, raw or json_bytes(value)[:BEGINNING])
    return RawRow(number, value, None, raw)


def too_large(number: int, limit: int, beginning: bytes) -> RawRow:
    """Return the row that stands for one longer than ``limit`` bytes."""
    error = RowError(Reason.ROW_TOO_LARGE, f"the row is longer than {limit} bytes")
    return RawRow(number, None, error, beginning[:BEGINNING])


def parse_object(raw: bytes, number: int) -> RawRow:
    """Parse one JSON object."""
    rows = list(parse_objects(raw, number))
    if len(rows) == 1:
        return rows[0]
    error = RowError(Reason.NOT_JSON, "several JSON values where one is expected")
    return RawRow(number, None, error, raw)


def parse_objects(raw: bytes, number: int) -> Iterator[RawRow]:
    """Parse the JSON values of one line: usually one, several where files were joined.

    NaN, infinity, half a surrogate pair and bytes that are not UTF-8 cost their value alone.
    """
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        yield from _parsed_leniently(raw, number, str(error))
        return
    if not loses_digits(value):
        yield as_row(value, number, raw)
        return
    yield from _parsed_leniently(raw, number, "")


def is_python_dict(raw: bytes) -> bool:
    """Tell whether a text begins as a Python dict in single quotes does."""
    return _PYTHON_DICT.match(raw) is not None


def loses_digits(value: object) -> bool:
    """Tell whether an object may hold an integer that was parsed as a float."""
    if not is_object(value):
        return False
    for item in value.values():
        if type(item) is float and (item >= _EXACT or item <= -_EXACT):
            return True
    return False


def _parsed_leniently(raw: bytes, number: int, strict: str) -> Iterator[RawRow]:
    try:
        values = lenient_values(raw)
    except (ValueError, RecursionError):
        values = []
    if not values:
        why = f"rows are {PYTHON_DICT}" if is_python_dict(raw) else strict or "nothing is there"
        yield RawRow(number, None, RowError(Reason.NOT_JSON, why), raw)
    for value in values:
        yield as_row(value, number, raw if len(values) == 1 else b"")


def lenient_values(raw: bytes) -> list[object]:
    """Parse JSON values, one after another, with what orjson refuses.

    Raises:
        ValueError: It is not JSON.
        RecursionError: It is nested too deeply.
    """
    text = raw.decode("utf-8", "surrogateescape")
    values: list[object] = []
    position = _next(text, 0)
    while position < len(text):
        value, position = _DECODER.raw_decode(text, position)
        values.append(_without_surrogates(value))
        position = _next(text, position)
    return values


def _next(text: str, position: int) -> int:
    while position < len(text) and text[position] in _BETWEEN:
        position += 1
    return position


def _without_surrogates(value: Any) -> Any:
    """Replace every text that holds half of a surrogate pair, or bytes that are not UTF-8."""
    if isinstance(value, str):
        return readable_text(value)
    if is_array(value):
        return [_without_surrogates(item) for item in value]
    if is_object(value):
        return {_key(key): _without_surrogates(item) for key, item in value.items()}
    return value


def readable_text(text: str) -> str | Unreadable:
    """Return a decoded text, or what stands for it where it cannot be encoded again."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        escaped = "\udc80" <= text[error.start] <= "\udcff"
        reason = Reason.INVALID_UTF8 if escaped else Reason.INVALID_TEXT
        return Unreadable(reason, _NOT_UTF8 if escaped else _HALF)
    return text


def _key(key: str) -> str:
    return key.encode("utf-8", "backslashreplace").decode()
