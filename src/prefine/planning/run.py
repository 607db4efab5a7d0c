"""Run a plan in one or several processes."""

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import nullcontext
from typing import Protocol, Self

from prefine.export.publish import files_here, publish
from prefine.ingest.quarantine_limit import require_quarantine_limit
from prefine.planning.extras import check_extras
from prefine.planning.needs import require_servers
from prefine.planning.runs import Recording, record_run
from prefine.planning.steps import Plan, make_plan
from prefine.recipe import Resolved, to_yaml
from prefine.serve.processes import start_processes
from prefine.settings import Runtime
from prefine.settings.json import Json
from prefine.step import Manifest, Progress, Step, load_manifest, require_manifest, run_step
from prefine.store import Store


class Watcher(Progress, Protocol):
    """Receives the progress of a run."""

    def start(self, step: Step, done: int) -> None:
        """A step begins; ``done`` of its shards are complete already."""
        ...

    def advance(self, step: Step, manifest: Manifest) -> None:
        """One shard of a step is complete."""
        ...


class Silent:
    """A watcher that does nothing."""

    def start(self, step: Step, done: int) -> None:
        """Do nothing."""

    def advance(self, step: Step, manifest: Manifest) -> None:
        """Do nothing."""

    def expect(self, count: int) -> None:
        """Do nothing."""

    def done(self, count: int) -> None:
        """Do nothing."""


def run_plan(
    plan: Plan,
    runtime: Runtime,
    watcher: Watcher | None = None,
    recording: Recording | None = None,
) -> None:
    """Run all steps of a plan that are not done.

    Args:
        plan: The plan.
        runtime: Root, and number of processes for steps without a model.
        watcher: Receives the progress.
        recording: The run that this is part of; without it, this is recorded as a run of its own.

    Raises:
        RecipeError: An extra that a step needs is not installed, or a measure has no server; no
            step has run then.
    """
    check_extras(plan, runtime)
    watch = watcher or Silent()
    store = Store(runtime.root)
    require_servers(plan.steps, runtime)
    recorded = record_run(plan, runtime) if recording is None else nullcontext(recording)
    with recorded as current, _Pool(plan, runtime) as pool:
        for step in plan.steps:
            store.sweep(step.folder)
            missing = [s for s in step.shards if load_manifest(store, step, s) is None]
            watch.start(step, len(step.shards) - len(missing))
            shared = len(missing) > 1 and runtime.workers > 1 and step.uses == "cpu"
            for shard in pool.run(step, missing) if shared else missing:
                watch.advance(step, run_step(step, shard, runtime, watch))
                current.num_computed += 1


class _Pool:
    """Worker processes, started when a step first needs them."""

    def __init__(self, plan: Plan, runtime: Runtime) -> None:
        self._job = (plan.resolved.model_dump_json(), runtime.model_dump_json())
        self._workers = runtime.workers
        self._executor: ProcessPoolExecutor | None = None

    def run(self, step: Step, shards: Sequence[int | None]) -> Iterator[int | None]:
        """Run shards of a step; yield each as it is done."""
        if self._executor is None:
            self._executor = start_processes(self._workers)
        submit = self._executor.submit
        futures = {submit(run_named, *self._job, step.name, shard): shard for shard in shards}
        for future in as_completed(futures):
            future.result()
            yield futures[future]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        if self._executor is None:
            return
        if error is not None and not issubclass(error, Exception):
            # on an interrupt, the next run repeats the shards in progress
            for worker in multiprocessing.active_children():
                worker.terminate()
        self._executor.shutdown(cancel_futures=True)


def run_named(recipe: str, runtime: str, step: str, shard: int | None) -> str:
    """Run one shard of a step by its name, in a worker that shares only the root.

    Args:
        recipe: A resolved recipe as JSON.
        runtime: A runtime as JSON.
        step: The step's name.
        shard: Which part; null for a corpus step.

    Returns:
        The path of the manifest, relative to the root.
    """
    plan, settings = _plan_of(recipe, runtime)
    run_step(plan.step(step), shard, settings)
    return plan.step(step).manifest_path(shard)


def publish_named(recipe: str, runtime: str, output: str) -> Json:
    """Publish the data set of a plan that ran; arguments as in ``run_named``."""
    return publish_plan(*_plan_of(recipe, runtime), output)


def _plan_of(recipe: str, runtime: str) -> tuple[Plan, Runtime]:
    settings = Runtime.model_validate_json(runtime)
    return make_plan(Resolved.model_validate_json(recipe), settings), settings


def check_places(runtime: Runtime, output: str | None = None) -> None:
    """Check before a run that root and output can be used.

    Args:
        runtime: Has the root.
        output: The folder that receives the data set; null if none is exported.

    Raises:
        RecipeError: One is a file, or the output holds files that prefine did not write.
        PlaceError: One cannot be reached or written to.
    """
    Store(runtime.root).reach()
    if output is not None:
        place = Store(output)
        place.reach()
        files_here(place)


def publish_plan(plan: Plan, runtime: Runtime, output: str) -> Json:
    """Copy the exported data set to the output folder; return its manifest.

    Raises:
        DataError: More rows of a source are in quarantine than the recipe allows now; an
            earlier run may have allowed more.
    """
    require_sources(plan, runtime)
    recipe = to_yaml(plan.resolved.written())
    return publish(plan.dataset, Store(runtime.root), Store(output), recipe)


def require_sources(plan: Plan, runtime: Runtime) -> None:
    """Require that no more rows of a source are in quarantine than the recipe allows.

    Raises:
        DataError: There are more; an earlier run may have allowed them.
    """
    store = Store(runtime.root)
    for source in plan.recipe.sources:
        step = plan.step(f"ingest_{source.name}")
        manifests = [require_manifest(store, step, shard) for shard in step.shards]
        require_quarantine_limit(
            source.name, manifests, plan.resolved.inputs, source.max_quarantined
        )
