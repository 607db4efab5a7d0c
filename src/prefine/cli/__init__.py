"""The command line: ``prefine COMMAND``; each module defines one or more commands."""

import signal
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from errno import ENOSPC
from importlib import import_module
from io import TextIOWrapper
from types import FrameType

from prefine.cli.app import app, err
from prefine.cli.usage import UsageError, shows_help, usage_text
from prefine.errors import PrefineError

COMMANDS = ("init", "run", "look", "runs", "verify", "serve", "ingest", "schema")
"""The modules that define the commands, in the order of ``--help``."""

for _name in COMMANDS:
    import_module(f"prefine.cli.{_name}")

_TERMINATED = 128 + signal.SIGTERM


def main() -> None:
    """Run the command line; an expected error prints one sentence and exits with code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # characters that the encoding lacks become `?`
            stream.reconfigure(errors="replace")
    try:
        with _cleaning_up():
            code = app(prog_name="prefine", standalone_mode=False)
    except KeyboardInterrupt:
        sys.exit(130)
    except (PrefineError, UsageError, OSError) as error:
        _report(error)
        sys.exit(2)
    if isinstance(code, int):  # a command ended with typer.Exit
        sys.exit(code)


def _report(error: Exception) -> None:
    """Print an expected error; raise an unexpected one again."""
    if isinstance(error, PrefineError):
        err.paragraph(f"error: {error}")
    elif isinstance(error, UsageError):
        if not shows_help(error):
            err.paragraph(f"error: {usage_text(error)}")
    elif isinstance(error, OSError) and error.errno == ENOSPC:
        err.line(f"error: cannot write the output: {error.strerror}")
    else:
        raise error


@contextmanager
def _cleaning_up() -> Generator[None]:
    """Handle SIGTERM like Ctrl-C: remove drafts, and stop servers and workers."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(_TERMINATED)
