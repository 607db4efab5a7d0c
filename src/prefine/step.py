"""Steps: named, versioned functions over shards, and the only judge of "done".

What comes in: a step and a shard. What goes out: Parquet parts, and a manifest written last; that
the manifest exists *is* completion. What never happens: rows that do not add up, work done twice.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Any, Literal, NamedTuple, Protocol

import orjson
import polars as pl
import pyarrow as pa

from prefine.errors import IntegrityError
from prefine.recipe import Runtime
from prefine.schema.json import Json
from prefine.store import Draft, ParquetDraft, Store, drafted

log = logging.getLogger(__name__)

_TOLD_EVERY_S = 30.0


class Progress(Protocol):
    """Told about rows within one call."""

    def expect(self, count: int) -> None:
        """So many rows are to be done."""
        ...

    def rows(self, count: int) -> None:
        """So many more are done."""
        ...


class Logged:
    """Writes rate and time left of a long call to the log, now and then."""

    def __init__(self, step: str, shard: int | None) -> None:
        self._where = (step, shard)
        self._started = self._told = time.monotonic()
        self._expected = self._done = 0

    def expect(self, count: int) -> None:
        """Take note of how many rows there are."""
        self._expected += count

    def rows(self, count: int) -> None:
        """Count; tell when nothing was told for a while."""
        self._done += count
        now = time.monotonic()
        if now - self._told < _TOLD_EVERY_S:
            return
        self._told = now
        rate = self._done / (now - self._started)
        left = max(0.0, self._expected - self._done) / rate if rate else 0.0
        log.info(
            "step=%s shard=%s event=progress rows=%d of=%d rows_per_s=%.1f left_s=%.0f",
            *(*self._where, self._done, self._expected, rate, left),
        )


class Counts(NamedTuple):
    """What became of the rows of one shard; the first must equal the sum of the others."""

    rows_in: int
    rows_out: int
    dropped: Mapping[str, int] = {}
    """Rows by the reason for which they are not in the output."""


@dataclass(frozen=True, eq=False)
class Step:
    """A function over shards, with everything that its output depends on."""

    name: str
    version: int
    config: Json
    """The slice of the recipe that the function reads, as plain JSON values."""
    upstream: tuple["Step", ...]
    run: Callable[["Work"], Counts]
    writes: Mapping[str, pa.Schema]
    """The tables it makes and their schemas; a step may also write further files."""
    num_parts: int
    """How many parts each of its tables has."""
    scope: Literal["shard", "corpus"] = "shard"
    """``shard``: one call a part. ``corpus``: one call that reads and writes all parts."""
    gathers: bool = False
    """Whether a shard reads all parts of its inputs, and not only its own."""
    uses: Literal["cpu", "model"] = "cpu"
    """``model``: loads a model or calls a server, so it stays in one process."""
    rows_of: str | None = None
    """The input table whose rows are counted in; null when they are counted by the function."""
    rows_to: str | None = None
    """The output table whose rows are counted out; null likewise."""

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over name, version, configuration and the fingerprints upstream."""
        identity = {
            "name": self.name,
            "version": self.version,
            "config": self.config,
            "upstream": [step.fingerprint for step in self.upstream],
        }
        return sha256(orjson.dumps(identity, option=orjson.OPT_SORT_KEYS)).hexdigest()

    @property
    def folder(self) -> str:
        """Where its results lie, relative to the root."""
        return f"{self.name}-{self.fingerprint[:16]}"

    @property
    def shards(self) -> Sequence[int | None]:
        """The calls that make up the step: one a shard, or one for the corpus."""
        return [None] if self.scope == "corpus" else list(range(self.num_parts))

    def aligned_with(self, upstream: "Step") -> bool:
        """Tell whether shard *i* of this step reads nothing but shard *i* of one upstream."""
        same = self.scope == upstream.scope == "shard" and self.num_parts == upstream.num_parts
        return same and not self.gathers

    def part(self, table: str, part: int) -> str:
        """Return the path of one part of a table, relative to the root."""
        below = f"{table}/" if len(self.writes) > 1 else ""
        return f"{self.folder}/{below}part-{part:05d}.parquet"

    def manifest_path(self, shard: int | None) -> str:
        """Return the path of the manifest of one call."""
        name = "corpus" if shard is None else f"part-{shard:05d}"
        return f"{self.folder}/{name}.json"


@dataclass(frozen=True)
class Manifest:
    """What one call of a step did."""

    step: str
    fingerprint: str
    shard: int | None
    rows_in: int
    rows_out: int
    dropped: Mapping[str, int]
    files: Sequence[Json]
    """Path, bytes, SHA-256 and rows of each file, relative to the root."""
    notes: Json
    """Facts worth keeping: model digests, thresholds, recall. The same in every run."""
    seconds: float

    def rows(self, table_folder: str) -> int:
        """Return how many rows the files below a folder hold."""
        return sum(f.get("num_rows", 0) for f in self.files if f["path"].startswith(table_folder))


@dataclass
class Work:
    """What a step's function sees: its inputs, its outputs, and nothing else."""

    step: Step
    shard: int | None
    store: Store
    runtime: Runtime
    watch: Progress | None = None
    notes: Json = field(default_factory=dict[str, Any])
    _tables: dict[tuple[str, int], ParquetDraft] = field(
        default_factory=dict[tuple[str, int], ParquetDraft]
    )
    _drafts: list[Draft] = field(default_factory=list[Draft])

    def source_of(self, table: str) -> Step:
        """Return the step upstream that writes a table."""
        for step in self.step.upstream:
            if table in step.writes:
                return step
        names = [name for step in self.step.upstream for name in step.writes]
        raise IntegrityError(f"{self.step.name} has no input {table!r}, only {names}")

    def parts(self, table: str) -> range:
        """Return the parts of an input table."""
        return range(self.source_of(table).num_parts)

    def _path(self, table: str, part: int | None) -> str:
        number = self.shard if part is None else part
        if number is None:
            raise IntegrityError(f"{self.step.name} must say which part of {table!r} it reads")
        return self.source_of(table).part(table, number)

    def read(
        self, table: str, columns: Sequence[str] | None = None, *, part: int | None = None
    ) -> pl.DataFrame:
        """Return rows of an input table: of this shard's part, or of the part asked for."""
        return self.store.read(self._path(table, part), columns)

    def read_arrow(
        self,
        table: str,
        columns: Sequence[str] | None = None,
        *,
        part: int | None = None,
        where: Any = None,
    ) -> pa.Table:
        """Return the same as Arrow, optionally filtered: for vectors and for gathering."""
        return self.store.read_table(self._path(table, part), columns, where)

    def read_all(self, table: str, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """Return the rows of all parts of an input table."""
        return pl.concat(self.read(table, columns, part=part) for part in self.parts(table))

    def manifests(self, table: str) -> Iterator["Manifest"]:
        """Return the manifests of the step that wrote an input table."""
        step = self.source_of(table)
        for shard in step.shards:
            yield require_manifest(self.store, step, shard)

    def emit(self, table: str, rows: pl.DataFrame | pa.Table, *, part: int | None = None) -> None:
        """Append rows to an output table; columns are ordered and cast to its schema."""
        number = self.shard if part is None else part
        assert number is not None, "a corpus step says which part it writes"
        schema = self.step.writes[table]
        arrow = rows if isinstance(rows, pa.Table) else rows.to_arrow()
        self._table(table, number).write(arrow.select(schema.names).cast(schema))

    def _table(self, table: str, part: int) -> ParquetDraft:
        if (table, part) not in self._tables:
            draft = self.draft(self.step.part(table, part).removeprefix(f"{self.step.folder}/"))
            self._tables[table, part] = ParquetDraft(draft, self.step.writes[table])
        return self._tables[table, part]

    def draft(self, name: str) -> Draft:
        """Open a further file of this step; it is published with the rest."""
        draft = Draft(self.store, f"{self.step.folder}/{name}")
        self._drafts.append(draft)
        return draft

    def expect(self, count: int) -> None:
        """Say how many rows this call has to do, so that the time left can be told."""
        if self.watch is not None:
            self.watch.expect(count)

    def progress(self, count: int) -> None:
        """Say that so many more rows are done."""
        if self.watch is not None:
            self.watch.rows(count)

    @property
    def _partial(self) -> str:
        return f"{self.step.folder}/part-{self.shard or 0:05d}.partial"

    def keep(self, data: bytes, name: str | None = None) -> None:
        """Put aside a piece of costly work, at once and for good, until the call is complete."""
        self.store.write_bytes(f"{self._partial}/{name or os.urandom(8).hex()}", data)

    def piece(self, name: str) -> bytes | None:
        """Return a piece that an earlier attempt at this call put aside under a name."""
        path = f"{self._partial}/{name}"
        return self.store.read_bytes(path) if self.store.exists(path) else None

    def kept(self) -> Iterator[bytes]:
        """Return the pieces that an earlier attempt at this call put aside."""
        for path in self.store.files(self._partial):
            if not path.endswith(".draft"):
                yield self.store.read_bytes(path)

    def forget(self) -> None:
        """Remove what was put aside."""
        self.store.remove_all(self._partial)

    def rows_emitted(self, table: str) -> int:
        """Return how many rows of an output table were written so far."""
        return sum(draft.num_rows for (name, _), draft in self._tables.items() if name == table)

    def finish(self) -> list[Json]:
        """Write parts that got no rows, close all files and publish them."""
        parts = range(self.step.num_parts) if self.shard is None else [self.shard]
        for table in self.step.writes:
            for part in parts:
                self._table(table, part).close()
        return [draft.publish() for draft in self._drafts]

    @property
    def drafts(self) -> list[Draft]:
        """The files that are being written."""
        return self._drafts


def load_manifest(store: Store, step: Step, shard: int | None) -> Manifest | None:
    """Return the manifest of one call, or null when it has not completed."""
    path = step.manifest_path(shard)
    if not store.exists(path):
        return None
    try:
        return Manifest(**orjson.loads(store.read_bytes(path)))
    except (orjson.JSONDecodeError, TypeError) as error:
        raise IntegrityError(
            f"{path} below {store.url} is no manifest ({error}); "
            f"remove the folder {step.folder} there and run again"
        ) from error


def require_manifest(store: Store, step: Step, shard: int | None) -> Manifest:
    """Return the manifest of one call that must have completed."""
    manifest = load_manifest(store, step, shard)
    if manifest is None:
        raise IntegrityError(f"step {step.name} (shard {shard}) has not run below {store.url}")
    return manifest


def run_step(
    step: Step,
    shard: int | None,
    runtime: Runtime,
    progress: Progress | None = None,
) -> Manifest:
    """Do one call of a step, unless its manifest says that it is done.

    Args:
        step: What to do.
        shard: Which part; null for a corpus step.
        runtime: Where the root is, and how fast to go.
        progress: Told about rows as they are done; the log is by default.

    Returns:
        The manifest, new or found.

    Raises:
        IntegrityError: Rows in are not rows out plus rows dropped by reason.
    """
    store = Store(runtime.root)
    done = load_manifest(store, step, shard)
    if done is not None:
        return done
    log.info("step=%s shard=%s event=start", step.name, shard)
    started = time.monotonic()
    work = Work(step, shard, store, runtime, progress or Logged(step.name, shard))
    with drafted(work.drafts):
        counts = step.run(work)
        _conserve(work, counts)
        files = work.finish()
    manifest = Manifest(
        step=step.name,
        fingerprint=step.fingerprint,
        shard=shard,
        rows_in=counts.rows_in,
        rows_out=counts.rows_out,
        dropped={str(reason): n for reason, n in sorted(counts.dropped.items())},
        files=files,
        notes=work.notes,
        seconds=round(time.monotonic() - started, 3),
    )
    store.write_bytes(step.manifest_path(shard), _json(manifest))
    work.forget()
    log.info(
        "step=%s shard=%s event=end rows_in=%d rows_out=%d dropped=%d seconds=%.3f",
        *(step.name, shard, counts.rows_in, counts.rows_out),
        *(sum(counts.dropped.values()), manifest.seconds),
    )
    return manifest


def _json(manifest: Manifest) -> bytes:
    return orjson.dumps(vars(manifest), option=orjson.OPT_INDENT_2)


def _conserve(work: Work, counts: Counts) -> None:
    """Check the conservation law, against what was really read and written."""
    step, dropped = work.step, sum(counts.dropped.values())
    where = f"step {step.name}, shard {work.shard}"
    if counts.rows_in != counts.rows_out + dropped:
        raise IntegrityError(
            f"{where}: {counts.rows_in} rows in, but {counts.rows_out} out and {dropped} dropped"
        )
    if step.rows_of is not None:
        parts = work.parts(step.rows_of) if work.shard is None else [work.shard]
        read = sum(_num_rows(work, step.rows_of, part) for part in parts)
        if read != counts.rows_in:
            raise IntegrityError(f"{where}: {step.rows_of} has {read} rows, {counts.rows_in} seen")
    if step.rows_to is not None and work.rows_emitted(step.rows_to) != counts.rows_out:
        written = work.rows_emitted(step.rows_to)
        raise IntegrityError(f"{where}: {written} rows written, {counts.rows_out} reported")
    if "quarantine" in step.writes and work.rows_emitted("quarantine") != dropped:
        raise IntegrityError(f"{where}: {dropped} rows dropped, but not all are in quarantine")


def _num_rows(work: Work, table: str, part: int) -> int:
    source = work.source_of(table)
    shard = None if source.scope == "corpus" else part
    path = source.part(table, part)
    manifest = require_manifest(work.store, source, shard)
    return sum(file["num_rows"] for file in manifest.files if file["path"] == path)
