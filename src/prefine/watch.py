"""Progress for people: bars with rate and time left on a terminal, plain lines elsewhere.

What comes in: steps that begin and advance. What goes out: lines on a console. What never happens:
a bar in a log file.
"""

from collections.abc import Generator
from contextlib import contextmanager

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

from prefine.plan import Plan, Watcher
from prefine.step import Manifest, Step


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

    def start(self, step: Step, done: int) -> None:
        """Begin a step; say so when there is nothing to do."""
        self._calls, self._rows, self._seconds = len(step.shards) - done, 0, 0.0
        if not self._calls:
            self._console.print(f"{step.name}: done before", highlight=False)

    def advance(self, step: Step, manifest: Manifest) -> None:
        """Count a call; print the step with its last one."""
        self._calls -= 1
        self._rows += manifest.rows_in
        self._seconds += manifest.seconds
        if not self._calls:
            text = f"{step.name}: {self._rows:,} rows in {self._seconds:.1f} s"
            self._console.print(text, highlight=False)

    def rows(self, count: int) -> None:
        """Say nothing about rows within a call."""


class Bars:
    """One bar for the plan and one for the present step."""

    def __init__(self, progress: Progress, num_steps: int) -> None:
        self._progress = progress
        self._all = progress.add_task("all steps", total=num_steps, rate="")
        self._task: TaskID | None = None
        self._left = 0
        self._rows = 0

    def start(self, step: Step, done: int) -> None:
        """Show a bar for the step."""
        if self._task is not None:
            self._progress.remove_task(self._task)
        total = len(step.shards)
        self._left, self._rows = total - done, 0
        self._task = self._progress.add_task(step.name, total=total, completed=done, rate="")
        if not self._left:
            self._progress.advance(self._all)

    def advance(self, step: Step, manifest: Manifest) -> None:
        """Move the bars on."""
        assert self._task is not None, "a step starts before it advances"
        self._left -= 1
        per_second = manifest.rows_in / max(manifest.seconds, 1e-3)
        self._progress.update(self._task, advance=1, rate=f"{per_second:,.0f} rows/s")
        if not self._left:
            self._progress.advance(self._all)

    def rows(self, count: int) -> None:
        """Show the rows of the present call."""
        self._rows += count
        if self._task is not None and count:
            elapsed = self._progress.tasks[-1].elapsed or 1e-3
            self._progress.update(self._task, rate=f"{self._rows / elapsed:,.0f} rows/s")
