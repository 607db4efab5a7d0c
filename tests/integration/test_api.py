"""The Python API on a small recipe: every result from disk, as a user of a notebook sees it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

import prefine
from prefine.errors import DataError, RecipeError

ROWS = [
    {"uid": "a", "prompt": "Name a fruit.", "chosen": "An apple is one.", "rejected": "No."},
    {"uid": "b", "prompt": "Name a tree.", "chosen": "Oak.", "rejected": "The oak is a tree."},
    {"uid": "c", "prompt": "Name a bird.", "chosen": "The robin.", "rejected": "The robin."},
    {"uid": "d", "prompt": "Name a fish.", "chosen": "The trout is one.", "rejected": "A cat?"},
]
RECIPE: dict[str, Any] = {
    "name": "small",
    "sources": [{"name": "mine", "files": ["rows.jsonl"], "id": "uid"}],
    "measures": [{"kind": "lengths"}],
    "rules": [
        {"name": "shorter", "column": "chosen_chars", "flip_when": {"maximum": 4}},
        {"name": "short_rejected", "column": "rejected_chars", "minimum": 4},
    ],
    "export": {"test_ratio": 0},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("api")
    lines = [*map(json.dumps, ROWS), "{not json"]
    (path / "rows.jsonl").write_text("".join(f"{line}\n" for line in lines))
    (path / "recipe.yaml").write_text(yaml.safe_dump(RECIPE))
    return path


@pytest.fixture(scope="module")
def ran(folder: Path) -> prefine.Run:
    return prefine.run(folder / "recipe.yaml", output=folder / "out", root=folder / "root")


def verdicts(frame: pl.DataFrame) -> dict[str, str]:
    return dict(zip(frame["own_id"], frame["verdict"], strict=True))


def test_decisions_are_a_frame(ran: prefine.Run) -> None:
    assert verdicts(ran.decisions) == {"a": "drop", "b": "flip", "c": "drop", "d": "keep"}
    assert set(ran.tables) >= {"pairs", "facts", "decisions", "quarantine", "measure_lengths"}
    assert ran.table("measure_lengths").height == 4


def test_facts_have_what_was_measured(ran: prefine.Run) -> None:
    by_id = ran.facts.filter(pl.col("own_id") == "b").row(0, named=True)

    assert (by_id["chosen_chars"], by_id["rejected_chars"]) == (4, 18)


def test_counts_add_up(ran: prefine.Run) -> None:
    counts = ran.counts

    assert (counts.rows, counts.quarantined, counts.labels, counts.pairs) == (5, 1, 4, 4)
    assert (counts.kept, counts.flipped, counts.dropped, counts.held) == (2, 1, 2, 0)
    assert counts.splits == {"train": 2}
    assert {r["rule"]: r["dropped"] for r in counts.rules}["short_rejected"] == 1
    assert counts.sources[0]["name"] == "mine"


def test_pairs_are_filtered_and_have_their_texts(ran: prefine.Run) -> None:
    flipped = ran.pairs(verdict="flip").row(0, named=True)

    assert (flipped["own_id"], flipped["rule"]) == ("b", "shorter")
    assert [flipped[side][0]["content"] for side in ("prompt", "chosen", "rejected")] == [
        "Name a tree.",
        "Oak.",
        "The oak is a tree.",
    ]
    assert verdicts(ran.pairs(rule="short_rejected")) == {"a": "drop"}
    assert "prompt" not in ran.pairs(texts=False).columns
    assert ran.pairs().height == 4


def test_unknown_names_are_errors(ran: prefine.Run) -> None:
    with pytest.raises(RecipeError, match="no verdict `kept`; the verdicts are: keep, drop"):
        ran.pairs(verdict="kept")  # pyright: ignore[reportArgumentType]
    with pytest.raises(RecipeError, match=r"no rule `nosuch`; its rules are: .*short_rejected"):
        ran.pairs(rule="nosuch")
    with pytest.raises(RecipeError, match="no table `nosuch`"):
        ran.table("nosuch")
    with pytest.raises(RecipeError, match="no split `test`; the splits are: train"):
        ran.dataset("test")


def test_quarantine_keeps_the_row(ran: prefine.Run) -> None:
    (row,) = ran.quarantine.iter_rows(named=True)

    assert (row["reason"], row["row"], row["text"]) == ("not_json", 5, "{not json")


def test_a_pair_is_explained_by_either_id(ran: prefine.Run) -> None:
    own = ran.explain("a")

    assert own.decision["rule"] == "short_rejected"
    assert own.rejected[0]["content"] == "No."
    assert ran.explain(own.pair["pair_id"]).pair == own.pair
    with pytest.raises(DataError, match="nosuch"):
        ran.explain("nosuch")


def test_the_data_set_is_what_trainers_read(ran: prefine.Run) -> None:
    rows = ran.dataset()

    assert ran.manifest["splits"] == {"train": rows.height}
    chosen = sorted(messages[0]["content"] for messages in rows["chosen"].to_list())
    assert chosen == ["The oak is a tree.", "The trout is one."]


def test_a_recipe_may_be_a_path_a_mapping_text_or_loaded(folder: Path) -> None:
    text = yaml.safe_dump(RECIPE)
    forms = [str(folder / "recipe.yaml"), RECIPE, text, prefine.load_recipe(text)]

    loaded = [prefine.load_recipe(form) for form in forms]

    assert all(recipe == loaded[0] for recipe in loaded)


def test_without_an_output_nothing_is_exported(folder: Path) -> None:
    decided = prefine.run(RECIPE, root=folder / "root", data=folder)

    assert (decided.counts.kept, decided.counts.flipped) == (2, 1)
    with pytest.raises(RecipeError, match="exported nothing"):
        _ = decided.manifest


def test_the_plan_says_what_is_done(ran: prefine.Run, folder: Path, tmp_path: Path) -> None:
    done = prefine.plan(folder / "recipe.yaml", root=folder / "root")
    new = prefine.plan(folder / "recipe.yaml", root=tmp_path)

    assert (done.steps["done"] == done.steps["shards"]).all()
    assert new.steps["done"].sum() == 0
    assert done.steps["step"].to_list()[0] == "ingest_mine"
    assert yaml.safe_load(done.resolved)["recipe"]["name"] == "small"
    assert done.recipe.name == "small"


def test_a_run_is_opened_again(ran: prefine.Run, folder: Path) -> None:
    opened = prefine.open_run(folder / "root")

    assert opened.decisions.equals(ran.decisions)
    with pytest.raises(RecipeError, match="other"):
        prefine.open_run(folder / "root", recipe="other")


def test_a_file_is_recognised(folder: Path) -> None:
    assert prefine.detect(folder / "rows.jsonl").format == "trl_explicit"


def test_an_unknown_setting_of_the_runtime_is_an_error(folder: Path) -> None:
    with pytest.raises(RecipeError, match="worker"):
        prefine.run(RECIPE, root=folder / "root", data=folder, worker=2)


def test_a_run_prints_nothing(folder: Path, tmp_path: Path) -> None:
    script = f"import prefine; prefine.run({str(folder / 'recipe.yaml')!r}, root={str(tmp_path)!r})"

    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)

    assert (done.stdout, done.stderr) == (b"", b"")


def test_a_run_stays_readable_when_the_current_folder_changes(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    loaded = prefine.load_recipe("recipe.yaml")
    ran = prefine.run("recipe.yaml", root="here", output="there")
    monkeypatch.chdir(tmp_path)

    assert ran.decisions.height == 4
    assert ran.dataset().height == 2
    assert prefine.run(loaded, root=folder / "here").counts.pairs == 4


def test_a_run_without_an_export_is_opened_again(folder: Path, tmp_path: Path) -> None:
    decided = prefine.run(RECIPE, root=tmp_path, data=folder)

    assert prefine.open_run(tmp_path).counts == decided.counts


@pytest.mark.parametrize("settings", [{"root": None}, {"output": 3}, {"servers": {"rm": 3}}])
def test_arguments_of_a_wrong_type_are_errors(folder: Path, settings: dict[str, Any]) -> None:
    arguments = {"root": folder / "root", "data": folder, **settings}
    with pytest.raises(RecipeError, match=next(iter(settings))):
        prefine.run(RECIPE, **arguments)


def test_a_whole_own_id_wins_over_the_beginning_of_a_pair_id(
    ran: prefine.Run, folder: Path, tmp_path: Path
) -> None:
    first, *_, last = ran.facts["pair_id"].to_list()
    own = ran.facts["own_id"].to_list()[0]
    rows = [{**row, "uid": last[:3]} if row["uid"] == own else row for row in ROWS]
    (tmp_path / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))

    again = prefine.run(RECIPE, root=tmp_path / "root", data=tmp_path)

    assert again.explain(last[:3]).pair["pair_id"] == first
    assert again.explain(last[:4]).pair["pair_id"] == last
    with pytest.raises(DataError, match="has the id ``"):
        again.explain("")


def test_the_data_set_of_another_run_is_not_taken_for_this_one(
    folder: Path, tmp_path: Path
) -> None:
    places = {"output": tmp_path / "out", "root": tmp_path / "root", "data": folder}
    first = prefine.run(RECIPE, **places)
    other = prefine.run({**RECIPE, "rules": []}, **places)

    assert other.manifest["num_flipped"] == 0
    with pytest.raises(DataError, match="has the data set of another run"):
        _ = first.manifest
    with pytest.raises(DataError, match="has the data set of another run"):
        first.dataset()
    (tmp_path / "out/manifest.json").unlink()
    with pytest.raises(DataError, match=r"has no manifest\.json"):
        _ = other.manifest
