"""Read raw rows from files: JSONL, JSON, CSV, Parquet, XLSX and ``hf://``, plain or compressed."""

import gzip
import io
import lzma
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import IO, Any, cast

import pyarrow as pa
from fsspec.spec import AbstractBufferedFile  # pyright: ignore[reportMissingTypeStubs]

from prefine.errors import DataError, ServiceError
from prefine.ingest.rows import (
    RawRow,
    as_row,
    csv_rows,
    json_rows,
    jsonl_rows,
    parquet_rows,
    xlsx_rows,
)
from prefine.settings import File
from prefine.store import filesystem, sha256_of

FILE_TYPES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".xlsx")
COMPRESSIONS = (".gz", ".xz", ".zst", ".zstd")


def file_type(path: str) -> tuple[str, str]:
    """Return the file type and the compression by the file name, as suffixes.

    Raises:
        DataError: The name has no known suffix.
    """
    suffixes = [suffix.lower() for suffix in PurePosixPath(path).suffixes]
    compression = suffixes.pop() if suffixes and suffixes[-1] in COMPRESSIONS else ""
    kind = suffixes[-1] if suffixes and suffixes[-1] in FILE_TYPES else ""
    if not kind:
        known = " ".join(FILE_TYPES)
        raise DataError(f"{path}: the file name ends on none of {known} (plain, .gz, .xz, .zst)")
    return kind, compression


def location(path: str, data: str) -> str:
    """Return where a file lies: relative paths are below the data folder."""
    if "://" in path or PurePosixPath(path).is_absolute():
        return path
    return f"{data.rstrip('/')}/{path}"


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
    kind, compression = file_type(path)
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
    file_type(path)
    with _readable(path):
        return sha256_of(*filesystem(path))


def require_unchanged(file: File, data: str) -> None:
    """Refuse bytes that are not those the recipe was resolved with.

    Raises:
        DataError: The file has other bytes.
    """
    path = location(file.path, data)
    digest, _ = digest_of_source(path)
    if digest != file.sha256:
        raise DataError(f"{path}: its bytes have changed since the run was planned; run it again")


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
        return jsonl_rows(stream, limit)
    if kind == ".json":
        return json_rows(stream, path)
    if kind in {".csv", ".tsv"}:
        return csv_rows(stream, path, "\t" if kind == ".tsv" else ",", limit)
    if kind == ".parquet":
        return parquet_rows(stream, path)
    return xlsx_rows(stream, path)


def _hf_rows(url: str) -> Iterator[RawRow]:
    from prefine.ingest.hub import load_hub

    for index, value in enumerate(load_hub(url)):
        yield as_row(value, index + 1)
