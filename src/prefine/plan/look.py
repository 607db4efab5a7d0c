"""Look at what a run left behind: steps, tables, one pair.

What comes in: a plan whose steps ran. What goes out: rows and summaries for a person. What never
happens: a change to what is stored.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import PurePosixPath
from typing import Any

import polars as pl

from prefine.errors import DataError, RecipeError
from prefine.plan.run import RECIPES
from prefine.plan.steps import Plan, make_plan
from prefine.recipe import (
    Benchmark,
    Contamination,
    Recipe,
    Runtime,
    TargetSimilarity,
    parse_recipe,
)
from prefine.schema.json import Json
from prefine.step import load_manifest
from prefine.store import Store


def last_plan(runtime: Runtime, name: str | None = None) -> Plan:
    """Return the plan of the latest run below a root.

    Args:
        runtime: Names the root.
        name: The recipe's name, where the root holds runs of several.

    Raises:
        RecipeError: There is no such run.
    """
    store = Store(runtime.root)
    found = [path for path in store.files(RECIPES) if path.endswith(".yaml")]
    if name is not None:
        found = [path for path in found if PurePosixPath(path).stem.rpartition("-")[0] == name]
    if not found:
        what = f"run of a recipe `{name}`" if name else "run"
        raise RecipeError(f"there is no {what} below {runtime.root}; is --root right?")
    latest = max(found, key=lambda path: (store.modified(path), path))
    recipe = parse_recipe(store.read_bytes(latest).decode(), latest)
    return make_plan(recipe, runtime)


@dataclass(frozen=True)
class StepState:
    """How far a step is."""

    name: str
    fingerprint: str
    num_calls: int
    num_done: int
    rows_in: int
    rows_out: int
    dropped: dict[str, int]
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


def rows(plan: Plan, runtime: Runtime, table: str, where: pl.Expr | None = None) -> pl.DataFrame:
    """Return the rows of a table of a run; files are named by their paths.

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
                raise DataError(f"step {step.name} has not run (part {part}); `prefine run` first")
            frame = store.read(step.part(table, part))
            frames.append(frame if where is None else frame.filter(where))
    found = pl.concat(frames)
    if "file" in found.columns:
        names = pl.col("file").replace(file_names(plan.recipe))
        found = found.with_columns(names.alias("file"))
    return found


def file_names(recipe: Recipe) -> dict[str, str]:
    """Return the path of each source file by the short hash that tables carry."""
    targets = (m for m in recipe.measures if isinstance(m, TargetSimilarity))
    holders = (*recipe.sources, *targets, *benchmarks_of(recipe))
    return {f.sha256[:12]: f.path for holder in holders for f in holder.resolved}


def benchmarks_of(recipe: Recipe) -> tuple[Benchmark, ...]:
    """Return the benchmarks that a recipe's prompts are compared with."""
    found = (m.benchmarks for m in recipe.measures if isinstance(m, Contamination))
    return tuple(chain.from_iterable(found))


@dataclass(frozen=True)
class Dossier:
    """Everything that is known about one pair."""

    pair: Json
    decision: Json
    prompt: list[Json]
    chosen: list[Json]
    rejected: list[Json]
    judgements: pl.DataFrame
    matches: pl.DataFrame
    """Benchmark texts that the prompt is like: ``benchmark``, ``text``, ``file`` and ``row``."""


def dossier(plan: Plan, runtime: Runtime, pair: str) -> Dossier:
    """Collect everything that is known about a pair.

    Args:
        plan: The run to look at.
        runtime: Names the root.
        pair: A pair id, or the beginning of one.

    Raises:
        DataError: No pair has this id, or several begin with it.
    """
    starts = pl.col("pair_id").str.starts_with(pair)
    found = rows(plan, runtime, "facts", starts)
    if found.height != 1:
        ids = ", ".join(found["pair_id"].head(5))
        many = f"{found.height} pairs begin with {pair}: {ids}"
        raise DataError(many if found.height else f"no pair of this run begins with `{pair}`")
    facts = found.row(0, named=True)
    sides = [facts["chosen_id"], facts["rejected_id"]]
    responses = rows(plan, runtime, "responses", pl.col("response_id").is_in(sides))
    turns = dict(zip(responses["response_id"], responses["messages"].to_list(), strict=True))
    of_prompt = pl.col("prompt_id") == facts["prompt_id"]
    prompt = rows(plan, runtime, "prompts", of_prompt)["messages"].to_list()[0]
    of_pair = pl.col("response_a").is_in(sides) & (
        pl.col("response_b").is_null() | pl.col("response_b").is_in(sides)
    )
    judgements = rows(plan, runtime, "judgements", of_prompt & of_pair)
    decision = rows(plan, runtime, "decisions", pl.col("pair_id") == facts["pair_id"])
    return Dossier(
        pair=facts,
        decision=decision.row(0, named=True),
        prompt=prompt,
        chosen=turns[sides[0]],
        rejected=turns[sides[1]],
        judgements=_sided(judgements, facts),
        matches=_matches(plan, runtime, facts),
    )


def _matches(plan: Plan, runtime: Runtime, facts: Json) -> pl.DataFrame:
    """Return the benchmark texts that a pair's facts speak of, each once."""
    columns = ("contamination_example", "contamination_nearest")
    ids = [name for column in columns if (name := facts.get(column)) is not None]
    schema = {"benchmark": pl.String, "text": pl.String, "file": pl.String, "row": pl.Int64}
    frames = [pl.DataFrame(schema=schema)]
    for benchmark in benchmarks_of(plan.recipe) if ids else ():
        known = pl.col("example_id").is_in(ids)
        found = rows(plan, runtime, f"examples_{benchmark.name}", known)
        found = found.sort("file", "row").unique("example_id", keep="first", maintain_order=True)
        frames.append(found.select(pl.lit(benchmark.name).alias("benchmark"), *list(schema)[1:]))
    return pl.concat(frames)


def _sided(judgements: pl.DataFrame, facts: dict[str, Any]) -> pl.DataFrame:
    """Say in each judgement which of the pair's sides it speaks of."""
    names = {facts["rejected_id"]: "rejected", facts["chosen_id"]: "chosen"}
    return judgements.with_columns(
        pl.col(name).replace(names).alias(name) for name in ("response_a", "response_b")
    )
