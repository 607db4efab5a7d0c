"""Look at the results of a run: steps, tables, one pair."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import polars as pl
import yaml
from pydantic import ValidationError

from prefine.decide import explained
from prefine.errors import DataError, RecipeError
from prefine.export.manifest import remarks_of, sources_of
from prefine.plan.run import RECIPES
from prefine.plan.steps import Plan, make_plan
from prefine.recipe import Resolved
from prefine.schema import HUMAN_VERDICT
from prefine.settings import Runtime
from prefine.settings.json import Json
from prefine.step import Manifest, load_manifest
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
    try:
        resolved = Resolved.model_validate(yaml.safe_load(store.read_bytes(latest)))
    except (ValidationError, yaml.YAMLError) as error:
        raise RecipeError(
            f"{latest} below {runtime.root} was not written by this version of prefine, or without "
            "a plug-in that it names; run the recipe again"
        ) from error
    return make_plan(resolved, runtime)


@dataclass(frozen=True)
class StepState:
    """How far a step is."""

    name: str
    fingerprint: str
    num_shards: int
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


def sources_read(plan: Plan, runtime: Runtime) -> list[Json]:
    """Return what became of the rows of each source, as far as their files have been read."""
    return sources_of(_done(plan, runtime), [source.name for source in plan.recipe.sources])


def remarks_so_far(plan: Plan, runtime: Runtime) -> list[str]:
    """Return what the steps that are done have to say about the data, each sentence once."""
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
            if table == "decisions":
                frame = _with_verdicts(frame, plan, store, part)
            frames.append(frame if where is None else frame.filter(where))
    found = pl.concat(frames)
    if table == "decisions":
        found = explained(found, plan.recipe.all_rules).drop(HUMAN_VERDICT)
    if "file" in found.columns:
        names = pl.col("file").replace(file_names(plan.resolved))
        found = found.with_columns(names.alias("file"))
    own = any(source.id for source in plan.recipe.sources)
    return _with_own_ids(found, plan, runtime) if own else found


def _with_verdicts(decisions: pl.DataFrame, plan: Plan, store: Store, part: int) -> pl.DataFrame:
    """Lay human verdicts beside one part of the decisions, whose rows are those of the facts."""
    facts = plan.writers("facts")[0].part("facts", part)
    return pl.concat([decisions, store.read(facts, [HUMAN_VERDICT])], how="horizontal")


def _with_own_ids(table: pl.DataFrame, plan: Plan, runtime: Runtime) -> pl.DataFrame:
    """Put the user's ids beside the pair ids of a table that has only these."""
    if "pair_id" not in table.columns or "own_id" in table.columns:
        return table
    pairs = read_table(plan, runtime, "pairs").select("pair_id", "own_id")
    joined = table.join(pairs, on="pair_id", how="left", maintain_order="left")
    first = table.columns.index("pair_id") + 1
    return joined.select(*table.columns[:first], "own_id", *table.columns[first:])


def file_names(resolved: Resolved) -> dict[str, str]:
    """Return the path of each file by the short hash that tables carry."""
    return {file.sha256[:12]: file.path for files in resolved.files.values() for file in files}


@dataclass(frozen=True)
class Dossier:
    """Everything that is known about one pair."""

    pair: Json
    decision: Json
    prompt: list[Json]
    tools: str | None
    """JSON text of the tools that the prompt offers."""
    chosen: list[Json]
    rejected: list[Json]
    judgements: pl.DataFrame
    matches: pl.DataFrame
    """Benchmark texts that stand in the pair, with their answers where these are read:
    ``benchmark``, ``text``, ``file`` and ``row``."""


def dossier(plan: Plan, runtime: Runtime, pair: str) -> Dossier:
    """Collect everything that is known about a pair.

    Args:
        plan: The run to look at.
        runtime: Names the root.
        pair: A pair id, the beginning of one, or the user's own id.

    Raises:
        DataError: No pair has this id, or several have it or begin with it.
    """
    is_meant = pl.col("pair_id").str.starts_with(pair) | (pl.col("own_id") == pair)
    found = read_table(plan, runtime, "facts", is_meant)
    if found.height != 1:
        ids = ", ".join(found["pair_id"].head(5))
        many = f"{found.height} pairs have the id {pair} or begin with it: {ids}"
        none = (
            f"no pair of the latest run of `{plan.recipe.name}` has the id `{pair}`; --recipe NAME "
            "looks at the run of another recipe"
        )
        raise DataError(many if found.height else none)
    facts = found.row(0, named=True)
    sides = [facts["chosen_id"], facts["rejected_id"]]
    responses = read_table(plan, runtime, "responses", pl.col("response_id").is_in(sides))
    turns = dict(zip(responses["response_id"], responses["messages"].to_list(), strict=True))
    of_prompt = pl.col("prompt_id") == facts["prompt_id"]
    prompt = read_table(plan, runtime, "prompts", of_prompt).row(0, named=True)
    of_pair = pl.col("response_a").is_in(sides) & (
        pl.col("response_b").is_null() | pl.col("response_b").is_in(sides)
    )
    judgements = read_table(plan, runtime, "judgements", of_prompt & of_pair)
    decision = read_table(plan, runtime, "decisions", pl.col("pair_id") == facts["pair_id"])
    return Dossier(
        pair=facts,
        decision=decision.row(0, named=True),
        prompt=prompt["messages"],
        tools=prompt["tools"],
        chosen=turns[sides[0]],
        rejected=turns[sides[1]],
        judgements=_sided(judgements, facts),
        matches=_matches(plan, runtime, facts),
    )


def _matches(plan: Plan, runtime: Runtime, facts: Json) -> pl.DataFrame:
    """Return the texts that a pair's facts refer to, benchmarks' for one, each once."""
    schema = {"benchmark": pl.String, "text": pl.String, "file": pl.String, "row": pl.Int64}
    frames = [pl.DataFrame(schema=schema)]
    for measure in plan.recipe.measures:
        for table, columns in measure.references().items():
            ids = [name for column in columns if (name := facts.get(column)) is not None]
            if not ids:
                continue
            texts = read_table(plan, runtime, table, pl.col("example_id").is_in(ids))
            texts = texts.sort("file", "row").unique(
                "example_id", keep="first", maintain_order=True
            )
            name = pl.lit(table.removeprefix("examples_")).alias("benchmark")
            whole = pl.concat_str("text", "answer", separator="\n\n", ignore_nulls=True)
            frames.append(texts.with_columns(whole.alias("text")).select(name, *list(schema)[1:]))
    return pl.concat(frames)


def _sided(judgements: pl.DataFrame, facts: dict[str, Any]) -> pl.DataFrame:
    """Say in each judgement which of the pair's sides it speaks of."""
    names = {facts["rejected_id"]: "rejected", facts["chosen_id"]: "chosen"}
    return judgements.with_columns(
        pl.col(name).replace(names).alias(name) for name in ("response_a", "response_b")
    )
