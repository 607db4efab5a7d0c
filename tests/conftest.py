"""Fixtures that several lanes share: folders, small models, recipes."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.examples import register_profiles
from tests.hermetic import isolate

PROJECT = Path(__file__).parents[1]
DATA = Path(os.environ.get("PREFINE_TEST_DATA", PROJECT.parent / "shared" / "data"))

register_profiles()


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        # a worker of xdist has the variables of the process that started it, and one core
        os.environ["OMP_NUM_THREADS"] = "1"
        return
    home = Path(tempfile.mkdtemp(prefix="prefine-home-"))
    isolate(os.environ, home)
    config.add_cleanup(lambda: shutil.rmtree(home, ignore_errors=True))


@pytest.fixture(scope="session")
def project() -> Path:
    return PROJECT


@pytest.fixture(scope="session")
def real_data() -> Path:
    if not DATA.is_dir():
        pytest.skip(f"no real data at {DATA}; PREFINE_TEST_DATA says where it is")
    return DATA


@pytest.fixture(scope="session")
def distilled(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Distil the bundled encoder into the cache folder, once for all workers.

    It takes half a minute of CPU time: modules whose recipes embed texts ask for it, so that no
    two workers distil at the same time.
    """
    folder = tmp_path_factory.mktemp("distilled")
    row = {"prompt": "Why?", "chosen": "So.", "rejected": "No."}
    (folder / "rows.jsonl").write_text(json.dumps(row), encoding="utf-8")
    (folder / "recipe.yaml").write_text(
        "name: distilled\nsources: [{name: made, files: [rows.jsonl]}]\n"
        "measures: [{kind: cosine}]\n"
    )
    command = [sys.executable, "-m", "prefine.cli", "decide", "recipe.yaml"]
    env = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    with (Path.home() / "distilled.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run(command, env=env, cwd=folder, check=True, capture_output=True)


@pytest.fixture
def write_lines(tmp_path: Path) -> Callable[..., Path]:
    """Write rows as JSONL and return the path."""

    def write(rows: list[Any], name: str = "rows.jsonl") -> Path:
        path = tmp_path / name
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return path

    return write
