"""Read raw rows from files of any file type, compressed or not, and from ``hf://`` addresses."""

import io
import lzma
import zlib
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import PurePosixPath
from typing import IO, Any, cast
from zipfile import BadZipFile

from fsspec.implementations.local import (  # pyright: ignore[reportMissingTypeStubs]
    LocalFileOpener,
)
from fsspec.spec import AbstractBufferedFile  # pyright: ignore[reportMissingTypeStubs]

from prefine.errors import DataError, PlaceError, ServiceError
from prefine.ingest.forms.columnar import arrow_rows, parquet_rows
from prefine.ingest.forms.delimited import delimited_rows
from prefine.ingest.forms.jsons import json_rows
from prefine.ingest.forms.options import FileOptions
from prefine.ingest.forms.recognise import HEAD_BYTES, Form, binary_form, text_form
from prefine.ingest.forms.spreadsheet import xlsx_rows
from prefine.ingest.forms.streams import beginning, decompressed, in_utf8, with_line_feeds
from prefine.ingest.rows import RawRow, as_row
from prefine.settings import File
from prefine.store import filesystem, is_fault, place_error, reaching, sha256_of

_NAMES: dict[Form, str] = {
    "json": "JSON",
    "delimited": "delimited text",
    "parquet": "a Parquet file",
    "arrow": "an Arrow file",
    "xlsx": "a spreadsheet",
}
_UNUSED: dict[Form, tuple[str, ...]] = {
    "json": ("delimiter",),
    "delimited": ("rows",),
    "parquet": ("encoding", "delimiter", "rows"),
    "arrow": ("encoding", "delimiter", "rows"),
    "xlsx": ("encoding", "delimiter", "rows"),
}
"""Options that do not apply to a file format."""


def resolve_location(path: str, data: str) -> str:
    """Return the location of a file; relative paths start from the data folder."""
    if "://" in path or PurePosixPath(path).is_absolute():
        return path
    return f"{data.rstrip('/')}/{path}"


def raw_rows(
    path: str,
    max_row_bytes: int,
    *,
    options: FileOptions = FileOptions(),  # noqa: B008 - frozen
    columns: Sequence[str] | None = None,
) -> Iterator[RawRow]:
    """Read a file row by row; its format is detected from its bytes.

    Args:
        path: A local path, an fsspec URL, or ``hf://name?config=...&split=...``.
        max_row_bytes: Maximum size of a row in bytes; a longer row is not parsed.
        options: How the file is decoded.
        columns: The columns to read, if the format allows a selection; None reads all.

    Raises:
        DataError: The file cannot be read.
    """
    if path.startswith("hf://"):
        options.require_unused(path, "a data set", "encoding", "delimiter", "rows")
        yield from _hf_rows(path)
        return
    with _readable(path), _opened(path) as opened:
        stream = decompressed(opened, path)
        head, stream = beginning(stream, HEAD_BYTES)
        form = binary_form(head, path)
        if form is not None:
            options.require_unused(path, _NAMES[form], *_UNUSED[form])
            yield from _table(form, stream, path, columns)
        else:
            yield from _text(stream, path, max_row_bytes, options)


def _table(
    form: Form, stream: IO[bytes], path: str, columns: Sequence[str] | None
) -> Iterator[RawRow]:
    if form == "xlsx":
        return xlsx_rows(stream, path)
    read = parquet_rows if form == "parquet" else arrow_rows
    return read(stream, path, columns)


def _text(stream: IO[bytes], path: str, limit: int, options: FileOptions) -> Iterator[RawRow]:
    stream = in_utf8(stream, path, options.encoding)
    head, stream = beginning(stream, HEAD_BYTES)
    returns = b"\r" in head.strip() and b"\n" not in head
    form = text_form(head.replace(b"\r", b"\n") if returns else head, path)
    options.require_unused(path, _NAMES[form], *_UNUSED[form])
    if form == "json":
        stream = with_line_feeds(stream) if returns else stream
        return json_rows(stream, path, limit, options.rows)
    return delimited_rows(stream, path, limit, options.delimiter)


@contextmanager
def _readable(path: str) -> Generator[None]:
    """Convert the errors of reading a file to errors with one sentence that names the file."""
    try:
        with reaching(path):
            yield
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such file") from error
    except IsADirectoryError as error:
        raise DataError(f"{path}: this is a folder; name its files or a glob") from error
    except PermissionError as error:
        raise PlaceError(f"{path}: this user has no permission to read it; change it") from error
    except (ConnectionError, TimeoutError) as error:
        raise ServiceError(f"{path}: the connection was lost ({error})") from error
    except (EOFError, lzma.LZMAError, zlib.error, BadZipFile, OSError) as error:
        if is_fault(error):
            raise place_error(cast("OSError", error), f"{path}: cannot read the file") from error
        why = " ".join(str(error).split())
        raise DataError(f"{path}: truncated or damaged ({why}); fetch it again") from error


def hash_file(path: str) -> tuple[str, int]:
    """Return the SHA-256 and the size in bytes of a file.

    Args:
        path: As in ``raw_rows``; of ``hf://`` data sets, the rows are hashed as JSON.
    """
    if path.startswith("hf://"):
        from prefine.ingest.hub import hub_digest

        return hub_digest(path)
    with _readable(path):
        return sha256_of(*filesystem(path))


def require_unchanged(file: File, data: str) -> None:
    """Require that a file has the same content as when the recipe was resolved.

    Raises:
        DataError: The content has changed.
    """
    path = resolve_location(file.path, data)
    digest, _ = hash_file(path)
    if digest != file.sha256:
        raise DataError(
            f"{path}: the file has changed since the run was planned; run the same command again"
        )


@contextmanager
def _opened(path: str) -> Generator[IO[bytes]]:
    fs, name = filesystem(path)
    with ExitStack() as stack:
        handle = stack.enter_context(fs.open(name))
        if isinstance(handle, AbstractBufferedFile):  # remote; it has no limit on a line's length
            handle = cast("IO[bytes]", io.BufferedReader(cast("Any", handle), 2**20))
        # the wrapper of a local file costs a call in Python for every line
        yield cast("IO[bytes]", handle.f) if isinstance(handle, LocalFileOpener) else handle


def _hf_rows(url: str) -> Iterator[RawRow]:
    from prefine.ingest.hub import load_hub

    for index, value in enumerate(load_hub(url)):
        yield as_row(value, index + 1)
