"""Read rows written as JSON: lines, arrays, objects that hold rows, pretty-printed objects."""

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
    array_lines,
    pretty_printed,
    scanned,
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
from prefine.settings.json import is_array, is_object

_LINE_NAMES = {".jsonl", ".ndjson"}
_HEAD_BYTES = 2**16
_BLANKS = b" \t\r\n\v\f" + RECORD_SEPARATOR
_NUM_LINES = 20
"""How many lines show whether a file whose first line is broken is one of JSON lines."""
_ARRAY = re.compile(rb"\[\s*?\n([ \t]*)\{\s*?\n\1[ \t]+")
_OBJECTS = re.compile(rb"\{\s*?\n[ \t]+")
_ROWS_BEHIND_KEY = re.compile(rb'\{\s*"[^"\\]{1,64}"\s*:\s*\[\s*\{')


def json_rows(
    stream: IO[bytes], path: str, limit: int, rows: str | None = None
) -> Iterator[RawRow]:
    """Read rows from a file of JSON, whatever its form.

    Args:
        stream: Its bytes, in UTF-8.
        path: Its name, for messages.
        limit: How many bytes a row may have.
        rows: The dotted key under which the rows stand.

    Raises:
        DataError: The file holds no rows, or is damaged.
    """
    if rows is not None:
        return _stated(stream, path, rows)
    head = _first_lines(stream, limit)
    rest = rewound(stream, head)
    shown = head.removeprefix(BYTE_ORDER_MARK).lstrip(_BLANKS)
    if _is_lines(shown, limit):
        return line_rows(rest, limit)
    if shown.startswith(b"["):
        return _array(rest, path, limit, shown)
    return _objects(rest, path, limit, shown)


def _first_lines(stream: IO[bytes], limit: int) -> bytes:
    """Read the beginning of a stream: some of what comes after its first line, as a rule."""
    head = stream.read(_HEAD_BYTES)
    while b"\n" not in head.strip() and len(head) <= limit:
        data = stream.read(len(head) or 1)
        if not data:
            break
        head += data
    return head


def line_rows(stream: IO[bytes], limit: int) -> Iterator[RawRow]:
    """Read one object a line; a line longer than the limit is skipped without being held."""
    number = 0
    while line := stream.readline(limit + 1):
        number += 1
        if len(line) > limit:
            rest = line
            while rest and not rest.endswith(b"\n"):
                rest = stream.readline(limit)
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


def _is_lines(shown: bytes, limit: int) -> bool:
    """Tell whether the beginning of a file is one value a line, and more than one line."""
    lines = [line for line in shown.split(b"\n", _NUM_LINES + 1) if line.strip()]
    if len(lines) < 2:  # noqa: PLR2004
        return len(shown) > limit and not (_ROWS_BEHIND_KEY.match(shown) or _begins_with_row(shown))
    if shown.startswith(b"["):
        return _is_no_array_of_rows(lines[0])
    if _is_row(lines[0]):
        return True
    if _OBJECTS.match(shown):
        return False
    if any(line.startswith(b"{") and _is_row(line) for line in lines[1:]):
        return True
    # nothing is readable line by line: one object over several lines, or broken lines alone
    first = next(scanned(io.BytesIO(shown), ""), b"")
    goes_on = len(shown) >= _HEAD_BYTES and len(first) >= len(shown.strip())
    return not goes_on and not _is_row(first)


def _is_no_array_of_rows(line: bytes) -> bool:
    """Tell a line that is an array of something else from one that opens an array of rows."""
    try:
        value = orjson.loads(line.strip())
    except orjson.JSONDecodeError:
        return False
    return not (value and all(map(is_object, value)))


def _begins_with_row(shown: bytes) -> bool:
    """Tell whether a first line that is too long for a row begins with a whole one."""
    return _is_row(next(scanned(io.BytesIO(shown), ""), b""))


def _is_row(line: bytes) -> bool:
    rows = list(parse_objects(line.strip(), 1))
    return len(rows) == 1 and rows[0].value is not None


def _array(stream: IO[bytes], path: str, limit: int, shown: bytes) -> Iterator[RawRow]:
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
    return _numbered(_elements(stream, path, shown), limit)


def _elements(stream: IO[bytes], path: str, shown: bytes) -> Iterator[bytes]:
    pretty = _ARRAY.match(shown)
    if pretty is not None:
        return pretty_printed(stream, path, pretty[1])
    lines = [line.strip(b" \t\r\n,").removeprefix(b"[") for line in shown.split(b"\n", 3)[:3]]
    firsts = [line for line in lines if line][:2]
    if (
        len(lines) > 1
        and all(line.startswith(b"{") for line in firsts)
        and any(map(_is_row, firsts))
    ):
        return array_lines(stream, path)
    return scanned(stream, path)


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


def _objects(stream: IO[bytes], path: str, limit: int, shown: bytes) -> Iterator[RawRow]:
    """Read objects one after another; where there is only one, what it holds may be the rows."""
    pretty = _OBJECTS.match(shown)
    values = pretty_printed(stream, path, b"") if pretty else scanned(stream, path)
    first = list(islice(values, 2))
    if len(first) == 1:
        parsed = _whole(first[0])
        if len(parsed) == 1:
            return _only(parsed[0], path, limit, first[0])
    return _numbered(chain(first, values), limit)


def _whole(value: bytes) -> list[object]:
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


def _only(value: object, path: str, limit: int, raw: bytes) -> Iterator[RawRow]:
    if not is_object(value):
        kind = "null" if value is None else f"one value of type {type(value).__name__}"
        raise DataError(f"{path}: holds {kind}, not rows")
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


def _stated(stream: IO[bytes], path: str, rows: str) -> Iterator[RawRow]:
    """Read the rows under the key that a source states."""
    data = stream.read(MAX_JSON_BYTES + 1)
    if len(data) > MAX_JSON_BYTES:
        raise DataError(f"{path}: a JSON object over 2 GiB; write one object a line")
    values = _whole(data.removeprefix(BYTE_ORDER_MARK))
    if not values:
        raise DataError(f"{path}: not valid JSON, or cut off; there is nothing to find `rows` in")
    if len(values) == 1 and is_array(values[0]):
        values = values[0]
    found = (item for value in values for item in rows_under(value, rows, path))
    for index, item in enumerate(found):
        yield as_row(item, index + 1)
