"""Layouts, from the source file to the tables."""

import csv
import json
from pathlib import Path
from typing import Any

from tests.made import table
from tests.published import CA, PUBLISHED


def test_messages_of_a_tree_are_joined_over_files_and_every_row_is_accounted_for(
    write_lines: Any, tmp_path: Path
) -> None:
    [entry] = [one for one in PUBLISHED if one.format == "oasst_messages"]
    lonely = {"message_id": "p9", "parent_id": None, "text": "Alone?", "role": "prompter"}
    write_lines(entry.rows[:3], "first.jsonl")
    write_lines([*entry.rows[3:], {**lonely, "rank": None}, "not JSON"], "second.jsonl")
    recipe = "name: made\nsources: [{name: made, files: ['*.jsonl']}]\n"

    pairs = table(recipe, tmp_path, "pairs")
    responses = table(recipe, tmp_path, "responses")
    quarantine = table(recipe, tmp_path, "quarantine")

    said = dict(zip(responses["response_id"], responses["messages"].to_list(), strict=True))
    chosen = [said[name][0]["content"] for name in pairs["chosen_id"]]
    assert sorted(chosen) == ["Ash.", "Oak."]
    # of seven messages two are prompts and four their replies; one reply was deleted
    assert sorted(quarantine["reason"]) == ["label_missing", "label_missing", "not_json"]


def test_messages_of_a_csv_are_the_same_tree(tmp_path: Path) -> None:
    [entry] = [one for one in PUBLISHED if one.format == "oasst_messages"]
    names = dict.fromkeys(name for row in entry.rows for name in row)
    rows = [
        {name: "" if (value := row.get(name)) is None else str(value) for name in names}
        for row in entry.rows
    ]
    assert {row["deleted"] for row in rows} == {"False", "True"}
    with (tmp_path / "rows.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(names))
        writer.writeheader()
        writer.writerows(rows)
    recipe = "name: made\nsources: [{name: made, files: [rows.csv]}]\n"

    assert table(recipe, tmp_path, "pairs").height == 2
    assert table(recipe, tmp_path, "quarantine")["reason"].to_list() == ["label_missing"]


def test_attributes_of_annotators_are_kept_by_judgement(write_lines: Any, tmp_path: Path) -> None:
    other = {**CA, "annotator_id": "u2", "annotator_age": "60+"}
    write_lines([CA, {**other, "first_turn_preferred_response": "response_c"}])
    recipe = (
        "name: made\nsources: [{name: made, files: [rows.jsonl], id: conversation_id, "
        "keep: [annotator_age]}]\n"
    )

    judgements = table(recipe, tmp_path, "judgements")

    kept = {json.loads(text)["annotator_age"] for text in judgements["kept"]}
    by_annotator = judgements.select("annotator", "kept").unique()
    assert kept == {"18-24", "60+"}
    assert by_annotator.height == 2
    assert set(judgements["own_id"]) == {"c1"}
