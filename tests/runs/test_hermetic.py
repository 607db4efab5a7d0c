"""No setting of the developer reaches a test: tests pass under variables meant to break them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROBES = [
    "tests/runs/test_cli.py::test_a_second_run_does_nothing",
    "tests/unit/test_recipe.py::test_no_runtime_value_is_named_in_a_recipe",
]
"""Tests of what the variables below would change."""
HOSTILE = {
    "PREFINE_ROOT": "/nowhere/root",
    "PREFINE_DATA": "/nowhere/data",
    "PREFECT_HOME": "/nowhere/prefect",
    "PREFECT_API_URL": "http://127.0.0.1:9/api",
    "HF_HOME": "/nowhere/hub",
    "XDG_CACHE_HOME": "/nowhere/cache",
    "GIT_CONFIG_GLOBAL": "/nowhere/git",
    "LC_ALL": "tr_TR.UTF-8",
    "TZ": "Asia/Kathmandu",
    "FORCE_COLOR": "1",
    "COLUMNS": "20",
    "https_proxy": "http://127.0.0.1:9",
    "HTTP_PROXY": "http://127.0.0.1:9",
}
KEPT = {"GIT_CONFIG_GLOBAL": os.devnull, "LC_ALL": "C.UTF-8"}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_variable_of_the_developer_is_not_seen(name: str) -> None:
    # a worker of xdist has a terminal of 80 columns
    assert os.environ.get(name) in {KEPT.get(name), "80" if name == "COLUMNS" else KEPT.get(name)}


def test_the_home_folder_is_not_the_developers() -> None:
    assert Path.home().name.startswith("prefine-home-")


def test_tests_pass_under_hostile_variables(project: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    own = str(Path(__file__).relative_to(project))
    probes = [*PROBES, f"{own}::test_a_variable_of_the_developer_is_not_seen"]
    environment = {**os.environ, **HOSTILE, "HOME": str(home)}

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *probes],
        env=environment,
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )

    assert done.returncode == 0, done.stdout
    assert list(home.iterdir()) == []
