"""The neighbourhood of texts does not depend on how many threads look for it."""

import os
import sys
from pathlib import Path

import pytest

from tests.made import call, files

pytestmark = pytest.mark.usefixtures("distilled")

RECIPE = """
name: threads
shards: 3
sources:
  - {name: pairs, files: [pairs.jsonl]}
  - {name: votes, files: [votes.jsonl]}
measures:
  - kind: near_duplicates
    of: [pairs]
    by: [lexical, semantic]
    search: {exact_up_to: 50}
    jaccard: 0.6
  - kind: contamination
    semantic: true
    benchmarks: [{name: leak, files: [pairs.jsonl], max_row_bytes: 20000}]
export: {test_ratio: 0.3}
"""


def ran(folder: Path, data: Path, threads: int) -> dict[str, bytes]:
    """Run in a process of its own; return the bytes of all results but the manifests' times."""
    folder.mkdir()
    (folder / "recipe.yaml").write_text(RECIPE)
    limits = ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "RAYON_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    env = {**os.environ, **dict.fromkeys(limits, str(threads))}
    where = ["--root", str(folder / "root"), "--output", str(folder / "out"), "--data", str(data)]
    command = [sys.executable, "-m", "prefine.cli", "run", str(folder / "recipe.yaml"), *where]
    call(command, env, folder)
    found = files(folder / "root")
    return {name: data for name, data in found.items() if name.endswith(".parquet")}


def test_one_thread_and_two_write_the_same_bytes(project: Path, tmp_path: Path) -> None:
    one, two = (ran(tmp_path / str(n), project / "data/sample", n) for n in (1, 2))

    assert {"prompt_clusters", "response_clusters", "pair_clusters", "measure_contamination"} <= {
        name.split("/")[0].rpartition("-")[0] for name in one
    }
    assert one == two
