"""Steps: named, versioned functions over shards; and what such a function sees (``Work``)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from hashlib import sha256
from typing import Any, Literal, NamedTuple

import orjson
import polars as pl
import pyarrow as pa

from prefine.errors import IntegrityError
from prefine.settings import File, Inputs, Model, Runtime, Weights
from prefine.settings.json import Json
from prefine.step.progress import Progress
from prefine.store import Draft, ParquetDraft, Store

_NO_INPUTS = Inputs()


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
    """``shard``: one part at a time. ``corpus``: all parts at once."""
    gathers: bool = False
    """Whether a shard reads all parts of its inputs, and not only its own."""
    uses: Literal["cpu", "model"] = "cpu"
    """``model``: loads a model or calls a server, so it stays in one process."""
    rows_of: str | None = None
    """The input table whose rows are counted in; null when they are counted by the function."""
    rows_to: str | None = None
    """The output table whose rows are counted out; null likewise."""
    plain: tuple[str, ...] = ()
    """Columns that are written without dictionary and compression: ids and numbers that are all
    different, of which neither makes much less and both take time."""
    server: str | None = None
    """The name under which the runtime lists the servers that it asks."""
    provides: tuple[str, ...] = ()
    """What it makes beside tables, by name: files of its own, or notes in its manifest."""
    seed: int = 0
    """The recipe's; a function that draws from it has it in ``config`` too."""
    inputs: Inputs = _NO_INPUTS
    """Files and models that the recipe's names stand for."""

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
        """The shards that make up the step; null stands for the whole of a corpus step."""
        return [None] if self.scope == "corpus" else list(range(self.num_parts))

    def ancestors(self) -> dict[str, "Step"]:
        """Return all steps that this one depends on, by name, each after those that it reads."""
        found: dict[str, Step] = {}
        for step in self.upstream:
            found |= step.ancestors() | {step.name: step}
        return found

    def aligned_with(self, upstream: "Step") -> bool:
        """Tell whether shard *i* of this step reads nothing but shard *i* of one upstream."""
        same = self.scope == upstream.scope == "shard" and self.num_parts == upstream.num_parts
        return same and not self.gathers

    def part(self, table: str, part: int) -> str:
        """Return the path of one part of a table, relative to the root."""
        below = f"{table}/" if len(self.writes) > 1 else ""
        return f"{self.folder}/{below}part-{part:05d}.parquet"

    def manifest_path(self, shard: int | None) -> str:
        """Return the path of the manifest of one shard."""
        name = "corpus" if shard is None else f"part-{shard:05d}"
        return f"{self.folder}/{name}.json"


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

    @property
    def seed(self) -> int:
        """The recipe's seed."""
        return self.step.seed

    def model(self, weights: Weights) -> Model:
        """Return the model that a name in the recipe stands for."""
        return weights.resolved(self.step.inputs)

    def files(self, key: str) -> tuple[File, ...]:
        """Return the files that a part of the recipe names, by the key of its ``FileSet``."""
        return self.step.inputs.files[key]

    def source_of(self, table: str) -> Step:
        """Return the step upstream that makes a table, or provides something else."""
        for step in self.step.upstream:
            if table in step.writes or table in step.provides:
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
        dictionaries: Sequence[str] = (),
    ) -> pa.Table:
        """Return the same as Arrow, optionally filtered, some texts as dictionary arrays."""
        path = self._path(table, part)
        return self.store.read_table(path, columns, where, dictionaries=dictionaries)

    def read_all(self, table: str, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """Return the rows of all parts of an input table."""
        return pl.concat(self.read(table, columns, part=part) for part in self.parts(table))

    def emit(self, table: str, rows: pl.DataFrame | pa.Table, *, part: int | None = None) -> None:
        """Append rows to an output table; columns are ordered and cast to its schema."""
        number = self.shard if part is None else part
        assert number is not None, "a corpus step says which part it writes"
        if table not in self.step.writes:
            tables = ", ".join(self.step.writes)
            raise IntegrityError(f"{self.step.name} writes {tables}, not a table `{table}`")
        schema = self.step.writes[table]
        arrow = rows if isinstance(rows, pa.Table) else rows.to_arrow()
        if missing := set(schema.names) - set(arrow.column_names):
            columns = ", ".join(sorted(missing))
            raise IntegrityError(f"{self.step.name}: rows of `{table}` lack the columns {columns}")
        self._table(table, number).write(arrow.select(schema.names).cast(schema))

    def _table(self, table: str, part: int) -> ParquetDraft:
        if (table, part) not in self._tables:
            draft = self.draft(self.step.part(table, part).removeprefix(f"{self.step.folder}/"))
            schema = self.step.writes[table]
            self._tables[table, part] = ParquetDraft(draft, schema, plain=self.step.plain)
        return self._tables[table, part]

    def draft(self, name: str) -> Draft:
        """Open a further file of this step; it is published with the rest."""
        draft = Draft(self.store, f"{self.step.folder}/{name}")
        self._drafts.append(draft)
        return draft

    def expect(self, count: int) -> None:
        """Say how many rows this shard has, so that the time left is known."""
        if self.watch is not None:
            self.watch.expect(count)

    def progress(self, count: int) -> None:
        """Say that so many more rows are done."""
        if self.watch is not None:
            self.watch.done(count)

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


@dataclass(frozen=True)
class StepSpec:
    """A step before it is known who makes the tables that it reads.

    A plan finds the steps that write them, and makes a ``Step`` of it.
    """

    name: str
    version: int
    """Stands beside the function; raised whenever the bytes that it writes change."""
    run: Callable[["Work"], Counts]
    reads: tuple[str, ...]
    """What it reads, by name; each is made by at least one other step."""
    writes: Mapping[str, pa.Schema]
    config: Json
    """The slice of the recipe that the function reads, as plain JSON values."""
    num_parts: int | None = None
    """Null has as many parts as the plan has shards."""
    scope: Literal["shard", "corpus"] = "shard"
    gathers: bool = False
    uses: Literal["cpu", "model"] = "cpu"
    rows_of: str | None = None
    rows_to: str | None = None
    plain: tuple[str, ...] = ()
    server: str | None = None
    provides: tuple[str, ...] = ()

    @property
    def makes(self) -> tuple[str, ...]:
        """Everything that other steps can read from it, by name."""
        return (*self.writes, *self.provides)

    def step(self, upstream: tuple[Step, ...], *, shards: int, seed: int, inputs: Inputs) -> Step:
        """Return the step.

        Args:
            upstream: The steps that write the tables it reads.
            shards: How many shards the plan has.
            seed: The recipe's.
            inputs: What the recipe's names of files and models stand for.
        """
        given = {one.name: getattr(self, one.name) for one in fields(self)}
        del given["reads"]
        given["num_parts"] = shards if self.num_parts is None else self.num_parts
        return Step(**given, upstream=upstream, seed=seed, inputs=inputs)
