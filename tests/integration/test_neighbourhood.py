"""Neighbour measures do not depend on process, thread count or order of rows."""

import os
import random
import sys
from pathlib import Path

import orjson
import polars as pl
import pytest

from prefine.planning.look import read_table
from tests.made import Environment, call, files, llama, prefect_environment, run_recipe

pytestmark = pytest.mark.usefixtures("distilled")

RECIPE = """
name: neighbourhood
seed: 5
shards: 3
sources:
  - {{name: pairs, files: [pairs.jsonl], max_row_bytes: 20000}}
  - {{name: votes, files: [votes.jsonl]}}
measures:
  - {{kind: lengths}}
  - kind: near_duplicates
    of: [prompts, responses, pairs]
    by: [lexical, semantic]
    jaccard: 0.6
    search: {{exact_up_to: 50}}
  - kind: contamination
    semantic: true
    benchmarks: [{{name: leak, files: [examples.jsonl]}}]
  - {{kind: label_consistency, neighbours: 8, search: {{exact_up_to: 50}}}}
  - {{kind: prompt_topics, topics: 8}}
  - {{kind: prompt_neighbours, search: {{exact_up_to: 50}}, complete_up_to: 20}}
  - {{kind: target_similarity, files: [examples.jsonl]}}
  - {{kind: ches/transformers, store: float32, max_tokens: 600, weights: {{model: {policy}}}}}
  - {{kind: pressure, neighbours: 8, search: {{exact_up_to: 50}}}}
rules:
  - {{name: leaked, column: contamination_overlap, maximum: 0.9}}
  - {{name: one_per_cluster, cap: 1, per: prompt_cluster, order_by: -label_probability}}
  - {{name: pressed, column: pressure, maximum_quantile: 0.9}}
  - {{name: diverse, budget: 120, order_by: -label_probability, diverse: {{by: cover}}}}
  - {{name: even, budget: 90, balance: [source, prompt_topic]}}
export: {{test_ratio: 0.3}}
"""
MEASURED = {
    *("prompt_clusters", "response_clusters", "pair_clusters", "measure_contamination"),
    *("measure_label_consistency", "measure_pressure", "measure_prompt_topics"),
    *("measure_target", "measure_prompt_neighbours", "facts", "decide"),
}


@pytest.fixture(scope="module")
def recipe(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a recipe next to the rows of the sample and some examples."""
    folder = tmp_path_factory.mktemp("neighbourhood")
    for name in ("pairs.jsonl", "votes.jsonl"):
        (folder / name).write_bytes((project / "data/sample" / name).read_bytes())
    asked = ["How do I keep my garden green in a dry summer?", "Plan three days in a small city."]
    lines = [orjson.dumps({"prompt": text}) + b"\n" for text in asked]
    (folder / "examples.jsonl").write_bytes(b"".join(lines))
    (folder / "recipe.yaml").write_text(RECIPE.format(policy=llama("policy", folder / "policy")))
    return folder / "recipe.yaml"


def threads(number: int) -> Environment:
    limits = ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "RAYON_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return {**os.environ, **dict.fromkeys(limits, str(number))}


def ran(recipe: Path, folder: Path, data: Path, number: int) -> dict[str, bytes]:
    where = ["--root", str(folder / "root"), "--output", str(folder / "out"), "--data", str(data)]
    call([sys.executable, "-m", "prefine.cli", "run", str(recipe), *where], threads(number), data)
    return parquet(folder)


def parquet(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every table of a root and of the published data set."""
    return {name: data for name, data in files(folder).items() if name.endswith(".parquet")}


@pytest.fixture(scope="module")
def one(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, bytes]]:
    """Return the folder and the tables of a run in one process with one thread."""
    folder = tmp_path_factory.mktemp("one")
    return folder, ran(recipe, folder, recipe.parent, 1)


def test_the_flow_and_two_threads_write_the_same_bytes(
    recipe: Path, one: tuple[Path, dict[str, bytes]], project: Path, tmp_path: Path
) -> None:
    _, expected = one
    assert {name.split("/")[1].rpartition("-")[0] for name in expected} >= MEASURED

    flow = [
        *(sys.executable, "-m", "prefine_flows.curate", str(recipe)),
        *("--root", str(tmp_path / "root")),
    ]
    env = prefect_environment(tmp_path.parent / "prefect")
    call([*flow, "--output", str(tmp_path / "out")], {**threads(2), **env}, project)

    assert parquet(tmp_path) == expected


def test_rows_in_another_order_give_the_same_tables(
    recipe: Path, one: tuple[Path, dict[str, bytes]], tmp_path: Path
) -> None:
    folder, expected = one
    data = tmp_path / "data"
    data.mkdir()
    (data / "examples.jsonl").write_bytes((recipe.parent / "examples.jsonl").read_bytes())
    for name in ("pairs.jsonl", "votes.jsonl"):
        lines = (recipe.parent / name).read_bytes().splitlines(keepends=True)
        random.Random(name).shuffle(lines)
        assert lines != (recipe.parent / name).read_bytes().splitlines(keepends=True)
        (data / name).write_bytes(b"".join(lines))

    found = ran(recipe, tmp_path, data, 2)

    published = {name: data for name, data in expected.items() if name.startswith("out/")}
    assert published == {name: data for name, data in found.items() if name.startswith("out/")}
    for name in sorted(MEASURED):
        before, after = (tables(root, name) for root in (folder / "root", tmp_path / "root"))
        assert before.height > 0, name
        assert before.equals(after), name


def test_the_recipe_that_joins_sources_keeps_its_promises(
    project: Path, real_data: Path, tmp_path: Path
) -> None:
    text = (project / "pipelines/mix.yaml").read_text()
    plan, runtime = run_recipe(text, tmp_path, data=str(real_data))

    facts = read_table(plan, runtime, "facts").join(
        read_table(plan, runtime, "decisions"), on="pair_id"
    )
    kept = facts.filter(pl.col("verdict") == "keep")
    assert kept.height == 1_000
    assert kept["contamination_overlap"].max() <= 0.5
    assert facts.filter(pl.col("rule") == "in_benchmark").height > 50
    assert kept["pair_cluster"].n_unique() == 1_000
    assert kept.group_by("prompt_cluster").len()["len"].max() <= 2
    each = dict(kept.group_by("source").len().iter_rows())
    there = facts.filter(pl.col("rule").is_null() | (pl.col("rule") == "budget"))
    for name, left in there.group_by("source").len().iter_rows():
        assert each[name] >= min(left, max(each.values()) - 1), name


def tables(root: Path, name: str) -> pl.DataFrame:
    """Return what a step of a root wrote, all shards together."""
    paths = sorted(path for step in root.glob(f"{name}-*") for path in step.rglob("*.parquet"))
    return pl.concat([pl.read_parquet(path) for path in paths], how="diagonal")
