"""Raw rows out of files: JSONL, JSON, CSV, Parquet, XLSX and ``hf://``, plain or compressed.

What comes in: a path. What goes out: numbered rows, parsed or with the reason why they cannot be.
What never happens: a row that is skipped, a file held in memory beyond what its format needs.
"""

import csv
import gzip
import io
import lzma
import zlib
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import IO, Any, NamedTuple, cast
from zipfile import BadZipFile

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.spec import AbstractBufferedFile  # pyright: ignore[reportMissingTypeStubs]

from prefine.errors import DataError, ServiceError
from prefine.ingest.record import Reason, RowError
from prefine.schema.json import Json, is_array, is_object
from prefine.store import filesystem, sha256_of

FORMATS = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".xlsx")
COMPRESSIONS = (".gz", ".xz", ".zst", ".zstd")
MAX_JSON_BYTES = 2 * 2**30
"""A ``.json`` array is parsed in one piece; beyond this size it must become JSONL first."""
_BATCH = 1024


class RawRow(NamedTuple):
    """One row of a file."""

    number: int
    """From 1: the line of a JSONL file, the place in an array, the row of a table."""
    value: Json | None
    """The parsed row; null when it could not be parsed."""
    error: RowError | None
    raw: bytes
    """The beginning of the row as it stands in the file, for quarantine."""


def layout_of(path: str) -> tuple[str, str]:
    """Return the format and the compression that a file name announces, as suffixes."""
    suffixes = [suffix.lower() for suffix in PurePosixPath(path).suffixes]
    compression = suffixes.pop() if suffixes and suffixes[-1] in COMPRESSIONS else ""
    kind = suffixes[-1] if suffixes and suffixes[-1] in FORMATS else ""
    if not kind:
        known = " ".join(FORMATS)
        raise DataError(f"{path}: the file name ends on none of {known} (plain, .gz, .xz, .zst)")
    return kind, compression


def raw_rows(path: str, max_row_bytes: int) -> Iterator[RawRow]:
    """Read a file row by row.

    Args:
        path: A local path, an fsspec URL, or ``hf://name?config=...&split=...``.
        max_row_bytes: Longer rows come out unparsed.

    Raises:
        DataError: The file as a whole cannot be read; the message names it.
    """
    if path.startswith("hf://"):
        yield from _hf_rows(path)
        return
    kind, compression = layout_of(path)
    with _readable(path), _open(path, compression) as stream:
        yield from _dispatch(kind, stream, path, max_row_bytes)


@contextmanager
def _readable(path: str) -> Generator[None]:
    """Turn what reading a file may raise into one sentence that names it."""
    try:
        yield
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such file") from error
    except IsADirectoryError as error:
        raise DataError(f"{path}: is a folder; name its files or a glob") from error
    except PermissionError as error:
        raise DataError(f"{path}: this user may not read it ({error})") from error
    except (ConnectionError, TimeoutError) as error:
        raise ServiceError(f"{path}: the connection was lost ({error})") from error
    except (EOFError, lzma.LZMAError, zlib.error, OSError) as error:
        raise DataError(f"{path}: cut off or damaged ({error}); fetch the file again") from error


def digest_of_source(path: str) -> tuple[str, int]:
    """Return what identifies a source: SHA-256 and length of its bytes.

    Args:
        path: As in ``raw_rows``; for ``hf://`` the rows are hashed as JSON.
    """
    if path.startswith("hf://"):
        from prefine.ingest.hub import hub_digest

        return hub_digest(path)
    layout_of(path)
    with _readable(path):
        return sha256_of(*filesystem(path))


def _open(path: str, compression: str) -> IO[bytes]:
    fs, name = filesystem(path)
    handle = fs.open(name)
    if isinstance(handle, AbstractBufferedFile):  # remote; it has no limit on a line's length
        handle = cast("IO[bytes]", io.BufferedReader(cast("Any", handle), 2**20))
    if compression == ".gz":
        return cast("IO[bytes]", gzip.GzipFile(fileobj=handle))
    if compression == ".xz":
        return cast("IO[bytes]", lzma.LZMAFile(handle))
    if compression:
        stream = pa.CompressedInputStream(cast("Any", handle), "zstd")
        return cast("IO[bytes]", io.BufferedReader(cast("Any", stream), 2**20))
    return handle


def _dispatch(kind: str, stream: IO[bytes], path: str, limit: int) -> Iterator[RawRow]:
    if kind in {".jsonl", ".ndjson"}:
        return _lines(stream, limit)
    if kind == ".json":
        return _array(stream, path)
    if kind in {".csv", ".tsv"}:
        return _csv(stream, path, "\t" if kind == ".tsv" else ",", limit)
    if kind == ".parquet":
        return _parquet(stream, path)
    return _xlsx(stream, path)


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
    return _object(value, number, raw)


def _object(value: object, number: int, raw: bytes = b"") -> RawRow:
    if not is_object(value):
        error = RowError(Reason.NOT_AN_OBJECT, "the row is not an object with keys")
        return RawRow(number, None, error, raw or orjson.dumps(value))
    return RawRow(number, value, None, raw)


def _lines(stream: IO[bytes], limit: int) -> Iterator[RawRow]:
    number = 0
    while line := stream.readline(limit + 1):
        number += 1
        if len(line) > limit:
            beginning, rest = line[:_BATCH], line
            while rest and not rest.endswith(b"\n"):
                rest = stream.readline(limit)
            error = RowError(Reason.ROW_TOO_LARGE, f"the row is longer than {limit} bytes")
            yield RawRow(number, None, error, beginning)
            continue
        stripped = line.removeprefix(b"\xef\xbb\xbf").strip() if number == 1 else line.strip()
        if stripped:
            yield parse_object(stripped, number)


def _array(stream: IO[bytes], path: str) -> Iterator[RawRow]:
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
        yield _object(item, index + 1)


def _csv(stream: IO[bytes], path: str, delimiter: str, limit: int) -> Iterator[RawRow]:
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
        except UnicodeDecodeError as found:
            error = RowError(Reason.INVALID_UTF8, str(found))
    if error is not None:
        return RawRow(number, None, error, raw[:_BATCH])
    return RawRow(number, dict(zip(header, cells, strict=True)), None, raw)


def _parquet(stream: IO[bytes], path: str) -> Iterator[RawRow]:
    try:
        file = pq.ParquetFile(io.BytesIO(stream.read()) if not stream.seekable() else stream)
        _header(file.schema_arrow.names, path)
        number = 0
        for batch in file.iter_batches(batch_size=_BATCH):
            for value in batch.to_pylist():
                number += 1
                yield _object(value, number)
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a readable Parquet file ({error})") from error


def _xlsx(stream: IO[bytes], path: str) -> Iterator[RawRow]:
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
            yield _object(dict(zip(header, full, strict=True)), index + 1)


def _hf_rows(url: str) -> Iterator[RawRow]:
    from prefine.ingest.hub import load_hub

    for index, value in enumerate(load_hub(url)):
        yield _object(value, index + 1)


def raw_text(row: RawRow) -> bytes:
    """Return the beginning of a row as it stands in the file, or as JSON where it was a table."""
    if row.raw or row.value is None:
        return row.raw
    return orjson.dumps(row.value, default=str)
