"""Columns that a source keeps, in runs of a recipe."""

import csv
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from prefine.errors import DataError
from prefine.planning import make_plan, publish_plan, run_plan
from prefine.planning.dossier import dossier
from prefine.planning.look import read_table
from prefine.recipe import parse_recipe
from prefine.settings import Runtime
from tests.made import explicit
from tests.unit.test_kept import RECIPE, Write, rows


def ran(folder: Path, recipe: str = RECIPE) -> tuple[Any, Runtime, pl.DataFrame]:
    runtime = Runtime(root=str(folder / "root"), data=str(folder))
    plan = make_plan(parse_recipe(recipe), runtime)
    run_plan(plan, runtime)
    publish_plan(plan, runtime, str(folder / "out"))
    return plan, runtime, pl.read_parquet(str(folder / "out/data/*.parquet"))


def test_ids_and_kept_columns_are_equal_in_file_and_export(
    tmp_path: Path, write_lines: Write
) -> None:
    write_lines(rows())
    plan, runtime, exported = ran(tmp_path)

    columns = ["own_id", "topic", "quality", "sure", "year"]
    assert sorted(exported.select(columns).rows()) == [
        ("7", "trees", 0.75, True, 1999),
        ("8", "fish", 1.0, False, 2001),
    ]
    facts = read_table(plan, runtime, "facts")
    assert sorted(facts["own_id"].drop_nulls()) == ["7", "8", "x-9"]
    assert facts.filter(pl.col("own_id").is_null())["topic"].to_list() == ['["a","b"]']
    assert "own_id" in read_table(plan, runtime, "measure_lengths").columns
    assert dossier(plan, runtime, "x-9").decision["own_id"] == "x-9"


def test_explanations_name_what_is_the_users(tmp_path: Path, write_lines: Write) -> None:
    write_lines(rows())
    ran(tmp_path)

    with (tmp_path / "out/explanations.csv").open() as file:
        told = [(row["own_id"], row["topic"], row["verdict"]) for row in csv.DictReader(file)]

    assert sorted(told) == [("", '["a","b"]', "drop"), ("x-9", "", "drop")]


def test_a_value_of_another_type_is_null_and_counted(tmp_path: Path, write_lines: Write) -> None:
    found = rows()
    found[0]["year"] = "long ago"
    write_lines(found)
    recipe = RECIPE.replace("year: year", "year: {column: year, type: integer}")
    _, _, exported = ran(tmp_path, recipe)

    manifest = (tmp_path / "out/manifest.json").read_text()
    assert sorted(exported["year"].to_list(), key=str) == [2001, None]
    assert '"unfit year": 1' in manifest


def test_a_source_in_which_a_column_is_always_missing_does_not_make_it_a_text(
    tmp_path: Path, write_lines: Write
) -> None:
    write_lines(rows())
    write_lines([explicit("Z?", "yes", "no", q=None)], "other.jsonl")
    recipe = (
        "name: made\nsources:\n- {name: made, files: [rows.jsonl], id: uid, keep: {quality: q}}\n"
        "- {name: other, files: [other.jsonl], keep: {quality: q}}\n"
        "rules: [{name: good, column: quality, minimum: 0.5, missing: keep}]\n"
    )
    plan, _, exported = ran(tmp_path, recipe)

    assert plan.resolved.kept["quality"].type == "number"
    assert sorted(exported["quality"].to_list(), key=str) == [0.75, 1.0, None, None]


def test_rows_about_one_response_give_a_value_for_each_side(
    tmp_path: Path, write_lines: Write
) -> None:
    found = [
        {"prompt": "Q?", "completion": "yes", "label": True, "uid": "a", "speed": 3},
        {"prompt": "Q?", "completion": "no", "label": False, "uid": "b", "speed": 9},
    ]
    write_lines(found)
    source = "{name: made, files: [rows.jsonl], id: uid, keep: [speed]}"
    rule = "{name: faster, column: chosen_speed, maximum: 5}"
    _, _, exported = ran(tmp_path, f"name: made\nsources: [{source}]\nrules: [{rule}]")

    columns = ["own_id", "chosen_speed", "rejected_speed"]
    assert exported.select(columns).rows() == [("a+b", 3, 9)]


def test_a_column_of_rows_that_refer_to_others_is_one_of_pairs(
    tmp_path: Path, write_lines: Write
) -> None:
    root = {"message_id": "q", "parent_id": None, "role": "prompter", "text": "Q?", "rank": None}
    replies = [
        {"message_id": f"r{rank}", "parent_id": "q", "role": "assistant", "text": t, "rank": rank}
        for rank, t in enumerate(("yes", "no"))
    ]
    write_lines([row | {"topic": "trees"} for row in (root, *replies)])
    source = "{name: made, format: oasst_messages, files: [rows.jsonl], keep: [topic]}"
    plan, _, exported = ran(tmp_path, f"name: made\nsources: [{source}]")

    assert [column.name for column in plan.resolved.kept_columns] == ["topic"]
    assert exported["topic"].to_list() == ["trees"]


def test_a_column_of_which_no_row_was_read_is_one_of_pairs(
    tmp_path: Path, write_lines: Write
) -> None:
    unread = explicit("Q?", "yes", "no", context="of which nothing is known", topic="fish")
    write_lines([unread] * 1_000 + [explicit("Q?", "yes", "no", topic="trees")])
    source = "{name: made, files: [rows.jsonl], keep: [topic], max_quarantined: 1}"
    _, _, exported = ran(tmp_path, f"name: made\nsources: [{source}]")

    assert exported["topic"].to_list() == ["trees"]


def test_cells_of_a_csv_have_types(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(
        "prompt,chosen,rejected,code,score,ok\nQ1?,a,b,007,1.5,true\nQ2?,a,b,008,2,false\n"
    )
    source = "{name: made, files: [rows.csv], keep: [code, score, ok]}"
    _, _, exported = ran(tmp_path, f"name: made\nsources: [{source}]")

    assert sorted(exported.select("code", "score", "ok").rows()) == [
        ("007", 1.5, True),
        ("008", 2.0, False),
    ]


def test_a_source_in_quarantine_ends_the_run_with_the_reason(
    tmp_path: Path, write_lines: Write
) -> None:
    bad = [{"prompt": f"Q{n}?", "chosen": "a", "rejected": None, "uid": n} for n in range(3)]
    write_lines([*bad, {"prompt": "Q?", "chosen": "a", "rejected": "b", "uid": 3}])
    recipe = "name: made\nsources: [{name: made, files: [rows.jsonl], format: trl_explicit}]"

    with pytest.raises(
        DataError,
        match=r"3 of 4 rows are in quarantine \(response_missing 3\).*rows\.jsonl:1: "
        r"response_missing: `rejected` is missing or null; the row has the keys prompt, chosen",
    ):
        ran(tmp_path, recipe)
    assert ran(tmp_path, recipe.replace("}", ", max_quarantined: 0.75}"))[2].height == 1


def test_nothing_left_lists_every_reason(tmp_path: Path, write_lines: Write) -> None:
    write_lines([explicit("Q?", "same", "same"), {"prompt": [], "chosen": "a", "rejected": "b"}])
    recipe = "name: made\nsources: [{name: made, files: [rows.jsonl], format: trl_explicit}]"

    with pytest.raises(
        DataError,
        match=r"nothing is left to export of 1 pairs; pairs dropped: identical 1; "
        r"rows in quarantine: wrong_type 1",
    ):
        ran(tmp_path, recipe)


def test_labels_that_may_count_from_0_are_not_guessed(tmp_path: Path, write_lines: Write) -> None:
    row = {"instruction": "Tree?", "output_1": "oak", "output_2": "stone"}
    write_lines([{**row, "label": n % 2, "instruction": f"Tree {n}?"} for n in range(4)])
    recipe = "name: made\nsources: [{name: made, files: [rows.jsonl]}]"

    with pytest.raises(DataError, match=r"rows\.jsonl: the labels seem to be 0 and 1"):
        ran(tmp_path, recipe)

    write_lines([{**row, "label": 1 + n % 2, "instruction": f"Tree {n}?"} for n in range(4)])
    chosen = ran(tmp_path, recipe)[2]["chosen"].to_list()
    assert sorted(turns[0]["content"] for turns in chosen) == ["oak", "oak", "stone", "stone"]


def test_a_source_may_state_its_scale(tmp_path: Path, write_lines: Write) -> None:
    row = {"instruction": "Q?", "generations": ["a", "b"]}
    write_lines([{**row, "ratings": [5, 1]}, {**row, "instruction": "R?", "ratings": [99, 1]}])
    recipe = "name: made\nsources: [{name: made, files: [rows.jsonl], minimum: 1, maximum: 5}]"
    plan, runtime, exported = ran(tmp_path, recipe)

    assert exported.height == 1
    lost = read_table(plan, runtime, "quarantine").select("reason", "detail").rows()
    assert lost == [
        ("rating_out_of_range", "the rating 99 is outside the range from 1 to 5"),
    ]


def test_an_aspect_may_come_from_the_path(tmp_path: Path) -> None:
    for aspect, ratings in {"help": [5, 1], "harm": [1, 2]}.items():
        (tmp_path / aspect).mkdir()
        row = {"instruction": "Q?", "generations": ["a", "b"], "ratings": ratings}
        (tmp_path / aspect / "rows.jsonl").write_text(json.dumps(row) + "\n")
    source = "{name: made, files: ['*/rows.jsonl'], path_fields: '(?P<aspect>[a-z]+)/rows'}"
    recipe = f"name: made\nsources: [{source}]\npairs: {{aspect: harm}}"

    assert ran(tmp_path, recipe)[2]["chosen"].to_list() == [[{"role": "assistant", "content": "b"}]]
