"""Steps (named, versioned functions over shards), and the inputs and outputs of one call."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from hashlib import sha256
from typing import Any, Literal, NamedTuple

import orjson
import polars as pl
import pyarrow as pa

from prefine.errors import IntegrityError
from prefine.settings import File, Inputs, Model, Need, Runtime, Weights
from prefine.settings.json import Json
from prefine.step.progress import Progress
from prefine.store import Draft, ParquetDraft, Store

_NO_INPUTS = Inputs()


class Counts(NamedTuple):
    """Row counts of one shard; ``rows_in`` must equal ``rows_out`` plus all of ``dropped``."""

    rows_in: int
    rows_out: int
    dropped: Mapping[str, int] = {}
    """Rows that are not in the output, by reason."""


@dataclass(frozen=True, eq=False)
class Step:
    """A function over shards and everything that its output depends on."""

    name: str
    version: int
    config: Json
    """Settings of the recipe that the function reads, as plain JSON values."""
    upstream: tuple["Step", ...]
    run: Callable[["Work"], Counts]
    writes: Mapping[str, pa.Schema]
    """Schemas of the tables it writes; a step may write further files."""
    num_parts: int
    """Number of parts of each of its tables."""
    scope: Literal["shard", "corpus"] = "shard"
    """``shard``: one call for each part. ``corpus``: one call for all parts."""
    gathers: bool = False
    """Whether a shard reads all parts of its inputs instead of its own part only."""
    uses: Literal["cpu", "model"] = "cpu"
    """``model``: loads a model or calls a server, so all shards run in one process."""
    rows_of: str | None = None
    """Input table whose number of rows must equal ``rows_in``; null does not check."""
    rows_to: str | None = None
    """Output table whose number of rows must equal ``rows_out``; null does not check."""
    plain: tuple[str, ...] = ()
    """Columns written without dictionary encoding and compression: distinct ids and numbers, which
    hardly shrink."""
    server: str | None = None
    """Key of ``Runtime.servers`` whose servers it calls."""
    provides: tuple[str, ...] = ()
    """Names of further outputs: files, or notes in its manifest."""
    needs: tuple[Need, ...] = ()
    """Extras that its function needs."""
    seed: int = 0
    """Seed of the recipe; it is also in ``config`` where the function draws random numbers."""
    inputs: Inputs = _NO_INPUTS
    """Files and models of the recipe, resolved."""

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over name, version, config and the fingerprints upstream, in hex."""
        identity = {
            "name": self.name,
            "version": self.version,
            "config": self.config,
            "upstream": [step.fingerprint for step in self.upstream],
        }
        return sha256(orjson.dumps(identity, option=orjson.OPT_SORT_KEYS)).hexdigest()

    @property
    def folder(self) -> str:
        """Folder of its results, relative to the root."""
        return f"{self.name}-{self.fingerprint[:16]}"

    @property
    def shards(self) -> Sequence[int | None]:
        """Numbers of its shards; a corpus step has the single shard null."""
        return [None] if self.scope == "corpus" else list(range(self.num_parts))

    def ancestors(self) -> dict[str, "Step"]:
        """Return all steps that this one depends on, by name, in topological order."""
        steps: dict[str, Step] = {}
        for step in self.upstream:
            steps |= step.ancestors() | {step.name: step}
        return steps

    def aligned_with(self, upstream: "Step") -> bool:
        """Return whether shard *i* of this step reads only shard *i* of an upstream step."""
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
    """Inputs and outputs of one call of a step's function."""

    step: Step
    shard: int | None
    store: Store
    runtime: Runtime
    watch: Progress | None = None
    notes: Json = field(default_factory=dict[str, Any])
    """Facts for the manifest; the sentences under ``remarks`` are shown to the user."""
    _tables: dict[tuple[str, int], ParquetDraft] = field(
        default_factory=dict[tuple[str, int], ParquetDraft]
    )
    _drafts: list[Draft] = field(default_factory=list[Draft])

    @property
    def seed(self) -> int:
        """Seed of the recipe."""
        return self.step.seed

    def model(self, weights: Weights) -> Model:
        """Return the resolved model of a setting."""
        return weights.resolved(self.step.inputs)

    def files(self, key: str) -> tuple[File, ...]:
        """Return the resolved files of a setting, by the key of its ``FileSet``."""
        return self.step.inputs.files[key]

    def source_of(self, table: str) -> Step:
        """Return the upstream step that makes a table or another output.

        Raises:
            IntegrityError: No upstream step does.
        """
        for step in self.step.upstream:
            if table in step.writes or table in step.provides:
                return step
        names = [name for step in self.step.upstream for name in step.writes]
        raise IntegrityError(f"step {self.step.name} has no input {table!r}; it reads {names}")

    def parts(self, table: str) -> range:
        """Return the numbers of the parts of an input table."""
        return range(self.source_of(table).num_parts)

    def _path(self, table: str, part: int | None) -> str:
        number = self.shard if part is None else part
        if number is None:
            raise IntegrityError(
                f"step {self.step.name}: reading {table!r} needs the argument `part`"
            )
        return self.source_of(table).part(table, number)

    def read(
        self, table: str, columns: Sequence[str] | None = None, *, part: int | None = None
    ) -> pl.DataFrame:
        """Return the rows of one part of an input table, by default that of this shard."""
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
        """Return the rows of one part of an input table as Arrow.

        Args:
            table: Name of the table.
            columns: Columns to read; null reads all.
            part: Number of the part; null takes that of this shard.
            where: A filter, as ``pyarrow.parquet.read_table`` takes it.
            dictionaries: Text columns to read as dictionary arrays.
        """
        path = self._path(table, part)
        return self.store.read_table(path, columns, where, dictionaries=dictionaries)

    def read_all(self, table: str, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """Return the rows of all parts of an input table."""
        return pl.concat(self.read(table, columns, part=part) for part in self.parts(table))

    def emit(self, table: str, rows: pl.DataFrame | pa.Table, *, part: int | None = None) -> None:
        """Append rows to an output table; columns are put in the order of its schema and cast.

        Raises:
            IntegrityError: The step has no such table, or the rows lack a column.
        """
        number = self.shard if part is None else part
        assert number is not None, "a corpus step must give the part"
        if table not in self.step.writes:
            tables = ", ".join(self.step.writes)
            raise IntegrityError(
                f"step {self.step.name} does not write the table `{table}`, only {tables}"
            )
        schema = self.step.writes[table]
        arrow = rows if isinstance(rows, pa.Table) else rows.to_arrow()
        if missing := set(schema.names) - set(arrow.column_names):
            columns = ", ".join(sorted(missing))
            raise IntegrityError(
                f"step {self.step.name}: rows of `{table}` lack the columns {columns}"
            )
        self._table(table, number).write(arrow.select(schema.names).cast(schema))

    def _table(self, table: str, part: int) -> ParquetDraft:
        if (table, part) not in self._tables:
            draft = self.draft(self.step.part(table, part).removeprefix(f"{self.step.folder}/"))
            schema = self.step.writes[table]
            self._tables[table, part] = ParquetDraft(draft, schema, plain=self.step.plain)
        return self._tables[table, part]

    def draft(self, name: str) -> Draft:
        """Open a further file; it is published with the tables when the shard is done."""
        draft = Draft(self.store, f"{self.step.folder}/{name}")
        self._drafts.append(draft)
        return draft

    def expect(self, count: int) -> None:
        """Report the number of rows of this shard, to estimate the time left."""
        if self.watch is not None:
            self.watch.expect(count)

    def progress(self, count: int) -> None:
        """Report that further rows are done."""
        if self.watch is not None:
            self.watch.done(count)

    def rows_emitted(self, table: str) -> int:
        """Return the number of rows written to an output table so far."""
        return sum(draft.num_rows for (name, _), draft in self._tables.items() if name == table)

    def finish(self) -> list[Json]:
        """Write parts without rows, close all files and publish them; return sizes and hashes."""
        parts = range(self.step.num_parts) if self.shard is None else [self.shard]
        for table in self.step.writes:
            for part in parts:
                self._table(table, part).close()
        return [draft.publish() for draft in self._drafts]

    @property
    def drafts(self) -> list[Draft]:
        """Files that are being written."""
        return self._drafts


@dataclass(frozen=True)
class StepSpec:
    """A step that names the tables it reads; a plan links it to the steps that write them.

    Fields are those of ``Step``.
    """

    name: str
    version: int
    """Increased whenever the bytes that the function writes change."""
    run: Callable[["Work"], Counts]
    reads: tuple[str, ...]
    """Names of the tables and other outputs that it reads."""
    writes: Mapping[str, pa.Schema]
    config: Json
    """Settings of the recipe that the function reads, as plain JSON values."""
    num_parts: int | None = None
    """Null takes the number of shards of the plan."""
    scope: Literal["shard", "corpus"] = "shard"
    gathers: bool = False
    uses: Literal["cpu", "model"] = "cpu"
    rows_of: str | None = None
    rows_to: str | None = None
    plain: tuple[str, ...] = ()
    server: str | None = None
    provides: tuple[str, ...] = ()
    needs: tuple[Need, ...] = ()

    @property
    def makes(self) -> tuple[str, ...]:
        """Names of everything that other steps can read from it."""
        return (*self.writes, *self.provides)

    def step(self, upstream: tuple[Step, ...], *, shards: int, seed: int, inputs: Inputs) -> Step:
        """Return the step.

        Args:
            upstream: Steps that make what it reads.
            shards: Number of shards of the plan.
            seed: Seed of the recipe.
            inputs: Files and models of the recipe, resolved.
        """
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        del values["reads"]
        values["num_parts"] = shards if self.num_parts is None else self.num_parts
        return Step(**values, upstream=upstream, seed=seed, inputs=inputs)
