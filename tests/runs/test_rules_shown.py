"""Decisions of a run where they are shown: the table, the dossier of a pair, the file."""

import csv
from pathlib import Path
from typing import Any

from prefine.planning import make_plan, publish_plan, run_plan
from prefine.planning.dossier import dossier
from prefine.planning.look import read_table
from prefine.recipe import parse_recipe
from prefine.schema import hash_unit
from prefine.settings import Runtime

RECIPE = """
name: made
seed: 4
shards: 2
sources:
  - {name: s, files: [rows.jsonl], format: columns, id: id,
     columns: {prompt: p, chosen: c, rejected: r}}
measures: [{kind: lengths}]
rules:
  - {name: turn, column: chars_gap, flip_when: {minimum: 1}}
  - {name: back, column: chars_gap, flip_when: {maximum: -3}}
  - {name: few, cap: 1, per: chosen_id}
"""
ROWS = [
    {"id": "back", "p": "q", "c": "AAAA", "r": "B"},
    {"id": "turn", "p": "z", "c": "AAA", "r": "D"},
    {"id": "few", "p": "z", "c": "AA", "r": "D"},
    {"id": "kept", "p": "z", "c": "A", "r": "EEE"},
]
BACK = "kept: passed all 7 rules; flipped by turn, flipped back by back"


def test_a_run_shows_every_flip(write_lines: Any, tmp_path: Path) -> None:
    write_lines(ROWS)
    runtime = Runtime(root=str(tmp_path / "root"), data=str(tmp_path))
    plan = make_plan(parse_recipe(RECIPE), runtime)
    run_plan(plan, runtime)
    publish_plan(plan, runtime, str(tmp_path / "out"))

    decisions = read_table(plan, runtime, "decisions")
    facts = read_table(plan, runtime, "facts")
    with (tmp_path / "out" / "explanations.csv").open() as file:
        lines = {line["own_id"]: line["explanation"] for line in csv.DictReader(file)}

    shown = dict(decisions.select("own_id", "explanation").iter_rows())
    [dropped] = {"turn", "few"} - {
        name for name, text in shown.items() if "flipped by t" in text[:12]
    }
    assert shown["back"] == BACK == dossier(plan, runtime, "back").decision["explanation"]
    assert shown["kept"] == "kept: passed all 7 rules"
    assert shown[dropped] == (
        "dropped by few: number 2 of its chosen_id, where 1 is kept; previously flipped by turn"
    )
    assert lines == {name: shown[name] for name in ("turn", "few")}
    assert decisions["pair_id"].to_list() == facts["pair_id"].to_list()
    drawn = [hash_unit(4, "order", pair) for pair in facts["pair_id"]]
    assert decisions["order"].to_list() == facts["order"].to_list() == drawn
