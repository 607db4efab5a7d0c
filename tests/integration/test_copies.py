"""All real sources together: copies of one source in another are found.

The expected figures are those that are known of the sources: identical pairs in two of them.
"""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from prefine.planning import publish_plan
from prefine.planning.look import read_table
from tests.made import run_recipe, table

pytestmark = pytest.mark.usefixtures("distilled")

SOURCES = Path(__file__).parents[1] / "sources"

SHARED = {
    ("dsp", "hh"): 2_312,
    ("qlora", "vicuna"): 160,
    ("llmbar", "qlora"): 66,
    ("llmbar", "vicuna"): 66,
    ("dpo", "medicalgpt"): 23,
    # 13 word for word, and one that differs in a few words
    ("autoj", "llmbar"): 14,
}
"""Pairs that two sources share; ``dsp`` and ``hh`` hold theirs in two layouts."""


@pytest.fixture(scope="module")
def recipe() -> str:
    found: list[Any] = []
    for path in sorted(SOURCES.glob("*.yaml")):
        found += yaml.safe_load(path.read_text(encoding="utf-8"))["sources"]
    measures = [{"kind": "near_duplicates", "of": ["pairs"]}]
    whole = {"name": "all", "sources": found, "pairs": {"use": ["label"]}, "measures": measures}
    return yaml.safe_dump(whole)


@pytest.fixture(scope="module")
def facts(recipe: str, real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    folder = tmp_path_factory.mktemp("all")
    found = table(recipe, folder, "facts", data=str(real_data))
    judged = table(recipe, folder, "judgements", data=str(real_data))
    sides = {
        "low": pl.min_horizontal("response_a", "response_b"),
        "high": pl.max_horizontal("response_a", "response_b"),
    }
    held = judged.filter(pl.col("kind") == "pair").select(pl.col("source").alias("by"), **sides)
    sides = ("chosen_id", "rejected_id")
    found = found.with_columns(low=pl.min_horizontal(sides), high=pl.max_horizontal(sides))
    held = held.unique().group_by("low", "high").agg(pl.col("by").sort())
    return found.join(held, on=["low", "high"], how="left", validate="1:1")


def test_pairs_that_two_sources_hold_are_one_cluster(facts: pl.DataFrame) -> None:
    held = facts.explode("by").select("pair_cluster", "by").unique()
    both = held.join(held, on="pair_cluster").filter(pl.col("by") < pl.col("by_right"))
    counted = {(a, b): n for a, b, n in both.group_by("by", "by_right").len().iter_rows()}

    assert {names: counted[names] for names in SHARED} == SHARED
    shared = facts.filter(pl.col("by").list.len() > 1)
    assert (shared["pair_cluster_sources"] >= shared["by"].list.len()).all()
    assert shared.height > 2_312 + 160


def test_each_cluster_has_one_representative_and_its_pairs_one_prompt_cluster(
    facts: pl.DataFrame,
) -> None:
    clusters = facts.group_by("pair_cluster").agg(
        pl.col("pair_is_representative").sum(),
        pl.col("prompt_cluster").n_unique(),
        pl.col("prompt_component").n_unique().alias("components"),
        (pl.len() == pl.col("pair_cluster_size").first()).alias("size"),
    )

    assert clusters["size"].all()
    for column in ("pair_is_representative", "prompt_cluster", "components"):
        assert set(clusters[column]) == {1}, column


def test_the_text_that_answers_805_prompts_is_flagged(facts: pl.DataFrame) -> None:
    prompts = pl.max_horizontal("chosen_text_prompts", "rejected_text_prompts")

    flagged = facts.filter(prompts == 805)

    assert flagged["prompt_id"].n_unique() == flagged.height == 805
    assert set(flagged["source"]) == {"alpaca_eval"}
    assert facts.filter(prompts > 805).is_empty()


def test_prompts_that_stand_in_a_benchmark_are_told(real_data: Path, tmp_path: Path) -> None:
    source = yaml.safe_load((SOURCES / "xstest_refusals.yaml").read_text(encoding="utf-8"))
    benchmark = {"name": "rm_bench", "files": ["rm_bench/*.json.gz"]}
    measures = [{"kind": "contamination", "benchmarks": [benchmark]}]
    recipe = yaml.safe_dump({**source, "measures": measures})

    plan, runtime = run_recipe(recipe, tmp_path, data=str(real_data))
    counts = publish_plan(plan, runtime, str(tmp_path / "out"))["benchmarks"]["rm_bench"]
    found = read_table(plan, runtime, "facts")

    # 156 prompts are identical, and one has a space more at its end; three say something else with
    # their last words or their first, and share more than half of the runs
    assert read_table(plan, runtime, "prompts").height == 450
    assert (counts["prompts_exact"], counts["prompts_overlap"]) == (157, 160)
    exact = found.filter(pl.col("contamination_by") == "exact")
    assert exact["prompt_contamination_overlap"].unique().to_list() == [1.0]
