"""Progress on a console: bars with rate and time left on a terminal, plain lines elsewhere."""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from prefine.plan.run import Watcher
from prefine.plan.steps import Plan
from prefine.settings.json import Json
from prefine.step import Manifest, Pace, Step


@contextmanager
def watching(console: Console, plan: Plan) -> Generator[Watcher]:
    """Yield a watcher that fits the console."""
    if not console.is_terminal:
        yield Lines(console)
        return
    columns = (
        TextColumn("{task.description:<24}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:>14}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        yield Bars(progress, len(plan.steps))


class Lines:
    """One line a finished step."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._calls = 0
        self._rows = 0
        self._seconds = 0.0
        self._name = ""
        self._call = Pace()

    def start(self, step: Step, done: int) -> None:
        """Begin a step; say so when there is nothing to do."""
        self._calls, self._rows, self._seconds = len(step.shards) - done, 0, 0.0
        self._name, self._call = step.name, Pace()
        if not self._calls:
            self._console.print(f"{step.name}: done before", highlight=False)

    def advance(self, step: Step, manifest: Manifest) -> None:
        """Count a shard; print the step with its last one."""
        self._calls -= 1
        self._call = Pace()
        self._rows += manifest.rows_in
        self._seconds += manifest.seconds
        if not self._calls:
            text = f"{step.name}: {self._rows:,} rows in {self._seconds:.1f} s"
            chosen = index_text(manifest.notes)
            self._console.print(f"{text}, {chosen}" if chosen else text, highlight=False)

    def expect(self, count: int) -> None:
        """Take note of the rows of the present shard."""
        self._call.expected += count

    def done(self, count: int) -> None:
        """Tell how far a long shard is, now and then."""
        self._call.done += count
        if self._call.due():
            self._console.print(f"{self._name}: {_pace_text(self._call)}", highlight=False)


def index_text(notes: Json) -> str:
    """Say which index a step searched, and how much of the truth it found; else nothing."""
    match notes:
        case {"index": "flat", "vectors": int(count), "storage": storage}:
            return f"all of {count:,} vectors compared ({storage})"
        case {"index": "ivf", "vectors": int(count), "storage": storage, "recall": recall}:
            where = f"{notes['probes']} of {notes['lists']} lists looked into"
            return f"index of {count:,} vectors ({storage}), {where}, recall {recall:.3f}"
        case _:
            return ""


def _pace_text(pace: Pace) -> str:
    """Say how much is done, how fast, and how long the rest will take."""
    rate, left_s = pace.rate(), pace.left_s()
    if left_s is None:
        return f"{pace.done:,} rows, {rate:,.1f} rows/s"
    left = timedelta(seconds=round(left_s))
    return f"{pace.done:,} of {pace.expected:,} rows, {rate:,.1f} rows/s, {left} left"


class Bars:
    """One bar for the plan and one for the present step."""

    def __init__(self, progress: Progress, num_steps: int) -> None:
        self._progress = progress
        self._all = progress.add_task("all steps", total=num_steps, rate="")
        self._task: TaskID | None = None
        self._call: TaskID | None = None
        self._left = 0
        self._pace = Pace()
        self._name = ""

    def start(self, step: Step, done: int) -> None:
        """Show a bar for the step."""
        if self._task is not None:
            self._progress.remove_task(self._task)
        total = len(step.shards)
        self._left, self._name = total - done, step.name
        self._end_call()
        self._task = self._progress.add_task(step.name, total=total, completed=done, rate="")
        if not self._left:
            self._progress.advance(self._all)

    def advance(self, step: Step, manifest: Manifest) -> None:
        """Move the bars on."""
        assert self._task is not None, "a step starts before it advances"
        self._end_call()
        self._left -= 1
        if chosen := index_text(manifest.notes):
            self._progress.console.print(f"{step.name}: {chosen}", highlight=False)
        per_second = manifest.rows_in / max(manifest.seconds, 1e-3)
        self._progress.update(self._task, advance=1, rate=f"{per_second:,.0f} rows/s")
        if not self._left:
            self._progress.advance(self._all)

    def _end_call(self) -> None:
        if self._call is not None:
            self._progress.remove_task(self._call)
        self._call, self._pace = None, Pace()

    def expect(self, count: int) -> None:
        """Show a bar for the rows of the present shard."""
        self._pace.expected += count
        if self._call is None:
            self._call = self._progress.add_task(f"  {self._name}, rows", rate="")
        self._progress.update(self._call, total=self._pace.expected)

    def done(self, count: int) -> None:
        """Show the rows of the present shard."""
        self._pace.done += count
        rate = f"{self._pace.rate():,.0f} rows/s"
        if self._call is not None:
            self._progress.update(self._call, completed=self._pace.done, rate=rate)
        elif self._task is not None and count:
            self._progress.update(self._task, rate=rate)
