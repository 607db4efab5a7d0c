"""Read Parquet and Arrow IPC files."""

import io
from collections.abc import Iterator, Sequence
from typing import IO, Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from prefine.errors import DataError
from prefine.ingest.forms.arrow import json_values
from prefine.ingest.forms.delimited import column_names
from prefine.ingest.forms.refusal import not_readable
from prefine.ingest.rows import RawRow, as_row

_MAX_BATCH_ROWS = 1024
_FIRST_ROWS = 32
"""Number of rows that the size of a row is estimated from."""
_BATCH_BYTES = 32 * 2**20
_REFUSALS = (pa.ArrowException, UnicodeDecodeError, MemoryError)
"""Errors of Arrow; a damaged length may request more memory than there is."""
_FEW_ROWS = 16
"""Rows per batch if larger batches do not fit into one array."""


def parquet_rows(
    stream: IO[bytes], path: str, columns: Sequence[str] | None = None
) -> Iterator[RawRow]:
    """Read a Parquet file in batches.

    Args:
        stream: The content of the file.
        path: Name of the file for messages.
        columns: The columns to read; None reads all.

    Raises:
        DataError: The file cannot be read, or two columns have the same name.
    """
    try:
        file = pq.ParquetFile(stream if stream.seekable() else io.BytesIO(stream.read()))
        names = _columns_to_read(file.schema_arrow, path, columns)
        yield from _rows(_parquet_batches(file, names))
    except _REFUSALS as error:
        raise not_readable(path, "Parquet file", error) from error


def arrow_rows(
    stream: IO[bytes], path: str, columns: Sequence[str] | None = None
) -> Iterator[RawRow]:
    """Read an Arrow IPC file or stream (``.arrow``, ``.feather``).

    Args:
        stream: The content of the file.
        path: Name of the file for messages.
        columns: The columns to read; None reads all.

    Raises:
        DataError: The file cannot be read, or two columns have the same name.
    """
    head = stream.read(6)
    stream = io.BytesIO(head + stream.read()) if not stream.seekable() else stream
    stream.seek(0)
    try:
        if head == b"ARROW1":
            file = pa.ipc.open_file(cast("Any", stream))
            batches = (file.get_batch(index) for index in range(file.num_record_batches))
            names = _columns_to_read(file.schema, path, columns)
        else:
            batches = pa.ipc.open_stream(cast("Any", stream))
            names = _columns_to_read(batches.schema, path, columns)
        chosen = (batch if names is None else batch.select(names) for batch in batches)
        yield from _rows(map(_validated, chosen))
    except _REFUSALS as error:
        raise not_readable(path, "Arrow file", error) from error


def _validated(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Validate a batch: Arrow reads the bytes as they are, and a wrong offset may crash later."""
    batch.validate(full=True)
    return batch


def _columns_to_read(
    schema: pa.Schema, path: str, columns: Sequence[str] | None
) -> list[str] | None:
    """Return the columns to read; refuse duplicate names, and a file without columns."""
    if not schema.names:
        raise DataError(f"{path}: has no columns")
    if len(set(schema.names)) < len(schema.names):
        column_names(schema.names, path)
    return None if columns is None else [name for name in schema.names if name in columns]


def _parquet_batches(file: pq.ParquetFile, names: list[str] | None) -> Iterator[pa.RecordBatch]:
    """Read batches of some megabytes, as estimated from the first rows."""
    first = next(file.iter_batches(batch_size=_FIRST_ROWS, columns=names), None)
    if first is None:
        return
    row_bytes = max(1, first.nbytes // max(1, first.num_rows))
    size, done = min(_MAX_BATCH_ROWS, max(1, _BATCH_BYTES // row_bytes)), 0
    try:
        for batch in file.iter_batches(batch_size=size, columns=names):
            yield batch
            done += batch.num_rows
    except pa.ArrowNotImplementedError:  # over 2 GiB of nested values in one batch
        if size <= _FEW_ROWS:
            raise
        num_read = 0
        for batch in file.iter_batches(batch_size=_FEW_ROWS, columns=names):
            num_read += batch.num_rows
            if num_read > done:
                yield batch.slice(max(0, batch.num_rows - (num_read - done)))


def _rows(batches: Iterator[pa.RecordBatch]) -> Iterator[RawRow]:
    number = 0
    for batch in batches:
        for start in range(0, batch.num_rows, _MAX_BATCH_ROWS):
            part = batch.slice(start, _MAX_BATCH_ROWS)
            for value in batch_values(part):
                number += 1
                yield as_row(value, number)


def batch_values(batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    """Return the rows of a batch as JSON objects."""
    names = batch.schema.names
    if not names:
        yield from ({} for _ in range(batch.num_rows))
    columns = [json_values(column) for column in cast("list[Any]", batch.columns)]
    for cells in zip(*columns, strict=True):
        yield dict(zip(names, cells, strict=True))
