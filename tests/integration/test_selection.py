"""Selection on the bundled sample: exact counts, entropy, the same results with 1 and 2 threads."""

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest

from prefine.errors import RecipeError
from prefine.planning import Plan, make_plan, publish_plan, run_plan
from prefine.planning.look import read_table
from prefine.recipe import load_recipe, parse_recipe
from prefine.settings import Runtime
from tests.made import call, files

pytestmark = pytest.mark.usefixtures("distilled")

RECIPE = """
name: selected
seed: 3
shards: {shards}
sources:
  - {{name: pairs, files: [pairs.jsonl], max_row_bytes: 20000}}
  - {{name: transcripts, files: [transcripts.jsonl.gz]}}
  - {{name: votes, files: [votes.jsonl]}}
measures:
  - {{kind: lengths}}
  - {{kind: prompt_topics, topics: 8}}
  - {{kind: prompt_neighbours}}
  - {{kind: target_similarity, files: [{examples}]}}
rules:
  - {{name: topic, cap: 20, per: prompt_topic, order_by: -chosen_chars}}
  - {{name: likest, budget: 90, order_by: target_best_rank}}
  - {{name: diverse, budget: 60, order_by: -chosen_chars, diverse: {{by: cover}}}}
  - {{name: even, budget: {budget}, balance: [source], order_by: -chosen_chars}}
"""


@pytest.fixture(scope="module")
def sample(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the sample and with examples that resemble some of its prompts."""
    folder = tmp_path_factory.mktemp("selection")
    for path in (project / "data" / "sample").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    asked = ["How do I keep my garden green in a dry summer?", "Plan three days in a small city."]
    lines = [orjson.dumps({"prompt": text}) + b"\n" for text in asked]
    (folder / "examples.jsonl").write_bytes(b"".join(lines))
    (folder / "renamed.jsonl").write_bytes(b"".join(lines))
    return folder


def ran(folder: Path, budget: int = 30, **more: Any) -> tuple[Plan, Runtime]:
    settings = {"shards": 2, "examples": "examples.jsonl", **more}
    runtime = Runtime(root=str(folder / f"root{settings['shards']}"), data=str(folder))
    plan = make_plan(parse_recipe(RECIPE.format(budget=budget, **settings)), runtime)
    run_plan(plan, runtime)
    return plan, runtime


def decided(folder: Path, **settings: Any) -> pl.DataFrame:
    decisions = read_table(*ran(folder, **settings), "decisions")
    return decisions.select("pair_id", "verdict", "rule", "value", "explanation").sort("pair_id")


def kept(decisions: pl.DataFrame) -> set[str]:
    return set(decisions.filter(pl.col("verdict") == "keep")["pair_id"])


def test_every_budget_is_met_to_the_pair(sample: Path) -> None:
    plan, runtime = ran(sample)
    facts = read_table(plan, runtime, "facts").join(
        read_table(plan, runtime, "decisions"), on="pair_id"
    )

    told = next(
        orjson.loads(path.read_bytes())["notes"]["rules"]
        for path in Path(runtime.root).glob("decide-*/corpus.json")
    )
    after = {entry["rule"]: entry["in"] - entry["dropped"] for entry in told}
    assert (after["likest"], after["diverse"], after["even"]) == (90, 60, 30)
    chosen = facts.filter(pl.col("verdict") == "keep")
    assert chosen.height == 30
    past_diverse = pl.col("rule").is_null() | (pl.col("rule") == "even")
    available = dict(facts.filter(past_diverse)["source"].value_counts().rows())
    taken = dict(chosen["source"].value_counts().rows())
    least = min(count for source, count in taken.items() if count < available[source])
    assert all(count <= least + 1 for count in taken.values())
    past_topic = pl.col("rule").is_in(["likest", "diverse"]) | past_diverse
    assert facts.filter(past_topic)["prompt_topic"].value_counts()["count"].max() == 20


def test_a_larger_budget_keeps_what_the_smaller_kept_and_only_decides_again(sample: Path) -> None:
    small = decided(sample)
    before = files(sample / "root2")
    large = decided(sample, budget=40)

    assert kept(small) < kept(large)
    assert len(kept(large)) == 40
    written = {path.split("-")[0] for path in files(sample / "root2").keys() - before.keys()}
    assert {name for name in written if "/" not in name} == {"decide", "diversity", "export"}


def test_shards_and_names_of_files_do_not_matter(sample: Path) -> None:
    whole = decided(sample, shards=1, examples="renamed.jsonl")

    assert decided(sample).equals(whole)


def test_the_manifest_and_the_card_tell_how_diverse_the_selection_is(
    sample: Path, tmp_path: Path
) -> None:
    plan, runtime = ran(sample)
    publish_plan(plan, runtime, str(tmp_path / "out"))

    notes = orjson.loads((tmp_path / "out/manifest.json").read_bytes())["notes"]
    found, card = notes["diversity"], (tmp_path / "out/README.md").read_text()

    facts = read_table(plan, runtime, "facts").join(
        read_table(plan, runtime, "decisions"), on="pair_id"
    )
    chosen = facts.filter(pl.col("verdict") == "keep")["prompt_id"].n_unique()
    assert found["all"]["num_prompts"] == facts["prompt_id"].n_unique()
    assert found["kept"]["num_prompts"] == found["random"]["num_prompts"] == chosen
    assert found["k"] == 5
    assert f"| kept | {chosen} | {found['kept']['entropy']:.3f} |" in card
    assert notes["example_vectors_target"]["num_examples"] == 2
    neighbours = notes["measure_prompt_neighbours"]
    assert (neighbours["listed"], neighbours["recall"]) == ("all others", 1.0)


def test_the_published_recipe_makes_the_same_plan_and_knows_its_examples(
    sample: Path, tmp_path: Path
) -> None:
    plan, runtime = ran(sample)
    publish_plan(plan, runtime, str(tmp_path / "out"))
    published = load_recipe(tmp_path / "out" / "recipe.yaml")

    assert make_plan(published, runtime).steps[-1].fingerprint == plan.steps[-1].fingerprint

    elsewhere = tmp_path / "data"
    shutil.copytree(sample, elsewhere, ignore=shutil.ignore_patterns("root*"))
    (elsewhere / "examples.jsonl").write_text('{"prompt": "Something else?"}\n')
    with pytest.raises(RecipeError, match="measure target: the files do not match `sha256`"):
        make_plan(published, Runtime(root=str(tmp_path / "root"), data=str(elsewhere)))


def test_one_and_two_threads_write_the_same_bytes(sample: Path, tmp_path: Path) -> None:
    recipe = sample / "recipe.yaml"
    recipe.write_text(RECIPE.format(budget=30, shards=2, examples="examples.jsonl"))
    outputs: list[dict[str, bytes]] = []
    for threads in ("1", "2"):
        folder = tmp_path / threads
        command = [sys.executable, "-m", "prefine.cli", "run", str(recipe)]
        command += ["--data", str(sample), "--root", str(folder / "root")]
        call(
            [*command, "--output", str(folder / "out")],
            {**os.environ, "OMP_NUM_THREADS": threads},
            tmp_path,
        )
        outputs.append(files(folder / "out"))
        tables = files(folder / "root")
        outputs[-1] |= {path: data for path, data in tables.items() if path.endswith(".parquet")}

    assert len(outputs[0]) > 20
    assert outputs[0] == outputs[1]
