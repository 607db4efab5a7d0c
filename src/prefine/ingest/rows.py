"""Raw rows: the values of a file before a layout parses them."""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson

from prefine.ingest.record import Reason, RowError
from prefine.settings.json import Json, is_array, is_object

BEGINNING = 1024
"""Number of bytes of a row that are stored if it is too long."""
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
RECORD_SEPARATOR = b"\x1e"
"""First byte of each value of a JSON text sequence (RFC 7464)."""
PYTHON_DICT = "Python dicts in single quotes, not JSON; write rows with `json.dumps`"
"""Description of rows that are Python literals, for messages."""

_PYTHON_DICT = re.compile(rb"\s*\{\s*'[^'\n]*'\s*:")
_EXACT = 2.0**63
"""Integers from here on are parsed as floats, which loses digits."""
_BETWEEN = " \t\r\n,\ufeff\x1e"
"""Characters that may separate two JSON values."""
_DECODER = json.JSONDecoder(strict=False)
_NOT_UTF8 = (
    "contains bytes that are not UTF-8; if the file has another encoding, set `encoding`, "
    "for example to windows-1252"
)
_SURROGATE = "contains an unpaired surrogate (such as half an emoji), which is not valid text"


class Unreadable:
    """Placeholder for a value that cannot be represented as JSON.

    A row is refused only if its layout reads the value.

    Args:
        reason: Reason of the error if the value is read.
        detail: What is wrong with the value, as a predicate for the error message.
    """

    __slots__ = ("detail", "reason")

    def __init__(self, reason: Reason, detail: str) -> None:
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"unreadable: {self.detail}"

    def error(self, what: str) -> RowError:
        """Return the error for a row whose layout reads the value.

        Args:
            what: Name of the value.
        """
        return RowError(self.reason, f"`{what}` {self.detail}")


class RawRow(NamedTuple):
    """One row of a file."""

    number: int
    """Number of the row, from 1; in JSON lines, the number of the line."""
    value: Json | None
    """The parsed row; None if it could not be parsed."""
    error: RowError | None
    """Why the row could not be parsed; None if it was."""
    raw: bytes
    """The beginning of the row as it is in the file, for the quarantine."""


def raw_text(row: RawRow) -> bytes:
    """Return the beginning of a row as it is in the file; as JSON for a row of a table."""
    return row.raw if row.raw or row.value is None else json_bytes(row.value)


def json_bytes(value: object) -> bytes:
    """Return a value as JSON; parts that JSON cannot represent become strings."""
    try:
        return orjson.dumps(value, default=str)
    except TypeError:  # a number beyond 64 bits, half a surrogate pair, or nested too deeply
        try:
            return json.dumps(value, default=str).encode()
        except RecursionError:
            return b""


def as_row(value: object, number: int, raw: bytes = b"") -> RawRow:
    """Return a parsed value as a row; a value that is not an object becomes an error.

    Args:
        value: The parsed value.
        number: Number of the row, from 1.
        raw: The row as it is in the file.
    """
    if not is_object(value):
        error = RowError(Reason.NOT_AN_OBJECT, "the row is not a JSON object")
        return RawRow(number, None, error, raw or json_bytes(value)[:BEGINNING])
    return RawRow(number, value, None, raw)


def too_large(number: int, limit: int, beginning: bytes) -> RawRow:
    """Return an unparsed row that is longer than ``limit`` bytes."""
    detail = f"the row is longer than {limit} bytes; raise `max_row_bytes` to read it"
    error = RowError(Reason.ROW_TOO_LARGE, detail)
    return RawRow(number, None, error, beginning[:BEGINNING])


def parse_object(raw: bytes, number: int) -> RawRow:
    """Parse one JSON object."""
    rows = list(parse_objects(raw, number))
    if len(rows) == 1:
        return rows[0]
    error = RowError(Reason.NOT_JSON, "several JSON values where one is expected")
    return RawRow(number, None, error, raw)


def parse_objects(raw: bytes, number: int) -> Iterator[RawRow]:
    """Parse the JSON values of one line: usually one, or several if files were concatenated.

    NaN, infinity, unpaired surrogates and bytes that are not UTF-8 affect only their value.
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
    """Return whether text begins like a Python dict in single quotes."""
    return _PYTHON_DICT.match(raw) is not None


def loses_digits(value: object) -> bool:
    """Return whether an object may contain an integer that was parsed as a float."""
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
        why = f"rows are {PYTHON_DICT}" if is_python_dict(raw) else strict or "the row is empty"
        yield RawRow(number, None, RowError(Reason.NOT_JSON, why), raw)
    for value in values:
        yield as_row(value, number, raw if len(values) == 1 else b"")


def lenient_values(raw: bytes) -> list[object]:
    """Parse consecutive JSON values, with NaN, large integers and invalid text allowed.

    Raises:
        ValueError: The text is not JSON.
        RecursionError: A value is nested too deeply.
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
    """Replace strings with unpaired surrogates, or with bytes that are not UTF-8."""
    if isinstance(value, str):
        return readable_text(value)
    if is_array(value):
        return [_without_surrogates(item) for item in value]
    if is_object(value):
        return {_key(key): _without_surrogates(item) for key, item in value.items()}
    return value


def readable_text(text: str) -> str | Unreadable:
    """Return a decoded string, or a placeholder if it cannot be encoded as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        escaped = "\udc80" <= text[error.start] <= "\udcff"
        reason = Reason.INVALID_UTF8 if escaped else Reason.INVALID_TEXT
        return Unreadable(reason, _NOT_UTF8 if escaped else _SURROGATE)
    return text


def _key(key: str) -> str:
    return key.encode("utf-8", "backslashreplace").decode()
