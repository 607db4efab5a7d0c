"""Pairs built in runs of a recipe."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from prefine.errors import DataError
from tests.made import table
from tests.unit.test_pair import RATED

COLUMNS = {
    "prompt": "prompt",
    "responses": ["a", "b"],
    "annotator": "who",
    "labels": [{"column": "win", "values": {"a": "a", "b": "b", "tie": "tie", "?": "invalid"}}],
}
RECIPE = (
    "name: made\nsources:\n  - {name: made, files: [rows.jsonl], format: columns, "
    f"columns: {COLUMNS}}}\n"
)


def vote(win: str, who: str, a: str = "A", b: str = "B", prompt: str = "Hi?") -> dict[str, str]:
    return {"prompt": prompt, "a": a, "b": b, "win": win, "who": who}


def pairs_of(write_lines: Any, tmp_path: Path, *votes: dict[str, str]) -> pl.DataFrame:
    write_lines(list(votes))
    return table(RECIPE, tmp_path, "pairs")


def test_the_majority_directs_a_pair_and_the_minority_is_kept_as_a_fact(
    write_lines: Any, tmp_path: Path
) -> None:
    pairs = pairs_of(
        write_lines,
        tmp_path,
        vote("a", "x"),
        vote("b", "y"),
        vote("b", "z", a="B", b="A"),
        vote("tie", "w"),
        vote("?", "v"),
    )

    row = pairs.row(0, named=True)
    assert pairs.height == 1
    assert (row["votes_for"], row["votes_against"], row["votes_tie"]) == (2, 1, 1)
    assert (row["votes_invalid"], row["num_votes"], row["num_annotators"]) == (1, 4, 5)
    assert (row["agreement"], row["disagreement"]) == (0.5, 0.25)
    assert row["is_contradiction"]
    assert row["both_orders"]
    assert not row["is_tie"]


def test_one_vote_each_way_is_a_tie_and_a_contradiction(write_lines: Any, tmp_path: Path) -> None:
    row = pairs_of(write_lines, tmp_path, vote("a", "x"), vote("b", "y")).row(0, named=True)

    assert row["is_tie"]
    assert row["is_contradiction"]


def test_a_label_that_names_no_side_leaves_a_pair_without_votes(
    write_lines: Any, tmp_path: Path
) -> None:
    row = pairs_of(write_lines, tmp_path, vote("?", "x")).row(0, named=True)

    assert (row["num_votes"], row["votes_invalid"], row["agreement"]) == (0, 1, None)


def test_a_repeated_label_is_one_vote_and_is_counted(write_lines: Any, tmp_path: Path) -> None:
    votes = [vote("a", "x"), vote("a", "x"), vote("a", "x"), vote("b", "y")]

    row = pairs_of(write_lines, tmp_path, *votes).row(0, named=True)

    assert (row["votes_for"], row["votes_against"], row["num_votes"]) == (1, 1, 2)
    assert (row["agreement"], row["is_tie"], row["num_duplicates"]) == (0.5, True, 2)


def test_identical_and_blank_sides_are_marked(write_lines: Any, tmp_path: Path) -> None:
    pairs = pairs_of(
        write_lines,
        tmp_path,
        vote("a", "x", a="same", b="same", prompt="1?"),
        vote("a", "x", a="text", b=" \n", prompt="2?"),
        vote("a", "x", prompt="3?"),
    )

    assert sorted(zip(pairs["is_identical"], pairs["num_empty"], strict=True)) == [
        (False, 0),
        (False, 1),
        (True, 0),
    ]


@pytest.mark.parametrize(
    ("other", "identical"),
    [
        ("\ufeffOak", True),
        ("Oak\u200b \u2060", True),
        ("\ufeff \nOak", True),
        ("O\u200bak", False),
        ("Oa\ufeffk", False),
    ],
)
def test_marks_without_width_around_a_text_are_no_difference(
    write_lines: Any, tmp_path: Path, other: str, identical: bool
) -> None:
    found = pairs_of(write_lines, tmp_path, vote("a", "x", a="Oak", b=other))

    assert found["is_identical"].to_list() == [identical]


def test_a_prompt_uses_the_first_kind_of_judgement_that_it_has(
    write_lines: Any, tmp_path: Path
) -> None:
    write_lines(
        [
            {"prompt": "2?", "all_generated_responses": ["x", "y"], "all_rm_scores": [1, 2]},
            {
                "prompt": "3?",
                "all_generated_responses": ["x", "y", "z"],
                "all_rm_scores": [1, 2, 3],
                "chosen": [{"role": "assistant", "content": "x"}],
                "rejected": [{"role": "assistant", "content": "z"}],
            },
        ]
    )
    recipe = "name: made\nsources: [{name: made, files: [rows.jsonl]}]\n"

    labelled = table(recipe, tmp_path, "pairs").sort("label_source")
    rated = table(f"{recipe}pairs: {{use: [rating]}}\n", tmp_path, "pairs")

    assert labelled["label_source"].to_list() == ["label", "rating"]
    assert labelled["rating_gap"].to_list() == [-2.0, 1.0]
    assert rated["rating_gap"].sort().to_list() == [1.0, 2.0]


def test_ratings_are_averaged_over_annotators_before_aspects(
    write_lines: Any, tmp_path: Path
) -> None:
    columns = {
        "prompt": "prompt",
        "responses": ["a", "b"],
        "ratings": [
            {"columns": ["x1", "y1"], "aspect": "help", "annotator": "one"},
            {"columns": ["x2", "y2"], "aspect": "help", "annotator": "two"},
            {"columns": ["x3", "y3"], "aspect": "truth", "annotator": "one"},
        ],
    }
    row = {"prompt": "?", "a": "A", "b": "B"}
    write_lines([{**row, "x1": 5, "x2": 3, "x3": 1, "y1": 2, "y2": 2, "y3": 3}])
    start = "name: made\nsources: [{name: made, files: [rows.jsonl], format: columns, "
    recipe = f"{start}columns: {columns}}}]\n"

    with pytest.raises(DataError, match=r"source made rates several aspects \(help, truth\)"):
        table(recipe, tmp_path, "pairs")
    weighed = table(f"{recipe}pairs: {{aspects: {{help: 1, truth: 3}}}}\n", tmp_path, "pairs")

    assert weighed.select("chosen_rating", "rejected_rating").rows() == [(2.75, 1.75)]


def test_a_ranking_gives_pairs_and_its_equals_none(write_lines: Any, tmp_path: Path) -> None:
    answers = [
        {"answer": "one", "model": "m1", "rank": 1},
        {"answer": "two", "model": "m2", "rank": 2},
        {"answer": "also two", "model": "m3", "rank": 2},
    ]
    write_lines([{"prompt": "\n\nHuman: Hi\n\nAssistant: ", "answers": answers}])
    recipe = "name: made\nsources: [{name: made, files: [rows.jsonl]}]\npairs: {select: all}\n"

    pairs = table(recipe, tmp_path, "pairs")

    assert pairs["label_source"].to_list() == ["rank", "rank"]
    assert pairs["strength"].to_list() == [1.0, 1.0]


def test_an_aspect_of_negative_weight_counts_against_a_response(
    write_lines: Any, tmp_path: Path
) -> None:
    short = {"response": "short", "helpfulness": 4, "correctness": 1, "verbosity": 0}
    long = {"response": "long", "helpfulness": 4, "correctness": 1, "verbosity": 3}
    write_lines([{"prompt": "Hi?", **row} for row in (short, long)])

    pairs = table(RATED, tmp_path, "pairs")

    facts = ("chosen_rating", "rejected_rating", "rating_gap")
    assert pairs.select(*facts).rows() == [(4 / 3, -2 / 3, 2.0)]
