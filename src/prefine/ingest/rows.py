"""Parse the raw rows of an opened file: JSONL, JSON, CSV, Parquet, XLSX."""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import IO, NamedTuple
from zipfile import BadZipFile

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from prefine.errors import DataError
from prefine.ingest.record import Reason, RowError
from prefine.settings.json import Json, is_array, is_object

MAX_JSON_BYTES = 2 * 2**30
"""A ``.json`` array is parsed in one piece; beyond this size it must become JSONL first."""
_BATCH_ROWS = 1024
_BEGINNING = 1024
"""How many bytes of a row that is too long are kept."""


class RawRow(NamedTuple):
    """One row of a file."""

    number: int
    """From 1: the line of a JSONL file, the place in an array, the row of a table."""
    value: Json | None
    """The parsed row; null when it could not be parsed."""
    error: RowError | None
    raw: bytes
    """The beginning of the row as it stands in the file, for quarantine."""


def raw_text(row: RawRow) -> bytes:
    """Return the beginning of a row as it stands in the file, or as JSON where it was a table."""
    if row.raw or row.value is None:
        return row.raw
    return orjson.dumps(row.value, default=str)


def parse_object(raw: bytes, number: int) -> RawRow:
    """Parse one JSON object."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        reason = Reason.NOT_JSON
        try:
            raw.decode("utf-8")
        except UnicodeDecodeError:
            reason = Reason.INVALID_UTF8
        return RawRow(number, None, RowError(reason, str(error)), raw)
    return as_row(value, number, raw)


def as_row(value: object, number: int, raw: bytes = b"") -> RawRow:
    """Return a parsed value as a row; one that is no object has its error."""
    if not is_object(value):
        error = RowError(Reason.NOT_AN_OBJECT, "the row is not an object with keys")
        return RawRow(number, None, error, raw or orjson.dumps(value))
    return RawRow(number, value, None, raw)


def jsonl_rows(stream: IO[bytes], limit: int) -> Iterator[RawRow]:
    """Read lines; one longer than the limit is skipped without being held."""
    number = 0
    while line := stream.readline(limit + 1):
        number += 1
        if len(line) > limit:
            beginning, rest = line[:_BEGINNING], line
            while rest and not rest.endswith(b"\n"):
                rest = stream.readline(limit)
            error = RowError(Reason.ROW_TOO_LARGE, f"the row is longer than {limit} bytes")
            yield RawRow(number, None, error, beginning)
            continue
        stripped = line.removeprefix(b"\xef\xbb\xbf").strip() if number == 1 else line.strip()
        if stripped:
            yield parse_object(stripped, number)


def json_rows(stream: IO[bytes], path: str) -> Iterator[RawRow]:
    """Read a JSON array, in one piece."""
    data = stream.read(MAX_JSON_BYTES + 1)
    if len(data) > MAX_JSON_BYTES:
        raise DataError(f"{path}: a JSON array over 2 GiB; turn it into JSONL, one object a line")
    try:
        value = orjson.loads(data.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise DataError(f"{path}: not valid JSON ({error})") from error
    if not is_array(value):
        raise DataError(f"{path}: holds one JSON value that is not an array of rows")
    for index, item in enumerate(value):
        yield as_row(item, index + 1)


def csv_rows(stream: IO[bytes], path: str, delimiter: str, limit: int) -> Iterator[RawRow]:
    """Read lines of cells under one line of column names."""
    csv.field_size_limit(2**31 - 1)
    lines = io.TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape", newline="")
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        header = _header(next(reader, list[str]()), path)
        for index, cells in enumerate(reader):
            if cells:
                yield _cells(header, cells, index + 1, limit)
    except csv.Error as error:
        raise DataError(f"{path}:{reader.line_num}: not readable as CSV ({error})") from error
    finally:
        lines.detach()


def _header(names: Sequence[object], path: str) -> list[str]:
    """Refuse a name that stands twice: one of its columns would be lost."""
    header = [str(name) for name in names]
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise DataError(f"{path}: columns of the same name: {', '.join(twice)}; rename one")
    return header


def _cells(header: list[str], cells: list[str], number: int, limit: int) -> RawRow:
    raw = ",".join(cells).encode("utf-8", "surrogateescape")
    error = None
    if len(cells) != len(header):
        text = f"{len(cells)} cells under {len(header)} column names"
        error = RowError(Reason.WRONG_COLUMNS, text)
    elif len(raw) > limit:
        error = RowError(Reason.ROW_TOO_LARGE, f"the row is longer than {limit} bytes")
    else:
        try:
            raw.decode("utf-8")
        except UnicodeDecodeError as failure:
            error = RowError(Reason.INVALID_UTF8, str(failure))
    if error is not None:
        return RawRow(number, None, error, raw[:_BEGINNING])
    return RawRow(number, dict(zip(header, cells, strict=True)), None, raw)


def parquet_rows(stream: IO[bytes], path: str) -> Iterator[RawRow]:
    """Read a Parquet file batch by batch."""
    try:
        file = pq.ParquetFile(io.BytesIO(stream.read()) if not stream.seekable() else stream)
        _header(file.schema_arrow.names, path)
        number = 0
        for batch in file.iter_batches(batch_size=_BATCH_ROWS):
            for value in batch.to_pylist():
                number += 1
                yield as_row(value, number)
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a readable Parquet file ({error})") from error


def xlsx_rows(stream: IO[bytes], path: str) -> Iterator[RawRow]:
    """Read the first sheet, without its blank rows."""
    try:
        import openpyxl
    except ImportError as error:
        raise DataError(f"{path}: reading XLSX needs `pip install prefine[xlsx]`") from error
    try:
        book = openpyxl.load_workbook(io.BytesIO(stream.read()), read_only=True, data_only=True)
    except (BadZipFile, KeyError, ValueError) as error:
        raise DataError(f"{path}: not a readable XLSX file ({error})") from error
    rows = book.worksheets[0].iter_rows(values_only=True)
    names = list(next(rows, ()))
    while names and names[-1] is None:
        names.pop()
    named = [f"column {i + 1}" if name is None else name for i, name in enumerate(names)]
    header = _header(named, path)
    for index, cells in enumerate(rows):
        beyond = any(cell is not None for cell in cells[len(header) :])
        if beyond:
            error = RowError(Reason.WRONG_COLUMNS, "a cell stands under no column name")
            yield RawRow(index + 1, None, error, orjson.dumps(cells, default=str))
        elif any(cell is not None for cell in cells):
            full = [*cells[: len(header)], *[None] * (len(header) - len(cells))]
            yield as_row(dict(zip(header, full, strict=True)), index + 1)
