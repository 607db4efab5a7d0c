"""Read the results of a run: the state of its steps, and its tables."""

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from prefine.decide import add_explanations
from prefine.errors import DataError
from prefine.export.manifest import remarks_of, sources_of
from prefine.planning.runs import find_run, plan_of
from prefine.planning.steps import Plan
from prefine.recipe import Resolved
from prefine.schema import HUMAN_VERDICT
from prefine.settings import Runtime
from prefine.settings.json import Json
from prefine.step import Manifest, load_manifest
from prefine.store import Store


def last_plan(runtime: Runtime, name: str | None = None) -> Plan:
    """Return the plan of the latest run below a root.

    Args:
        runtime: Has the root.
        name: Only runs of the recipe with this name.

    Raises:
        RecipeError: There is no such run.
    """
    return plan_of(find_run(runtime, recipe=name), runtime)


@dataclass(frozen=True)
class StepState:
    """How much of a step is done."""

    name: str
    fingerprint: str
    num_shards: int
    num_done: int
    rows_in: int
    """Rows read by the finished shards, which the next fields describe, too."""
    rows_out: int
    dropped: dict[str, int]
    """Rows that are not in the output, by reason."""
    seconds: float


def states(plan: Plan, runtime: Runtime) -> Iterator[StepState]:
    """Yield the state of every step, in order."""
    store = Store(runtime.root)
    for step in plan.steps:
        manifests = [m for s in step.shards if (m := load_manifest(store, step, s)) is not None]
        dropped: dict[str, int] = {}
        for manifest in manifests:
            for reason, count in manifest.dropped.items():
                dropped[reason] = dropped.get(reason, 0) + count
        yield StepState(
            step.name,
            step.fingerprint,
            len(step.shards),
            len(manifests),
            sum(m.rows_in for m in manifests),
            sum(m.rows_out for m in manifests),
            dropped,
            round(sum(m.seconds for m in manifests), 3),
        )


def sources_read(plan: Plan, runtime: Runtime) -> list[Json]:
    """Return how many rows of each source were read or quarantined, by the shards that are done."""
    return sources_of(_done(plan, runtime), [source.name for source in plan.recipe.sources])


def remarks_so_far(plan: Plan, runtime: Runtime) -> list[str]:
    """Return the remarks of the steps that are done, each sentence once."""
    return remarks_of(_done(plan, runtime))


def _done(plan: Plan, runtime: Runtime) -> dict[str, list[Manifest]]:
    store = Store(runtime.root)
    return {
        step.name: [m for s in step.shards if (m := load_manifest(store, step, s)) is not None]
        for step in plan.steps
    }


def read_table(
    plan: Plan, runtime: Runtime, table: str, where: pl.Expr | None = None
) -> pl.DataFrame:
    """Return the rows of a table of a run; files are named by their paths.

    Args:
        plan: The plan of the run.
        runtime: Has the root.
        table: The name of the table.
        where: Which rows to return; all by default. It tests the columns as they are stored.

    Raises:
        RecipeError: There is no such table.
        DataError: The step that writes it has not run.
    """
    store = Store(runtime.root)
    frames: list[pl.DataFrame] = []
    for step in plan.writers(table):
        for part in range(step.num_parts):
            shard = None if step.scope == "corpus" else part
            if load_manifest(store, step, shard) is None:
                raise DataError(f"step {step.name} has not run (part {part}); run the recipe first")
            frame = store.read(step.part(table, part))
            if table == "decisions":
                frame = _with_verdicts(frame, plan, store, part)
            frames.append(frame if where is None else frame.filter(where))
    rows = pl.concat(frames)
    if table == "decisions":
        rows = add_explanations(rows, plan.recipe.all_rules).drop(HUMAN_VERDICT)
    if "file" in rows.columns:
        names = pl.col("file").replace(file_names(plan.resolved))
        rows = rows.with_columns(names.alias("file"))
    own = any(source.id for source in plan.recipe.sources)
    return _with_own_ids(rows, plan, store) if own else rows


def _with_verdicts(decisions: pl.DataFrame, plan: Plan, store: Store, part: int) -> pl.DataFrame:
    """Add human verdicts to one part of the decisions, whose rows are those of the facts."""
    facts = plan.writers("facts")[0].part("facts", part)
    return pl.concat([decisions, store.read(facts, [HUMAN_VERDICT])], how="horizontal")


def _with_own_ids(table: pl.DataFrame, plan: Plan, store: Store) -> pl.DataFrame:
    """Add the user's ids to a table that has pair ids only."""
    if "pair_id" not in table.columns or "own_id" in table.columns:
        return table
    (pairs,) = plan.writers("pairs")
    ids = pl.concat(
        store.read(pairs.part("pairs", part), ["pair_id", "own_id"])
        for part in range(pairs.num_parts)
    )
    joined = table.join(ids, on="pair_id", how="left", maintain_order="left")
    first = table.columns.index("pair_id") + 1
    return joined.select(*table.columns[:first], "own_id", *table.columns[first:])


def file_names(resolved: Resolved) -> dict[str, str]:
    """Return the path of each file by the short hash that tables carry."""
    return {file.sha256[:12]: file.path for files in resolved.files.values() for file in files}
