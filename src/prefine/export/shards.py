"""Write the Parquet shards of one split; no row group is empty."""

from typing import NamedTuple

import polars as pl
import pyarrow as pa

from prefine.settings.json import Json
from prefine.step import Work
from prefine.store import ParquetDraft

_ROW_GROUP = 2048
"""Rows in a row group: 8 to 32 MB of typical conversations."""


class Size(NamedTuple):
    """Size of a split."""

    num_rows: int
    """Rows of the split."""
    rows_per_shard: int
    """Maximum rows of a shard."""


class Shards:
    """Writer of the Parquet shards of one split."""

    def __init__(self, work: Work, schema: pa.Schema, split: str, size: Size) -> None:
        self._work = work
        self._schema = schema
        self._split = split
        self._per_shard = size.rows_per_shard
        self._num_shards = -(-size.num_rows // size.rows_per_shard)
        self._pending: list[pa.Table] = []
        self._num_pending = 0
        self._started = 0
        self._current: ParquetDraft | None = None
        self._num_rows = 0
        self._num_bytes = 0

    def add(self, rows: pl.DataFrame) -> None:
        """Append rows; full row groups are written immediately."""
        table = rows.select(self._schema.names).to_arrow().cast(self._schema)
        self._pending.append(table)
        self._num_pending += table.num_rows
        if self._num_pending >= _ROW_GROUP:
            self._write(last=False)

    def _write(self, *, last: bool) -> None:
        table = pa.concat_tables(self._pending)
        start = 0
        while table.num_rows - start >= (1 if last else _ROW_GROUP):
            writer = self._writer()
            room = self._per_shard - writer.num_rows
            group = table.slice(start, min(_ROW_GROUP, room)).combine_chunks()
            writer.write(group)
            start += group.num_rows
            self._num_rows += group.num_rows
            self._num_bytes += group.nbytes
        self._pending = [table.slice(start)]
        self._num_pending = table.num_rows - start

    def _writer(self) -> ParquetDraft:
        if self._current is None or self._current.num_rows == self._per_shard:
            if self._current is not None:
                self._current.close()
            number = f"{self._started:05d}-of-{self._num_shards:05d}"
            draft = self._work.draft(f"data/{self._split}-{number}.parquet")
            self._current = ParquetDraft(
                draft,
                self._schema,
                write_page_index=True,
                use_content_defined_chunking=True,
            )
            self._started += 1
        return self._current

    def close(self) -> Json:
        """Write the remaining rows; return the size of the split for the card."""
        if self._pending:
            self._write(last=True)
        if self._current is not None:
            self._current.close()
        assert self._started == self._num_shards, "the number of shards is known in advance"
        return {"num_examples": self._num_rows, "num_bytes": self._num_bytes}
