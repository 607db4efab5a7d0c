"""Worker processes that exit when their parent exits or is killed."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor


def start_processes(
    number: int, initializer: Callable[..., None] | None = None, *args: str
) -> ProcessPoolExecutor:
    """Return an executor of spawned (not forked) worker processes.

    Args:
        number: Maximum number of processes.
        initializer: Initializer of each process, importable by name; null for none.
        args: Arguments of ``initializer``.
    """
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(number, context, _initialize, (initializer, args))


def _initialize(initializer: Callable[..., None] | None, args: tuple[str, ...]) -> None:
    # Ctrl-C reaches all processes of a terminal; the parent handles it and ends its workers
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if initializer is not None:
        initializer(*args)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None, "only a child process has a parent process"
    parent.join()
    os._exit(1)
