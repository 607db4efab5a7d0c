"""Progress of a run: bars with rate and time left on a terminal, plain lines elsewhere."""

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
from rich.table import Column

from prefine.cli.output import Notes
from prefine.planning import Plan, Watcher
from prefine.planning.run import Silent
from prefine.settings.json import Json
from prefine.step import Manifest, Pace, Step

_NAME_WIDTH = 24
_WIDE = 110
"""Terminal width, in columns, from which bars are longer."""


@contextmanager
def watching(notes: Notes, plan: Plan) -> Generator[Watcher]:
    """Yield a watcher that suits the console: bars on a terminal, lines elsewhere.

    Args:
        notes: Where progress is printed; nothing is printed with ``--quiet``.
        plan: The plan that is run.
    """
    if notes.quiet:
        yield Silent()
        return
    console = notes.stream.console
    if not console.is_terminal:
        yield Lines(console)
        return
    name = Column(width=_NAME_WIDTH, no_wrap=True, overflow="ellipsis")
    columns = (
        TextColumn("{task.description}", table_column=name),
        BarColumn(bar_width=40 if console.width >= _WIDE else 10),
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[rate]}", table_column=Column(no_wrap=True, justify="right")),
        TimeElapsedColumn(table_column=Column(no_wrap=True)),
        TimeRemainingColumn(table_column=Column(no_wrap=True), compact=True),
    )
    with Progress(*columns, console=console) as progress:
        yield Bars(progress, len(plan.steps))


class Lines:
    """One line for each finished step."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._calls = 0
        self._rows = 0
        self._seconds = 0.0
        self._name = ""
        self._call = Pace()

    def start(self, step: Step, done: int) -> None:
        """Begin a step; print it if it is already done."""
        self._calls, self._rows, self._seconds = len(step.shards) - done, 0, 0.0
        self._name, self._call = step.name, Pace()
        if not self._calls:
            self._print(f"{step.name}: already done")

    def advance(self, step: Step, manifest: Manifest) -> None:
        """Count a shard; print the step with its last one."""
        self._calls -= 1
        self._call = Pace()
        self._rows += manifest.rows_in
        self._seconds += manifest.seconds
        if not self._calls:
            index = index_text(manifest.notes)
            text = f"{step.name}: {self._rows:,} rows in {self._seconds:.1f} s"
            self._print(f"{text}, {index}" if index else text)

    def expect(self, count: int) -> None:
        """Add to the number of rows of the current shard."""
        self._call.expected += count

    def done(self, count: int) -> None:
        """Count rows; print the progress of a long shard periodically."""
        self._call.done += count
        if self._call.due():
            self._print(f"{self._name}: {_pace_text(self._call)}")

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False)


def index_text(notes: Json) -> str:
    """Return which index a step searched, and its recall; empty if it searched none."""
    match notes:
        case {"index": "flat", "vectors": int(count), "storage": storage}:
            return f"all of {count:,} vectors compared ({storage})"
        case {"index": "ivf", "vectors": int(count), "storage": storage, "recall": recall}:
            lists = f"{notes['probes']} of {notes['lists']} lists searched"
            return f"index of {count:,} vectors ({storage}), {lists}, recall {recall:.3f}"
        case _:
            return ""


def _pace_text(pace: Pace) -> str:
    """Return rows done, rate and time left."""
    rate, left_s = pace.rate(), pace.left_s()
    if left_s is None:
        return f"{pace.done:,} rows, {rate:,.1f} rows/s"
    left = timedelta(seconds=round(left_s))
    return f"{pace.done:,} of {pace.expected:,} rows, {rate:,.1f} rows/s, {left} left"


class Bars:
    """A bar for the plan, one for the current step and one for the rows of its current shard."""

    def __init__(self, progress: Progress, num_steps: int) -> None:
        self._progress = progress
        self._all = progress.add_task("all steps", total=num_steps, rate="")
        self._task: TaskID | None = None
        self._call: TaskID | None = None
        self._left = 0
        self._pace = Pace()

    def start(self, step: Step, done: int) -> None:
        """Show a bar for the step."""
        if self._task is not None:
            self._progress.remove_task(self._task)
        total = len(step.shards)
        self._left = total - done
        self._end_call()
        self._task = self._progress.add_task(step.name, total=total, completed=done, rate="")
        if not self._left:
            self._progress.advance(self._all)

    def advance(self, step: Step, manifest: Manifest) -> None:
        """Count a shard."""
        assert self._task is not None, "a step starts before it advances"
        self._end_call()
        self._left -= 1
        if index := index_text(manifest.notes):
            self._progress.console.print(f"{step.name}: {index}", markup=False, highlight=False)
        per_second = manifest.rows_in / max(manifest.seconds, 1e-3)
        self._progress.update(self._task, advance=1, rate=f"{per_second:,.0f} rows/s")
        if not self._left:
            self._progress.advance(self._all)

    def _end_call(self) -> None:
        if self._call is not None:
            self._progress.remove_task(self._call)
        self._call, self._pace = None, Pace()

    def expect(self, count: int) -> None:
        """Show a bar for the rows of the current shard."""
        self._pace.expected += count
        if self._call is None:
            self._call = self._progress.add_task("  rows of this shard", rate="")
        self._progress.update(self._call, total=self._pace.expected)

    def done(self, count: int) -> None:
        """Count rows of the current shard."""
        self._pace.done += count
        rate = f"{self._pace.rate():,.0f} rows/s"
        if self._call is not None:
            self._progress.update(self._call, completed=self._pace.done, rate=rate)
        elif self._task is not None and count:
            self._progress.update(self._task, rate=rate)
