"""The bundled sample: every known defect is found, and nothing else."""

import gzip
import json
import runpy
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from prefine.planning import Plan, make_plan, publish_plan, run_plan
from prefine.planning.look import read_table
from prefine.recipe import load_recipe
from prefine.settings import Runtime

pytestmark = pytest.mark.usefixtures("distilled")


@pytest.fixture(scope="module")
def planted(project: Path) -> dict[str, Any]:
    return json.loads((project / "data/sample/planted.json").read_text())


@pytest.fixture(scope="module")
def ran(project: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, Runtime, Path]:
    folder = tmp_path_factory.mktemp("quickstart")
    runtime = Runtime(root=str(folder / "root"), data=str(project / "pipelines"))
    plan = make_plan(load_recipe(project / "pipelines/quickstart.yaml"), runtime)
    run_plan(plan, runtime)
    publish_plan(plan, runtime, str(folder / "out"))
    return plan, runtime, folder / "out"


@pytest.fixture(scope="module")
def pairs(ran: tuple[Plan, Runtime, Path]) -> pl.DataFrame:
    facts = read_table(ran[0], ran[1], "facts")
    decided = read_table(ran[0], ran[1], "decisions").select("pair_id", "verdict", "rule")
    return facts.join(decided, on="pair_id")


def fell(pairs: pl.DataFrame, rule: str) -> set[str]:
    return set(pairs.filter(pl.col("rule") == rule)["pair_id"])


def test_rows_that_cannot_be_read_are_quarantined_with_their_place_and_reason(
    ran: tuple[Plan, Runtime, Path], planted: dict[str, Any]
) -> None:
    found: dict[str, dict[str, str]] = {}
    for file, row, reason in (
        read_table(*ran[:2], "quarantine").select("file", "row", "reason").rows()
    ):
        found.setdefault(Path(file).name, {})[str(row)] = reason

    assert found == planted["quarantine"]


def test_flipped_labels_are_all_found_and_no_other_label_is_turned(
    pairs: pl.DataFrame, planted: dict[str, Any]
) -> None:
    assert fell(pairs, "wrong_label") == set(planted["flipped"])


def test_identical_empty_and_short_sides_fall_by_their_own_rule(
    pairs: pl.DataFrame, planted: dict[str, Any]
) -> None:
    for rule in ("identical", "empty", "too_short"):
        assert fell(pairs, rule) == set(planted[rule]), rule


def test_duplicates_contradictions_copies_and_ties_are_counted(
    pairs: pl.DataFrame, planted: dict[str, Any]
) -> None:
    contradictions = pairs.filter("is_contradiction")
    ties = planted["ties"] + planted["arena_ties"] + len(planted["contradictions"])

    assert pairs["num_duplicates"].sum() == planted["duplicates"]
    assert set(contradictions["pair_id"]) == set(planted["contradictions"])
    assert set(pairs.filter(pl.col("num_sources") > 1)["pair_id"]) == set(planted["copies"])
    assert len(fell(pairs, "tie")) == ties
    assert pairs["context_mismatch"].sum() == planted["context_mismatch"]
    assert len(fell(pairs, "context_mismatch")) == planted["context_mismatch"]


def test_near_duplicates_are_clusters_and_decoys_are_not(
    pairs: pl.DataFrame, planted: dict[str, Any]
) -> None:
    clusters = (
        pairs.filter(pl.col("prompt_cluster_size") > 1)
        .group_by("prompt_cluster")
        .agg(pl.col("prompt_id").unique().sort())
    )
    decoys = pairs.filter(pl.col("prompt_id").is_in(planted["decoys"]))

    assert sorted(clusters["prompt_id"].to_list()) == sorted(planted["near"])
    assert set(decoys["prompt_cluster_size"]) == {1}
    assert decoys.height == len(planted["decoys"])
    assert len(fell(pairs, "one_per_cluster")) == len(planted["near"])


def test_rated_responses_make_one_pair_a_prompt(
    pairs: pl.DataFrame, planted: dict[str, Any]
) -> None:
    rated = pairs.filter(pl.col("label_source") == "rating")

    assert rated.height == planted["rated_prompts"]
    assert set(rated["rating_gap"]) == {4.0}


def test_every_pair_has_one_verdict_and_the_export_is_what_was_kept(
    ran: tuple[Plan, Runtime, Path], pairs: pl.DataFrame
) -> None:
    kept = set(pairs.filter(pl.col("verdict").is_in(["keep", "flip"]))["pair_id"])
    shards = pl.read_parquet(ran[2] / "data" / "*.parquet")

    assert pairs["pair_id"].is_unique().all()
    assert set(shards["pair_id"]) == kept
    assert shards.height == len(kept)


def test_the_generator_makes_the_sample_that_is_bundled(project: Path, tmp_path: Path) -> None:
    shutil.copy(project / "data/generate.py", tmp_path / "generate.py")
    runpy.run_path(str(tmp_path / "generate.py"), run_name="__main__")

    bundled = project / "data/sample"
    assert {p.name for p in bundled.iterdir()} == {p.name for p in (tmp_path / "sample").iterdir()}
    for path in bundled.iterdir():
        read = gzip.decompress if path.suffix == ".gz" else bytes
        assert read(path.read_bytes()) == read((tmp_path / "sample" / path.name).read_bytes())
