"""Killed at any moment and started again, a run ends in the same bytes and repeats no shard."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.made import alive, gone, until

pytestmark = pytest.mark.usefixtures("distilled")

KILLS = 10
RECIPE = """
name: killed
shards: 3
sources:
  - {name: hh, files: [hh_rlhf_harmless/harmless-base/test.jsonl.gz], format: hh}
  - {name: bar, files: ["llmbar/LLMBar/*/*/dataset.json"], format: columns, columns: {
      prompt: input, responses: [output_1, output_2],
      labels: [{column: label, values: {"1": a, "2": b}}]}}
measures:
  - {kind: lengths}
  - {kind: cosine}
  - {kind: near_duplicates}
  - {kind: reward/bootstrap, folds: 3, heads: 2}
rules:
  - {name: short, column: chosen_chars, minimum: 5}
  - {name: doubtful, column: bootstrap_probability, minimum: 0.3}
export: {test_ratio: 0.1, rows_per_shard: 500}
"""


def command(recipe: Path, data: Path, folder: Path) -> list[str]:
    program = [sys.executable, "-m", "prefine.cli", "run", str(recipe), "--data", str(data)]
    return [*program, "--root", str(folder / "root"), "--output", str(folder / "out")]


def finish(arguments: list[str]) -> None:
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def output(folder: Path) -> dict[str, bytes]:
    out = folder / "out"
    return {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file()}


def finished(folder: Path) -> dict[str, tuple[int, int]]:
    """Return inode and time of every file of a finished shard."""
    found: dict[str, tuple[int, int]] = {}
    for manifest in (folder / "root").glob("*/*.json"):
        if manifest.name in {"tokenizer.json", "manifest.json"}:  # no manifests of shards
            continue
        part = manifest.stem
        for path in [manifest, *manifest.parent.rglob(f"{part}.parquet")]:
            found[str(path)] = (path.stat().st_ino, path.stat().st_mtime_ns)
    return found


@pytest.fixture(scope="module")
def undisturbed(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    folder = tmp_path_factory.mktemp("undisturbed")
    recipe = folder / "recipe.yaml"
    recipe.write_text(RECIPE)
    finish(command(recipe, real_data, folder))
    times = [p.stat().st_mtime for p in folder.rglob("*") if p.is_file() and p != recipe]
    return folder, max(times) - min(times)


@pytest.mark.parametrize("kill", range(KILLS))
def test_a_killed_run_ends_as_if_nothing_had_happened(
    undisturbed: tuple[Path, float], real_data: Path, tmp_path: Path, kill: int
) -> None:
    reference, seconds = undisturbed
    moment = random.Random(kill).uniform(0, seconds)
    arguments = command(reference / "recipe.yaml", real_data, tmp_path)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(arguments, **quiet) as process:
        assert until((tmp_path / "root").exists, 120)
        try:
            process.wait(timeout=moment)
        except subprocess.TimeoutExpired:
            process.kill()
    before = finished(tmp_path)

    finish(arguments)

    assert output(tmp_path) == output(reference)
    after = finished(tmp_path)
    assert {path: after[path] for path in before} == before
    assert not list(tmp_path.rglob("*.draft"))


def test_processes_end_when_the_one_they_work_for_is_killed() -> None:
    parent = (
        "import os, time\nfrom prefine.serve.processes import start_processes\n"
        "if __name__ == '__main__':\n"
        "    pool = start_processes(2)\n"
        "    held = [pool.submit(time.sleep, 0.5) for _ in range(2)]\n"
        "    print(*{pool.submit(os.getpid).result() for _ in range(9)}, flush=True)\n"
        "    pool.submit(time.sleep, 600).result()\n"
    )
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        pids = [int(pid) for pid in process.stdout.readline().split()]
        assert pids
        assert all(map(alive, pids))
        process.kill()

    assert gone(pids)
