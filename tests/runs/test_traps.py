"""Rows that are easily misread, from the source file to the tables."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from prefine.errors import DataError
from tests.made import (
    assistant,
    explicit,
    run_recipe,
    table,
    turns_of,
)
from tests.unit.test_formats import ROWS
from tests.unit.test_traps import SAFE, SAFE_ROW

RECIPE = "name: made\nsources:\n  - {name: made, files: [rows.jsonl], format: columns, columns: "


def test_a_source_with_two_questions_must_be_told_which_one_decides(
    write_lines: Any, tmp_path: Path
) -> None:
    write_lines([SAFE_ROW])
    recipe = f"{RECIPE}{SAFE}}}\n"

    with pytest.raises(
        DataError, match=r"source made labels pairs by several aspects \(better, safer\)"
    ):
        table(recipe, tmp_path, "pairs")

    pairs = table(f"{recipe}pairs: {{aspect: safer}}\n", tmp_path, "pairs")
    responses = table(f"{recipe}pairs: {{aspect: safer}}\n", tmp_path, "responses")
    chosen = responses.filter(pl.col("response_id") == pairs["chosen_id"][0])
    assert turns_of(chosen) == [[assistant("I'd rather not.")]]


def test_placeholder_scores_are_refused_where_a_rule_would_filter_on_them(
    write_lines: Any, tmp_path: Path
) -> None:
    write_lines(
        [
            explicit(f"Question {n}?", f"Yes {n}", f"No {n}", score_chosen=10, score_rejected=1)
            for n in range(60)
        ]
    )
    recipe = (
        "name: made\nsources: [{name: made, files: [rows.jsonl]}]\n"
        "rules: [{column: rating_gap, minimum: 1}]\n"
    )

    with pytest.raises(DataError, match="is 9 for all 60 tested pairs of source made"):
        table(recipe, tmp_path, "decisions")


def test_equal_samples_are_one_response_and_no_pair(write_lines: Any, tmp_path: Path) -> None:
    write_lines(
        [{"prompt": "2+2?", "all_generated_responses": ["4", "4"], "all_rm_scores": [2, 1]}]
    )
    recipe = "name: made\nsources: [{name: made, files: [rows.jsonl]}]\n"

    assert table(recipe, tmp_path, "responses").height == 1
    assert table(recipe, tmp_path, "pairs").height == 0


def test_many_pairs_of_one_prompt_never_straddle_the_split(
    write_lines: Any, tmp_path: Path
) -> None:
    answers = [{"answer": f"Answer {n}", "model": f"m{n}", "rank": n} for n in range(1, 8)]
    write_lines(
        [
            {"prompt": f"\n\nHuman: Question {n}?\n\nAssistant: ", "answers": answers}
            for n in range(30)
        ]
    )
    recipe = (
        "name: made\nsources: [{name: made, files: [rows.jsonl]}]\npairs: {select: all}\n"
        "export: {test_ratio: 0.4}\n"
    )
    run_recipe(recipe, tmp_path)
    folder = next((tmp_path / "root").glob("export-*/data"))
    splits = {
        name: set(pl.read_parquet(folder / f"{name}-00000-of-00001.parquet")["prompt_id"])
        for name in ("train", "test")
    }

    assert len(splits["train"]) + len(splits["test"]) == 30
    assert not splits["train"] & splits["test"]
    assert pl.read_parquet(folder / "*.parquet").height == 30 * 21


def test_scores_of_two_scales_are_not_mixed(write_lines: Any, tmp_path: Path) -> None:
    """A response rated 9 of 10 on one aspect does not beat one rated 5 of 5 on another."""
    columns = {
        "prompt": "prompt",
        "responses": ["a", "b"],
        "ratings": [
            {"columns": ["stars_a", "stars_b"], "aspect": "stars"},
            {"columns": ["points_a", "points_b"], "aspect": "points"},
        ],
    }
    row = {"prompt": "Hi?", "a": "A", "b": "B", "stars_a": 5, "stars_b": 4}
    write_lines([{**row, "points_a": None, "points_b": 9}])
    recipe = f"{RECIPE}{columns}}}\npairs: {{aspects: {{stars: 1, points: 1}}}}\n"
    pairs = table(recipe, tmp_path, "pairs")
    responses = table(recipe, tmp_path, "responses")
    chosen = responses.filter(pl.col("response_id") == pairs["chosen_id"][0])

    with pytest.raises(DataError, match=r"rates several aspects \(points, stars\)"):
        table(f"{RECIPE}{columns}}}\n", tmp_path, "pairs")
    assert turns_of(chosen) == [[assistant("A")]]
    assert pairs["rating_gap"].to_list() == [1.0]


def test_ratings_of_two_sources_are_two_lists(write_lines: Any, tmp_path: Path) -> None:
    """A reward model's 7.0 does not beat a judge's 5 of 5; each source makes pairs of its own."""
    stars = {"instruction": "Hi?", "generations": ["best", "good"], "ratings": [5, 4]}
    scores = {"instruction": "Hi?", "generations": ["poor", "worse"], "ratings": [7.0, 6.0]}
    write_lines([stars], "stars.jsonl")
    write_lines([scores], "scores.jsonl")
    recipe = (
        "name: made\nsources:\n  - {name: stars, files: [stars.jsonl]}\n"
        "  - {name: scores, files: [scores.jsonl]}\n"
    )

    pairs = table(recipe, tmp_path, "pairs").sort("source")

    assert pairs.select("source", "chosen_rating", "rejected_rating", "rating_gap").rows() == [
        ("scores", 7.0, 6.0, 1.0),
        ("stars", 5.0, 4.0, 1.0),
    ]


def test_context_that_differs_is_a_fact_of_rated_pairs_too(
    write_lines: Any, tmp_path: Path
) -> None:
    write_lines([ROWS["ultrafeedback"]])

    recipe = "name: m\nsources: [{name: m, files: [rows.jsonl]}]\n"

    pairs = table(f"{recipe}pairs: {{aspects: {{helpfulness: 1}}}}\n", tmp_path, "pairs")

    assert pairs["context_mismatch"].to_list() == [True]


def test_votes_of_two_groups_of_annotators_are_all_counted(
    write_lines: Any, tmp_path: Path
) -> None:
    values = {"A": "a", "B": "b"}
    columns = {
        "prompt": "text",
        "responses": ["a", "b"],
        "labels": [
            {"column": "normal[].pref", "values": values},
            {"column": "expert[].pref", "values": values},
        ],
    }
    votes = {"normal": [{"pref": "A"}, {"pref": "A"}], "expert": [{"pref": "A"}, {"pref": "B"}]}
    write_lines([{"text": "Hi", "a": "Hello", "b": "Yo", **votes}])

    pairs = table(f"{RECIPE}{columns}}}\n", tmp_path, "pairs")

    facts = ("votes_for", "votes_against", "num_annotators", "num_duplicates")
    assert pairs.select(*facts).rows() == [(3, 1, 4, 0)]


def test_rankings_of_several_annotators_stay_apart(write_lines: Any, tmp_path: Path) -> None:
    columns = {
        "prompt": "text",
        "responses": ["a", "b"],
        "ranking": [{"column": "said[].order", "candidates": ["A", "B"]}],
    }
    orders = [{"order": "A>B"}, {"order": "A>B"}, {"order": "B>A"}]
    write_lines([{"text": "Hi", "a": "Hello", "b": "Yo", "said": orders}])

    pairs = table(f"{RECIPE}{columns}}}\n", tmp_path, "pairs")

    facts = ("votes_for", "votes_against", "num_annotators", "num_duplicates", "both_orders")
    assert pairs.select(*facts, "is_contradiction").rows() == [(2, 1, 3, 0, False, True)]
