"""Votes and ratings, from the source file to the pairs."""

from pathlib import Path
from typing import Any

import pytest

from prefine.errors import DataError, RecipeError
from prefine.planning import make_plan
from prefine.recipe import parse_recipe
from prefine.settings import Runtime
from prefine.step import load_manifest, run_step
from prefine.store import Store
from tests.made import table


def test_the_published_merit_of_a_layout_decides(write_lines: Any, tmp_path: Path) -> None:
    good = {"response": "good", "helpfulness": 4, "correctness": 1, "verbosity": 0}
    long = {"response": "long", "helpfulness": 2, "correctness": 4, "verbosity": 4}
    write_lines([{"prompt": "Hi?", **one} for one in (good, long)])

    pairs = table("name: m\nsources: [{name: m, files: [rows.jsonl]}]\n", tmp_path, "pairs")

    facts = ("chosen_rating", "rejected_rating", "rating_gap", "aspect_gap")
    assert pairs.select(facts).rows() == [(4.0, 2.0, 2.0, -5 / 3)]


def test_a_named_aspect_comes_before_published_merit(write_lines: Any, tmp_path: Path) -> None:
    good = {"response": "good", "helpfulness": 4, "correctness": 1, "verbosity": 0}
    long = {"response": "long", "helpfulness": 2, "correctness": 4, "verbosity": 4}
    write_lines([{"prompt": "Hi?", **one} for one in (good, long)])
    recipe = "name: m\nsources: [{name: m, files: [rows.jsonl]}]\npairs: {aspect: correctness}\n"

    pairs = table(recipe, tmp_path, "pairs")

    facts = ("chosen_rating", "rejected_rating", "rating_gap", "label_source")
    assert pairs.select(facts).rows() == [(4.0, 1.0, 3.0, "rating")]


@pytest.mark.parametrize("setting", ["aspect: saver", "aspects: {saver: 1}"])
def test_an_aspect_that_rows_could_name_and_do_not_ends_the_run(
    write_lines: Any, tmp_path: Path, setting: str
) -> None:
    said = {"text": "Q?", "a": "x", "b": "y", "s": 2, "t": 1}
    write_lines([said], "by_safer.jsonl")
    columns = {"prompt": "text", "responses": ["a", "b"], "ratings": [{"columns": ["s", "t"]}]}
    recipe = (
        "name: m\nsources: [{name: a, files: [by_safer.jsonl], format: columns, "
        f"path_fields: 'by_(?P<aspect>[a-z]+)', columns: {columns}}}]\n"
    )

    with pytest.raises(DataError, match=r"names `saver`.*the data have safer"):
        table(f"{recipe}pairs: {{{setting}}}\n", tmp_path, "pairs")


@pytest.mark.parametrize("setting", ["aspect: saver", "aspects: {saver: 1}"])
def test_a_misspelt_aspect_ends_the_run_and_one_of_another_shard_does_not(
    write_lines: Any, tmp_path: Path, setting: str
) -> None:
    stars = {"prompt": "Q?", "response_0": "x", "response_1": "y", "s0": 2, "s1": 1}
    write_lines([{**stars, "prompt": f"{number}?"} for number in range(4)], "a.jsonl")
    write_lines([{"prompt": "R?", "chosen": "x", "rejected": "y"}], "b.jsonl")
    columns = {
        "prompt": "prompt",
        "responses": ["response_0", "response_1"],
        "ratings": [{"columns": ["s0", "s1"], "aspect": "safer"}],
    }
    recipe = (
        "name: m\nshards: 16\nsources:\n  - {name: a, files: [a.jsonl], format: columns, "
        f"columns: {columns}}}\n  - {{name: b, files: [b.jsonl]}}\n"
    )

    with pytest.raises(
        RecipeError, match=r"no source has the aspect `saver`; they have overall, safer"
    ):
        table(f"{recipe}pairs: {{{setting}}}\n", tmp_path, "pairs")
    right = f"{recipe}pairs: {{{setting.replace('saver', 'safer')}}}\n"
    assert table(right, tmp_path, "pairs").height == 5


def test_only_labels_of_the_aspect_are_behind_the_ratings_of_a_pair(
    write_lines: Any, tmp_path: Path
) -> None:
    columns = {
        "prompt": "q",
        "responses": ["x", "y"],
        "ratings": [
            {"columns": ["h1", "h2"], "aspect": "help"},
            {"columns": ["l1", "l2"], "aspect": "length"},
        ],
    }
    write_lines([{"q": "Hi?", "x": "one", "y": "two", "h1": 4, "h2": 1, "l1": 0, "l2": 9}])
    recipe = (
        "name: made\nsources: [{name: made, files: [rows.jsonl], format: columns, "
        f"columns: {columns}}}]\npairs: {{aspect: help}}\n"
    )

    pairs = table(recipe, tmp_path, "pairs")

    assert pairs.select("rating_gap", "aspect_gap").rows() == [(3.0, 3.0)]


def test_what_is_not_used_is_counted_by_source(write_lines: Any, tmp_path: Path) -> None:
    write_lines(
        [
            {"instruction": "Hi?", "generations": ["x", "y", "z"], "ratings": [5, 4, 3]},
            {"instruction": "Yo?", "generations": ["x", "y"], "ratings": [5, None]},
        ],
        "a.jsonl",
    )
    write_lines([{"instruction": "Hi?", "generations": ["v", "w"], "ratings": [5, 5]}], "b.jsonl")
    recipe = "name: m\nsources: [{name: a, files: [a.jsonl]}, {name: b, files: [b.jsonl]}]\n"
    runtime = Runtime(root=str(tmp_path / "root"), data=str(tmp_path))
    plan = make_plan(parse_recipe(recipe), runtime)
    for step in plan.steps[: plan.steps.index(plan.step("pairs")) + 1]:
        for shard in step.shards:
            run_step(step, shard, runtime)

    manifest = load_manifest(Store(runtime.root), plan.step("pairs"), 0)

    assert manifest is not None
    assert manifest.notes["unused"] == {
        "a": {"no_partner": 1, "no_value": 1, "not_selected": 1},
        "b": {"tie": 2},
    }
    assert manifest.dropped == {"no_partner": 1, "no_value": 1, "not_selected": 1, "tie": 2}


@pytest.mark.parametrize(
    "rows",
    [
        [{"instruction": "Hi?", "generations": ["x", "y"], "ratings": [5, 4]}],
        [
            {"prompt": "Hi?", "response": "x", "helpfulness": 4, "correctness": 1},
            {"prompt": "Hi?", "response": "y", "helpfulness": 1, "correctness": 4},
        ],
        [{"prompt": "Hi?", "chosen": "x", "rejected": "y"}],
    ],
)
def test_a_row_that_stands_twice_is_a_duplicate_whatever_it_holds(
    write_lines: Any, tmp_path: Path, rows: list[dict[str, Any]]
) -> None:
    write_lines([*rows, *rows])

    pairs = table("name: m\nsources: [{name: m, files: [rows.jsonl]}]\n", tmp_path, "pairs")

    assert pairs.select("num_duplicates").rows() == [(1,)]


def test_the_run_remarks_on_repeats_same_files_and_weights_without_effect(
    write_lines: Any, tmp_path: Path
) -> None:
    write_lines([{"prompt": "Q?", "chosen": "x", "rejected": "y"}] * 3, "a.jsonl")
    write_lines([{"prompt": "R?", "chosen": "x", "rejected": "y"}], "b.jsonl")
    recipe = (
        "name: m\nshards: 3\nsources:\n  - {name: one, files: [a.jsonl]}\n"
        "  - {name: two, files: [a.jsonl], anonymous: several, priority: 1}\n"
        "  - {name: apart, files: [b.jsonl], weight: 2, priority: 1}\n"
    )
    runtime = Runtime(root=str(tmp_path / "root"), data=str(tmp_path))
    table(recipe, tmp_path, "pairs")

    step = make_plan(parse_recipe(recipe), runtime).step("label_audit")
    manifest = load_manifest(Store(runtime.root), step, None)

    assert manifest is not None
    assert manifest.notes["repeated_without_annotator"] == {"one": 2, "two": 2}
    assert [remark.partition(":")[0] for remark in manifest.notes["remarks"]] == [
        "sources `one` and `two` have the same file",
        "source `one`",
        "source `apart`",
    ]
    assert "2 of 3 labels have no annotator" in manifest.notes["remarks"][1]
    assert "`priority` and `weight` without effect" in manifest.notes["remarks"][2]
