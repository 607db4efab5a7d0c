"""Runs of the real sources, which several modules read."""

import fcntl
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

SharedRoot = Callable[[str], AbstractContextManager[Path]]
"""Lends the root of a recipe, by its name, to one worker at a time."""


@pytest.fixture(scope="session")
def shared_root(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> SharedRoot:
    """Lend roots in which a recipe runs once, whichever module and worker needs it first."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "sources"

    @contextmanager
    def lend(name: str) -> Generator[Path]:
        root = folder / name
        root.mkdir(parents=True, exist_ok=True)
        with (folder / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield root

    return lend
