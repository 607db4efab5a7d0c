"""The curation flow: the plan's steps as Prefect tasks, one task per shard.

Tasks exchange only paths of manifests. Finished shards are on disk, so a task that ran before ends
immediately. Servers that the runtime starts run as long as the flow.

    python -m prefine_flows.curate pipelines/quickstart.yaml --output curated/quickstart
    python -m prefine_flows.curate recipe.yaml --output curated --start rm
"""

import logging
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, cast

import orjson
import typer
from prefect import State, flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture
from prefect.runtime import task_run
from prefect.task_runners import ThreadPoolTaskRunner
from prefect.tasks import exponential_backoff

from prefine.errors import PrefineError, ServiceError
from prefine.planning import (
    Plan,
    check_places,
    make_plan,
    num_done,
    publish_named,
    record_run,
    run_named,
    served,
    verdict_counts,
)
from prefine.recipe import load_recipe
from prefine.settings import Runtime
from prefine.step import Step

# PREFECT_LOGGING_EXTRA_LOGGERS=prefine hands these lines to Prefect, but does not set their level
logging.getLogger("prefine").setLevel(logging.INFO)

THREADS = 4
"""Tasks at a time; polars, FAISS, torch and HTTP release the GIL, so threads are enough."""


def is_service_error(_task: object, _run: object, state: State[Any]) -> bool:
    """Return whether a task failed with a temporary error; only such tasks are retried."""
    try:
        state.result()
    except ServiceError:
        return True
    except Exception:  # noqa: BLE001 - the state carries whatever the task raised
        return False
    return False


def run_name() -> str:
    """Name a task run after its step, and its shard where it has one."""
    given: dict[str, Any] = task_run.parameters
    return given["step"] if given["shard"] is None else f"{given['step']}-{given['shard']}"


@task(
    retries=5,
    retry_delay_seconds=exponential_backoff(backoff_factor=4),
    retry_jitter_factor=0.2,
    retry_condition_fn=is_service_error,
    cache_policy=NO_CACHE,
    persist_result=False,
    task_run_name=run_name,
)
def run_shard(recipe: str, runtime: str, step: str, shard: int | None) -> str:
    """Run one call of a step; return the path of its manifest.

    Args:
        recipe: The resolved recipe as JSON.
        runtime: The runtime as JSON.
        step: The step's name.
        shard: Which part; null for a corpus step.
    """
    return run_named(recipe, runtime, step, shard)


@task(cache_policy=NO_CACHE, persist_result=False)
def publish(recipe: str, runtime: str, output: str) -> dict[str, Any]:
    """Copy the data set to its folder; return its manifest."""
    return publish_named(recipe, runtime, output)


@flow(name="curate", task_runner=cast("Any", ThreadPoolTaskRunner(max_workers=THREADS)))
def curate(
    recipe: str,
    output: str,
    root: str = ".prefine",
    data: str | None = None,
    runtime: dict[str, Any] | None = None,
) -> dict[str, int]:
    """Run a recipe and publish its data set.

    Args:
        recipe: Path of the YAML file.
        output: Folder that receives the data set.
        root: Folder or URL of the steps' results, shared by all workers.
        data: What relative source paths are relative to; the recipe's folder by default.
        runtime: Further settings of the runtime: servers, start, engine, device, ...

    Returns:
        Rows by split.
    """
    base = data if data is not None else str(Path(recipe).parent)
    settings = Runtime(root=root, data=base, **(runtime or {}))
    loaded = load_recipe(recipe)
    check_places(settings, output)
    plan = make_plan(loaded, settings)
    before = num_done(plan, settings)
    with record_run(plan, settings, command="flow", output=output) as recording:
        with served(plan, settings) as ready:
            for name, urls in ready.servers.items():
                get_run_logger().info("server=%s replicas=%d", name, len(urls))
            manifest = _run(plan, ready, output)
        recording.num_computed = num_done(plan, settings) - before
        recording.counts = verdict_counts(manifest)
    _artifacts(manifest)
    return manifest["splits"]


def _run(plan: Plan, runtime: Runtime, output: str) -> dict[str, Any]:
    """Run all steps and publish the data set; return its manifest."""
    job = (plan.resolved.model_dump_json(), runtime.model_dump_json())
    futures = _submit(plan, *job)
    for waiting in futures.values():
        for future in waiting:
            future.result()
    return publish(*job, output)


def _submit(plan: Plan, recipe: str, runtime: str) -> dict[str, list[PrefectFuture[str]]]:
    """Submit every shard of every step, each waiting only for what it reads."""
    futures: dict[str, list[PrefectFuture[str]]] = {}
    for step in plan.steps:
        futures[step.name] = []
        for place, shard in enumerate(step.shards):
            waits = [f for up in step.upstream for f in _needed(step, up, place, futures[up.name])]
            if step.uses == "model":
                waits += futures[step.name][-1:]
            submitted = run_shard.with_options(name=step.name, tags=[step.uses]).submit(
                recipe, runtime, step.name, shard, wait_for=waits, return_state=False
            )
            futures[step.name].append(submitted)
    return futures


def _needed(
    step: Step, upstream: Step, place: int, futures: list[PrefectFuture[str]]
) -> list[PrefectFuture[str]]:
    """Return what a shard waits for: its own part upstream if both have the same parts."""
    if step.aligned_with(upstream):
        return [futures[place]]
    return futures


def _artifacts(manifest: dict[str, Any]) -> None:
    """Publish the counts as artifacts in the Prefect UI."""
    key = manifest["name"].replace("_", "-")
    splits = manifest["splits"]
    table = [{"reason": reason, "pairs": count} for reason, count in manifest["dropped"].items()]
    table += [{"reason": f"kept in {name}", "pairs": count} for name, count in splits.items()]
    create_table_artifact(table, key=f"{key}-reasons", description="Number of pairs by reason")
    sources = "\n".join(
        f"| {s['name']} | {s['rows_in']} | {s['rows_read']} | {sum(s['quarantined'].values())} |"
        for s in manifest["sources"]
    )
    head = "| source | rows in | read | quarantined |\n|---|---|---|---|"
    create_markdown_artifact(f"{head}\n{sources}", key=f"{key}-sources")


@contextmanager
def one_sentence() -> Generator[None]:
    """Turn an error that the user can fix into one sentence and the exit code 2."""
    try:
        yield
    except PrefineError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error


def main(
    recipe: Annotated[str, typer.Argument(help="The recipe, a YAML file.")],
    *,
    output: Annotated[str, typer.Option(help="Folder that receives the data set.")],
    root: Annotated[str, typer.Option(help="Folder of the steps' results.")] = ".prefine",
    data: Annotated[
        str | None, typer.Option(help="Folder that source paths are relative to.")
    ] = None,
    start: Annotated[
        list[str] | None, typer.Option(help="Measure whose server is started; repeatable.")
    ] = None,
    runtime: Annotated[str, typer.Option(help="Further settings of the runtime, as JSON.")] = "{}",
) -> None:
    """Run the flow in this process."""
    more = {"start": start or [], **orjson.loads(runtime)}
    with one_sentence():
        load_recipe(recipe)  # also here: a flow that fails prints its traceback
        curate(recipe, output, root, data, more)


if __name__ == "__main__":
    typer.run(main)
