"""Read the rows of shards and the lines of ``explanations.csv`` in batches."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Any, cast

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from prefine.export.verify.ids import KEY, ids_of
from prefine.store import Store

EXPLANATIONS = "explanations.csv"
_ROWS = 65_536
"""Rows of a batch."""
_CSV_BYTES = 64 * 2**20
"""Bytes of a block of CSV lines; a line must fit into two blocks."""
_WANTED = ("pair_id", "prompt_id", "is_flipped")
_NO_IDS = pl.DataFrame(schema={KEY[0]: pl.UInt64, KEY[1]: pl.UInt32})
UNREADABLE = (pa.ArrowException, OSError, ValueError, KeyError)
"""Errors that reading a damaged file raises."""


@dataclass
class Rows:
    """Rows of the shards read so far."""

    num_rows: Counter[str] = field(default_factory=Counter[str])
    """Number of rows of each split."""
    schema: pa.Schema | None = None
    """Schema of the first shard."""
    whole: bool = True
    """Whether all listed shards could be read."""
    pairs: list[pl.DataFrame] = field(default_factory=list[pl.DataFrame])
    """Pair id of each row, ``split`` and ``flipped``, in batches."""
    prompts: list[pl.DataFrame] = field(default_factory=list[pl.DataFrame])
    """Distinct prompt ids of each batch, and ``split``."""

    def has(self, column: str) -> bool:
        """Return whether the shards have a column."""
        return self.schema is not None and column in self.schema.names


def read_shard(store: Store, path: str, split: str, rows: Rows) -> Iterator[str]:
    """Add the rows of a shard; yield problems of this shard.

    Args:
        store: Folder of the data set.
        path: Path of the shard.
        split: Its split.
        rows: Receives the rows.
    """
    num_bad: Counter[str] = Counter()
    try:
        with store.fs.open(store.full(path)) as handle:
            file = pq.ParquetFile(handle)
            rows.schema = rows.schema or file.schema_arrow
            if not file.schema_arrow.equals(rows.schema):
                yield f"{path} has a different schema than the first shard"
            columns = [name for name in _WANTED if name in file.schema_arrow.names]
            rows.num_rows[split] += file.metadata.num_rows
            for batch in file.iter_batches(_ROWS, columns=columns) if columns else ():
                num_bad += _add(batch, split, rows)
    except UNREADABLE as error:
        rows.whole = False
        yield f"{path} cannot be read: {first_line(error)}"
    for name, count in num_bad.items():
        yield f"{path} has {count} rows whose {name} is not 24 hex digits"


def _add(batch: Any, split: str, rows: Rows) -> Counter[str]:
    """Add a batch of rows; return the number of invalid ids by column."""
    num_bad: Counter[str] = Counter()
    for name, into in (("pair_id", rows.pairs), ("prompt_id", rows.prompts)):
        if name not in batch.schema.names:
            continue
        ids, is_id = ids_of(batch.column(name))
        num_bad[name] += int((~is_id).sum())
        flipped = _flipped(batch)[is_id] if name == "pair_id" else None
        more = ids.with_columns(pl.lit(split).cast(_SPLIT).alias("split"))
        if flipped is not None:
            into.append(more.with_columns(pl.Series("flipped", flipped)))
        else:
            into.append(more.unique())
    return +num_bad


_SPLIT = pl.Enum(["train", "test"])


def _flipped(batch: Any) -> npt.NDArray[np.bool_]:
    if "is_flipped" not in batch.schema.names:
        return np.zeros(int(batch.num_rows), np.bool_)
    flipped = batch.column("is_flipped").fill_null(fill_value=False)
    return np.array(cast("list[bool]", flipped.to_pylist()), np.bool_)


@dataclass
class Lines:
    """Lines of ``explanations.csv`` read so far."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    """Number of lines by verdict and rule."""
    whole: bool = True
    """Whether the whole file could be read."""
    pairs: list[pl.DataFrame] = field(default_factory=list[pl.DataFrame])
    """Pair id of each line, and ``flipped``, in batches."""


def read_lines(store: Store, lines: Lines) -> Iterator[str]:
    """Add the lines of ``explanations.csv``; yield problems of the file."""
    num_bad = 0
    try:
        with store.fs.open(store.full(EXPLANATIONS)) as handle:
            for batch in _opened(handle):
                verdicts: list[str] = batch.column("verdict").to_pylist()
                rules: list[str] = batch.column("rule").to_pylist()
                lines.counts.update(zip(verdicts, rules, strict=True))
                ids, is_id = ids_of(batch.column("pair_id"))
                num_bad += int((~is_id).sum())
                flipped = np.array([verdict == "flip" for verdict in verdicts], np.bool_)
                lines.pairs.append(ids.with_columns(pl.Series("flipped", flipped[is_id])))
    except UNREADABLE as error:
        lines.whole = False
        yield f"{EXPLANATIONS} cannot be read: {first_line(error)}"
    if num_bad:
        yield f"{EXPLANATIONS} has {num_bad} lines whose pair_id is not 24 hex digits"


def _opened(handle: IO[bytes]) -> Iterator[Any]:
    types = {"pair_id": pa.binary(), "verdict": pa.string(), "rule": pa.string()}
    yield from csv.open_csv(
        cast("Any", handle),
        read_options=csv.ReadOptions(block_size=_CSV_BYTES),
        parse_options=csv.ParseOptions(newlines_in_values=True),
        convert_options=csv.ConvertOptions(
            column_types=cast("Any", types), include_columns=list(types)
        ),
    )


def concat_batches(frames: list[pl.DataFrame]) -> pl.DataFrame:
    """Return all batches as one frame."""
    return pl.concat(frames) if frames else _NO_IDS


def first_line(error: BaseException) -> str:
    """Return the first line of an error message, without the text of a row at its end."""
    return re.sub(r"(got \d+):.*", r"\1", (str(error).splitlines() or [type(error).__name__])[0])
