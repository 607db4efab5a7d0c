"""Read rows from JSON: JSON lines, arrays, objects with a list of rows, pretty-printed objects."""

import io
import re
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import PurePosixPath
from typing import IO

import orjson

from prefine.errors import DataError
from prefine.ingest.forms.containers import rows_of, rows_under
from prefine.ingest.forms.documents import (
    MAX_JSON_BYTES,
    split_array_lines,
    split_indented,
    split_values,
)
from prefine.ingest.forms.streams import rewound
from prefine.ingest.rows import (
    BYTE_ORDER_MARK,
    RECORD_SEPARATOR,
    RawRow,
    as_row,
    lenient_values,
    loses_digits,
    parse_objects,
    too_large,
)
from prefine.ingest.values import type_name
from prefine.settings.json import is_array, is_object

_LINE_NAMES = {".jsonl", ".ndjson"}
_HEAD_BYTES = 2**16
_BLANKS = b" \t\r\n\v\f" + RECORD_SEPARATOR
_NUM_LINES = 20
"""Number of lines that show whether a file is JSON lines if its first line is invalid."""
_ARRAY = re.compile(rb"\[\s*?\n([ \t]*)\{\s*?\n\1[ \t]+")
_OBJECTS = re.compile(rb"\{\s*?\n[ \t]+")
_ROWS_UNDER_KEY = re.compile(rb'\{\s*"[^"\\]{1,64}"\s*:\s*\[\s*\{')


def json_rows(
    stream: IO[bytes], path: str, limit: int, rows: str | None = None
) -> Iterator[RawRow]:
    """Read rows from a JSON file.

    Args:
        stream: The content of the file in UTF-8.
        path: Name of the file for messages.
        limit: Maximum size of a row in bytes.
        rows: Dotted key of the list of rows; None detects it.

    Raises:
        DataError: The file has no rows or is damaged.
    """
    if rows is not None:
        return _rows_under_key(stream, path, rows)
    head = _read_head(stream, limit)
    whole = rewound(stream, head)
    beginning = head.removeprefix(BYTE_ORDER_MARK).lstrip(_BLANKS)
    if _is_lines(beginning, limit):
        return line_rows(whole, limit)
    if beginning.startswith(b"["):
        return _array(whole, path, limit, beginning)
    return _objects(whole, path, limit, beginning)


def _read_head(stream: IO[bytes], limit: int) -> bytes:
    """Read the beginning of a stream: at least the first line, unless it is longer than a row."""
    head = stream.read(_HEAD_BYTES)
    while b"\n" not in head.strip() and len(head) <= limit:
        data = stream.read(len(head) or 1)
        if not data:
            break
        head += data
    return head


def line_rows(stream: IO[bytes], limit: int) -> Iterator[RawRow]:
    """Read JSON lines; lines longer than the limit are skipped without being loaded.

    Args:
        stream: The content of the file in UTF-8.
        limit: Maximum size of a row in bytes.
    """
    number = 0
    while line := stream.readline(limit + 1):
        number += 1
        if len(line) > limit:
            chunk = line
            while chunk and not chunk.endswith(b"\n"):
                chunk = stream.readline(limit)
            yield too_large(number, limit, line)
            continue
        stripped = line.strip(_BLANKS)
        try:
            value = orjson.loads(stripped)
        except orjson.JSONDecodeError:
            if stripped and stripped != BYTE_ORDER_MARK:
                yield from parse_objects(stripped, number)
            continue
        if is_object(value) and not loses_digits(value):
            yield RawRow(number, value, None, stripped)
        else:
            yield from parse_objects(stripped, number)


def _is_lines(head: bytes, limit: int) -> bool:
    """Return whether the beginning of a file is JSON lines, with more than one line."""
    lines = [line for line in head.split(b"\n", _NUM_LINES + 1) if line.strip()]
    if len(lines) < 2:  # noqa: PLR2004
        return len(head) > limit and not (_ROWS_UNDER_KEY.match(head) or _begins_with_row(head))
    if head.startswith(b"["):
        return _is_other_array(lines[0])
    if _is_row(lines[0]):
        return True
    if _OBJECTS.match(head):
        return False
    if any(line.startswith(b"{") and _is_row(line) for line in lines[1:]):
        return True
    # no line is valid JSON: an object that spans several lines, or only invalid lines
    first = next(split_values(io.BytesIO(head), ""), b"")
    continues = len(head) >= _HEAD_BYTES and len(first) >= len(head.strip())
    return not continues and not _is_row(first)


def _is_other_array(line: bytes) -> bool:
    """Return whether a line is a complete array that is not an array of rows."""
    try:
        value = orjson.loads(line.strip())
    except orjson.JSONDecodeError:
        return False
    return not (value and all(map(is_object, value)))


def _begins_with_row(head: bytes) -> bool:
    """Return whether a line that is longer than a row begins with a complete row."""
    return _is_row(next(split_values(io.BytesIO(head), ""), b""))


def _is_row(line: bytes) -> bool:
    rows = list(parse_objects(line.strip(), 1))
    return len(rows) == 1 and rows[0].value is not None


def _array(stream: IO[bytes], path: str, limit: int, head: bytes) -> Iterator[RawRow]:
    data = stream.read(limit + 1)
    if len(data) <= limit:
        try:
            value = orjson.loads(data.removeprefix(BYTE_ORDER_MARK))
        except orjson.JSONDecodeError:
            value = None
        if is_array(value) and not any(map(loses_digits, value)):
            return (as_row(item, index + 1) for index, item in enumerate(value))
        stream = io.BytesIO(data)
    else:
        stream = rewound(stream, data)
    return _numbered(_elements(stream, path, head), limit)


def _elements(stream: IO[bytes], path: str, head: bytes) -> Iterator[bytes]:
    pretty = _ARRAY.match(head)
    if pretty is not None:
        return split_indented(stream, path, pretty[1])
    lines = [line.strip(b" \t\r\n,").removeprefix(b"[") for line in head.split(b"\n", 3)[:3]]
    firsts = [line for line in lines if line][:2]
    if (
        len(lines) > 1
        and all(line.startswith(b"{") for line in firsts)
        and any(map(_is_row, firsts))
    ):
        return split_array_lines(stream, path)
    return split_values(stream, path)


def _numbered(values: Iterable[bytes], limit: int) -> Iterator[RawRow]:
    number = 0
    for value in values:
        if len(value) > limit:
            number += 1
            yield too_large(number, limit, value)
            continue
        for row in parse_objects(value, number + 1):
            number += 1
            yield row._replace(number=number)


def _objects(stream: IO[bytes], path: str, limit: int, head: bytes) -> Iterator[RawRow]:
    """Read consecutive objects; a single object may contain the rows."""
    pretty = _OBJECTS.match(head)
    values = split_indented(stream, path, b"") if pretty else split_values(stream, path)
    first = list(islice(values, 2))
    if len(first) == 1:
        parsed = _parse_values(first[0])
        if len(parsed) == 1:
            return _single_value(parsed[0], path, limit, first[0])
    return _numbered(chain(first, values), limit)


def _parse_values(value: bytes) -> list[object]:
    """Parse consecutive JSON values; empty if the text is not JSON."""
    try:
        parsed = orjson.loads(value)
    except orjson.JSONDecodeError:
        parsed = None
    if parsed is not None and not loses_digits(parsed):
        return [parsed]
    try:
        return lenient_values(value)
    except (ValueError, RecursionError):
        return []


def _single_value(value: object, path: str, limit: int, raw: bytes) -> Iterator[RawRow]:
    """Read the rows of the only value of a file."""
    if not is_object(value):
        raise DataError(f"{path}: is a single JSON value ({type_name(value)}), not rows")
    suffixes = set(PurePosixPath(path).suffixes[-2:])
    rows = rows_of(value, path, is_line=bool(suffixes & _LINE_NAMES) and b"\n" not in raw)
    if len(rows) == 1 and rows[0] is value:
        if len(raw) > limit:
            yield too_large(1, limit, raw)
        else:
            yield as_row(value, 1, raw)
        return
    for index, item in enumerate(rows):
        yield as_row(item, index + 1)


def _rows_under_key(stream: IO[bytes], path: str, key: str) -> Iterator[RawRow]:
    """Read the rows under a dotted key."""
    data = stream.read(MAX_JSON_BYTES + 1)
    if len(data) > MAX_JSON_BYTES:
        raise DataError(f"{path}: larger than 2 GiB, the maximum with `rows`; write JSON lines")
    values = _parse_values(data.removeprefix(BYTE_ORDER_MARK))
    if not values:
        raise DataError(
            f"{path}: not valid JSON or truncated, so the key `{key}` (option `rows`) "
            "cannot be found"
        )
    if len(values) == 1 and is_array(values[0]):
        values = values[0]
    items = (item for value in values for item in rows_under(value, key, path))
    for index, item in enumerate(items):
        yield as_row(item, index + 1)
