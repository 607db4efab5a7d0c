"""Mapped columns, from the source file to the tables."""

from pathlib import Path
from typing import Any

import polars as pl

from tests.made import assistant, table
from tests.unit.test_map import BEST, CHOICE, FOUR, TWO

RECIPE = "name: made\nsources:\n  - {name: made, files: [rows.jsonl], format: columns, columns: "


def test_both_orders_of_a_pair_are_those_that_were_shown(write_lines: Any, tmp_path: Path) -> None:
    columns = {
        **CHOICE,
        "labels": [{"column": "w", "values": {"1": "a", "2": "b"}}],
        "shown_first": {"column": "first", "values": {"x": "a", "y": "b"}},
    }
    once = [{**TWO, "w": 1, "first": "x"}, {**TWO, "w": 1, "first": "y"}]
    twice = [{**row, "q": "R?", "first": "x"} for row in once]
    write_lines([*once, *twice])

    pairs = table(f"{RECIPE}{columns}}}\n", tmp_path, "pairs")

    assert sorted(pairs.select("votes_for", "both_orders").rows()) == [(1, False), (2, True)]


def test_the_best_of_several_makes_pairs_from_labels(write_lines: Any, tmp_path: Path) -> None:
    columns = {**BEST, "labels": [{"column": "w", "first": 1}]}
    write_lines([{**FOUR, "w": 3}])

    pairs = table(f"{RECIPE}{columns}}}\n", tmp_path, "pairs")
    responses = table(f"{RECIPE}{columns}}}\n", tmp_path, "responses")

    best = responses.filter(pl.col("messages") == [assistant("three")])["response_id"]
    assert pairs["label_source"].to_list() == ["label", "label"]
    assert pairs["chosen_id"].to_list() == [best[0], best[0]]
