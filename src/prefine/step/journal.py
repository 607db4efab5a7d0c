"""Journals: partial results of a shard, so that a killed run resumes after the last saved piece.

The pieces are files in a folder of the step; they are removed when the shard is complete.
"""

import os
from collections.abc import Iterator, Mapping

import orjson
import pyarrow as pa

from prefine.settings.json import Json
from prefine.step.step import Work

_VALUES, _TABLES = "values-", "tables-"
_NAMED = pa.schema([("table", pa.string()), ("rows", pa.large_binary())])
"""Schema of a piece that holds several tables, each as an Arrow stream."""


def _folder(work: Work) -> str:
    return f"{work.step.folder}/part-{work.shard or 0:05d}.partial"


def remove_journals(work: Work) -> None:
    """Remove all pieces of a shard."""
    work.store.remove_all(_folder(work))


class ValueJournal:
    """JSON values by name, saved as they arrive."""

    def __init__(self, work: Work, rows_per_piece: int = 1) -> None:
        """Read what an earlier attempt saved.

        Args:
            work: The shard.
            rows_per_piece: How many values are written to one file.
        """
        self.work = work
        self.values: Json = {}
        """Values on disk, by name."""
        self._rows_per_piece = rows_per_piece
        self._pending: Json = {}
        for piece in _pieces(work, _VALUES):
            self.values.update(orjson.loads(piece))

    def add(self, values: Mapping[str, object]) -> None:
        """Add values; write them when ``rows_per_piece`` are pending."""
        self._pending.update(values)
        self.work.progress(len(values))
        if len(self._pending) >= self._rows_per_piece:
            self.write()

    def write(self) -> None:
        """Write the pending values."""
        if self._pending:
            name = f"{_folder(self.work)}/{_VALUES}{os.urandom(8).hex()}"
            self.work.store.write_bytes(name, orjson.dumps(self._pending))
            self.values.update(self._pending)
            self._pending = {}


class TableJournal:
    """Tables of numbered chunks, saved when a chunk is done."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def _path(self, chunk: int) -> str:
        return f"{_folder(self._work)}/{_TABLES}{chunk:06d}"

    def add(self, chunk: int, tables: Mapping[str, pa.Table]) -> None:
        """Write the tables of a chunk."""
        rows = {"table": list(tables), "rows": [_stream(table) for table in tables.values()]}
        self._work.store.write_bytes(self._path(chunk), _stream(pa.table(rows, schema=_NAMED)))

    def get(self, chunk: int) -> dict[str, pa.Table] | None:
        """Return the tables of a chunk, or null if no attempt has finished it."""
        path = self._path(chunk)
        if not self._work.store.exists(path):
            return None
        rows = _table(self._work.store.read_bytes(path)).to_pylist()
        return {row["table"]: _table(row["rows"]) for row in rows}


def _pieces(work: Work, prefix: str) -> Iterator[bytes]:
    for path in work.store.files(_folder(work)):
        if path.rpartition("/")[2].startswith(prefix):
            yield work.store.read_bytes(path)


def _stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def _table(data: bytes) -> pa.Table:
    return pa.ipc.open_stream(data).read_all()
