"""Ctrl-C and SIGTERM: one line, the usual exit code, and the same command continues."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.made import alive, explicit, gone, until

pytestmark = pytest.mark.usefixtures("distilled")

RECIPE = """
name: made
shards: 2
sources: [{name: made, files: [rows.jsonl]}]
measures: [{kind: lengths}, {kind: cosine}, {kind: near_duplicates}]
rules: [{name: short, column: chosen_chars, minimum: 6}]
"""
MESSAGE = "interrupted; the same command continues where this one stopped"


def command(folder: Path, *more: str) -> list[str]:
    program = [sys.executable, "-m", "prefine.cli", "run", str(folder / "recipe.yaml"), *more]
    return [*program, "--output", str(folder / "out"), "--root", str(folder / "root")]


def children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in listed.read_text().split()] if listed.exists() else []


def status(folder: Path) -> str:
    (latest, *_) = json.loads(
        subprocess.run(
            [sys.executable, "-m", "prefine.cli", "runs", "--root", str(folder / "root"), "--json"],
            capture_output=True,
            check=True,
        ).stdout
    )
    return latest["status"]


@pytest.fixture
def folder(write_lines: Any, tmp_path: Path) -> Path:
    rows = [
        explicit(f"Question {n} of {n % 97}?", f"Yes, {n} it is", f"No, {n % 7}")
        for n in range(300)
    ]
    write_lines(rows)
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code", "workers"),
    [(signal.SIGINT, 130, 1), (signal.SIGINT, 130, 2), (signal.SIGTERM, 143, 1)],
)
def test_an_interrupted_run_says_so_and_the_same_command_finishes_it(
    folder: Path, number: signal.Signals, code: int, workers: int
) -> None:
    arguments = command(folder, "--set", f"workers={workers}")
    root = folder / "root"
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        started = "gather-*/part-00000.json" if workers == 1 else "gather-*"
        assert until(lambda: bool(list(root.glob(started))), seconds=120)
        workers_here = children(process.pid)
        # a terminal sends Ctrl-C to the whole group, and a supervisor SIGTERM to the process
        if number is signal.SIGINT:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        printed, errors = process.communicate(timeout=60)

    assert process.returncode == code, errors
    assert errors.splitlines()[-1] == MESSAGE
    assert errors.count(MESSAGE) == 1
    assert "Traceback" not in errors
    assert printed == ""
    assert not (folder / "out").exists()
    assert not list(root.rglob("*.draft")) or workers > 1
    assert gone(workers_here), [pid for pid in workers_here if alive(pid)]
    assert status(folder) == "interrupted"

    finished = subprocess.run(arguments, capture_output=True, text=True, check=False)

    assert finished.returncode == 0, finished.stderr
    assert "ingest_made: already done" in finished.stderr
    assert (folder / "out" / "manifest.json").exists()
    assert not list(root.rglob("*.draft"))
    assert status(folder) == "finished"
