"""Records of runs: which plans were run below a root, when, and how each run ended.

Each run has a small JSON file, ``runs/ID.json``, written atomically when the run starts and again
when it ends. Time stamps are in these records only, never in a hashed output.

A run's id is ``RECIPE-NUMBER-TOKEN``, as in ``quickstart-3-5f0c1e``: the recipe's name, how often
that recipe was run below the root, and six hexadecimal digits. Runs that start at the same moment
may get the same number, but never the same token, so that they need no lock. The beginning of an
id is enough to name a run, usually ``quickstart-3``.
"""

import os
import socket
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import version
from pathlib import PurePosixPath
from typing import Literal

import orjson
import yaml
from pydantic import ValidationError

from prefine.errors import IntegrityError, PrefineError, RecipeError
from prefine.planning.steps import Plan, make_plan
from prefine.recipe import Resolved
from prefine.settings import Runtime
from prefine.settings.json import Json
from prefine.store import Store

RECIPES = "recipes"
"""The folder below the root that has the resolved recipe of each run."""
RUNS = "runs"
"""The folder below the root that has the records."""
_LISTED = 20
"""Maximum number of ids in a message."""

Status = Literal["running", "finished", "failed", "interrupted", "unknown"]
"""How a run ended; ``unknown`` for runs of a version that kept no records."""


@dataclass(frozen=True)
class RunRecord:
    """One run of a recipe below a root."""

    id: str
    recipe: str
    """The recipe's name."""
    number: int
    """1 for the first run of this recipe below the root; 0 where no record was kept."""
    command: str
    """What started the run: ``run``, ``decide``, ``flow`` or ``python``."""
    status: Status
    started: datetime
    """In UTC."""
    prefine: str | None
    """The version of prefine."""
    fingerprint: str
    """The fingerprint of the plan's data set; runs with equal ones have equal results."""
    resolved: str
    """The path of the resolved recipe, relative to the root."""
    finished: datetime | None = None
    """When the run ended, in UTC; null while it is running or if it was killed."""
    error: str | None = None
    """The class of the error that ended a failed run."""
    output: str | None = None
    """The folder that received the data set; null where nothing was exported."""
    num_shards: int | None = None
    """How many shards the steps of the plan have together."""
    num_computed: int | None = None
    """How many of them this run computed; the others were done before. Null while it is running."""
    counts: Mapping[str, int] | None = None
    """Pairs by verdict, and ``pairs`` for all of them; null unless the run finished."""
    host: str = ""
    pid: int = 0


@dataclass
class Recording:
    """The record of a run that is in progress."""

    record: RunRecord
    num_computed: int = 0
    """Increased by one for each shard that the run computes."""
    counts: Mapping[str, int] | None = None
    """Pairs by verdict, set when they are known."""
    _store: Store = field(kw_only=True)

    def write(self) -> None:
        """Write the record; the write is atomic."""
        data = orjson.dumps(asdict(self.record), option=orjson.OPT_INDENT_2)
        self._store.write_bytes(f"{RUNS}/{self.record.id}.json", data)

    def end(self, status: Status, error: str | None = None) -> None:
        """Record how the run ended."""
        self.record = replace(
            self.record,
            status=status,
            error=error,
            finished=datetime.now(UTC),
            num_computed=self.num_computed,
            counts=None if self.counts is None else dict(self.counts),
        )
        self.write()


@contextmanager
def record_run(
    plan: Plan, runtime: Runtime, *, command: str = "python", output: str | None = None
) -> Generator[Recording]:
    """Record a run of a plan, and how the block ends.

    Args:
        plan: The plan.
        runtime: Has the root.
        command: Command that started the run.
        output: The folder that receives the data set; null where nothing is exported.

    Yields:
        The recording; the block counts its shards and sets its counts.
    """
    recording = start_recording(plan, runtime, command=command, output=output)
    try:
        yield recording
    except (KeyboardInterrupt, SystemExit):
        # an error while the record is written must not hide why the run ended
        with suppress(OSError, PrefineError):
            recording.end("interrupted")
        raise
    except BaseException as error:
        with suppress(OSError, PrefineError):
            recording.end("failed", type(error).__name__)
        raise
    recording.end("finished")


def start_recording(
    plan: Plan, runtime: Runtime, *, command: str = "python", output: str | None = None
) -> Recording:
    """Store the resolved recipe and the record of a new run; arguments as in ``record_run``."""
    store = Store(runtime.root)
    store.write_bytes(recipe_path(plan), plan.resolved.to_yaml().encode())
    started, host, pid = datetime.now(UTC), socket.gethostname(), os.getpid()
    number = _next_number(store, plan.recipe.name)
    fingerprint = plan.dataset.fingerprint
    unique = f"{fingerprint} {host} {pid} {started.isoformat()} {os.urandom(8).hex()}"
    token = sha256(unique.encode()).hexdigest()[:6]
    record = RunRecord(
        id=f"{plan.recipe.name}-{number}-{token}",
        recipe=plan.recipe.name,
        number=number,
        command=command,
        status="running",
        started=started,
        prefine=version("prefine"),
        fingerprint=fingerprint,
        resolved=recipe_path(plan),
        output=output,
        num_shards=sum(len(step.shards) for step in plan.steps),
        host=host,
        pid=pid,
    )
    recording = Recording(record, _store=store)
    recording.write()
    return recording


def num_done(plan: Plan, runtime: Runtime) -> int:
    """Return how many shards of a plan are done."""
    store = Store(runtime.root)
    paths = (step.manifest_path(shard) for step in plan.steps for shard in step.shards)
    return sum(store.exists(path) for path in paths)


def recipe_path(plan: Plan) -> str:
    """Return the path of the resolved recipe of a plan, relative to the root."""
    return f"{RECIPES}/{plan.recipe.name}-{plan.dataset.fingerprint[:16]}.yaml"


def verdict_counts(manifest: Json) -> dict[str, int]:
    """Return the pairs by verdict from the manifest of a data set."""
    held = sum(n for rule, n in manifest["dropped"].items() if rule.startswith("hold/"))
    dropped = sum(manifest["dropped"].values()) - held
    pairs, flipped = manifest["num_pairs"], manifest["num_flipped"]
    kept = pairs - held - dropped - flipped
    return {"pairs": pairs, "keep": kept, "flip": flipped, "drop": dropped, "hold": held}


def list_runs(runtime: Runtime) -> list[RunRecord]:
    """Return the runs below a root, the latest first.

    Resolved recipes without a record, from an earlier version, count as one run each.

    Args:
        runtime: Has the root.

    Raises:
        IntegrityError: A record is damaged.
    """
    store = Store(runtime.root)
    records = [_load(store, path) for path in store.files(RUNS) if _is_record(path)]
    recorded = {record.resolved for record in records}
    records += [
        _unrecorded(store, path)
        for path in store.files(RECIPES)
        if path.endswith(".yaml") and path not in recorded
    ]
    return sorted(records, key=lambda one: (one.started, one.number, one.id), reverse=True)


def find_run(runtime: Runtime, run_id: str | None = None, recipe: str | None = None) -> RunRecord:
    """Return a run by its id, or the latest one.

    Args:
        runtime: Has the root.
        run_id: An id, or a unique prefix of it; null takes the latest run.
        recipe: Only runs of the recipe with this name.

    Raises:
        RecipeError: There is no such run, or several ids have this prefix.
    """
    records = [one for one in list_runs(runtime) if recipe in (None, one.recipe)]
    if not records:
        what = f"run of a recipe `{recipe}`" if recipe else "run"
        raise RecipeError(f"there is no {what} below {runtime.root}; check the root")
    if run_id is None:
        return records[0]
    # `made-1` names run 1, though the id of run 10 begins with it, too
    exact = [one for one in records if one.id == run_id or one.id.startswith(f"{run_id}-")]
    matches = exact or [one for one in records if one.id.startswith(run_id)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise RecipeError(f"several runs begin with `{run_id}`: {_ids(matches)}")
    raise RecipeError(f"no run `{run_id}` below {runtime.root}; the runs are: {_ids(records)}")


def plan_of(record: RunRecord, runtime: Runtime) -> Plan:
    """Return the plan of a run, with all steps up to the data set.

    Args:
        record: The run.
        runtime: Has the root.

    Raises:
        RecipeError: The resolved recipe is missing, or was written by another version.
    """
    store = Store(runtime.root)
    if not store.exists(record.resolved):
        raise RecipeError(
            f"{record.resolved} is missing below {runtime.root}; run the recipe again"
        )
    try:
        resolved = Resolved.model_validate(yaml.safe_load(store.read_bytes(record.resolved)))
    except (ValidationError, yaml.YAMLError) as error:
        raise RecipeError(
            f"{record.resolved} below {runtime.root} was not written by this version of prefine, "
            "or without a plug-in that it names; run the recipe again"
        ) from error
    return make_plan(resolved, runtime)


def _next_number(store: Store, recipe: str) -> int:
    """Return the number of the next run of a recipe."""
    numbers = [
        int(number)
        for path in store.files(RUNS)
        if _is_record(path)
        for name, number, _ in [PurePosixPath(path).stem.rsplit("-", 2)]
        if name == recipe
    ]
    return max(numbers, default=0) + 1


def _is_record(path: str) -> bool:
    """Return whether a file is a record, and not a draft or another file."""
    name = PurePosixPath(path)
    parts = name.stem.rsplit("-", 2)
    return name.suffix == ".json" and len(parts) == 3 and parts[1].isdecimal()  # noqa: PLR2004 - an id


def _load(store: Store, path: str) -> RunRecord:
    try:
        stored: Json = orjson.loads(store.read_bytes(path))
        # a later version may record more
        values: Json = {one.name: stored[one.name] for one in fields(RunRecord)}
        for key in ("started", "finished"):
            if values[key] is not None:
                values[key] = datetime.fromisoformat(values[key])
        record = RunRecord(**values)
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError(
            f"{path} below {store.url} is not the record of a run ({error}); remove this file"
        ) from error
    return replace(record, status="interrupted") if _was_killed(record) else record


def _was_killed(record: RunRecord) -> bool:
    """Return whether a run on this machine was killed before it could record its end."""
    if record.status != "running" or record.host != socket.gethostname():
        return False
    try:
        os.kill(record.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _unrecorded(store: Store, path: str) -> RunRecord:
    """Return what is known about a run of a version that kept no records."""
    name, _, fingerprint = PurePosixPath(path).stem.rpartition("-")
    return RunRecord(
        id=f"{name}-0-{fingerprint[:6]}",
        recipe=name,
        number=0,
        command="run",
        status="unknown",
        started=datetime.fromtimestamp(store.modified(path), UTC),
        prefine=None,
        fingerprint=fingerprint,
        resolved=path,
    )


def _ids(records: Sequence[RunRecord]) -> str:
    listed = ", ".join(record.id for record in records[:_LISTED])
    more = len(records) - _LISTED
    return f"{listed} and {more} more" if more > 0 else listed
