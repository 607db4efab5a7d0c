"""Shards, card, manifest, publishing and verifying."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest

from prefine.errors import DataError, RecipeError
from prefine.export.settings import RESERVED
from prefine.export.verify import problems_of
from prefine.planning import publish_plan
from prefine.store import Store
from tests.made import assistant, explicit, run_recipe, turn, user

RECIPE = """
name: made
sources: [{name: made, files: [rows.jsonl]}]
measures: [{kind: lengths}]
"""
ROWS = [explicit(f"Question {n}?", "Yes, gladly." * (n + 1), "No.", subset="s") for n in range(10)]


def published(tmp_path: Path, recipe: str = RECIPE, name: str = "out") -> Path:
    plan, runtime = run_recipe(recipe, tmp_path)
    publish_plan(plan, runtime, str(tmp_path / name))
    return tmp_path / name


@pytest.fixture
def rows(write_lines: Any) -> Path:
    return write_lines(ROWS)


@pytest.mark.usefixtures("rows")
def test_layout_a_has_prompt_chosen_and_rejected_apart(tmp_path: Path) -> None:
    out = published(tmp_path)
    found = pl.read_parquet(out / "data" / "*.parquet").row(0, named=True)

    assert list(found)[:3] == ["prompt", "chosen", "rejected"]
    assert [message["role"] for message in found["prompt"]] == ["user"]
    assert [message["role"] for message in found["chosen"]] == ["assistant"]
    assert found["rejected"] == [assistant("No.")]


@pytest.mark.usefixtures("rows")
def test_layout_b_holds_the_prompt_in_both_sides(tmp_path: Path) -> None:
    out = published(tmp_path, f"{RECIPE}export: {{target: {{kind: trl, prompt: implicit}}}}\n")
    found = pl.read_parquet(out / "data" / "*.parquet").row(0, named=True)

    assert "prompt" not in found
    assert [m["role"] for m in found["chosen"]] == ["user", "assistant"]
    assert found["chosen"][:1] == found["rejected"][:1]


@pytest.mark.usefixtures("rows")
def test_shards_share_one_schema_and_have_no_empty_row_group(tmp_path: Path) -> None:
    out = published(tmp_path, f"{RECIPE}export: {{rows_per_shard: 3, test_ratio: 0.3}}\n")
    files = sorted((out / "data").iterdir())
    opened = [pq.ParquetFile(path) for path in files]

    names = [path.name for path in files if path.name.startswith("train")]
    assert names == [f"train-{i:05d}-of-{len(names):05d}.parquet" for i in range(len(names))]
    assert len(names) > 1
    assert len({file.schema_arrow for file in opened}) == 1
    for file in opened:
        groups = [file.metadata.row_group(i) for i in range(file.num_row_groups)]
        assert all(0 < group.num_rows <= 3 for group in groups)
        assert groups
        assert groups[0].column(0).compression == "ZSTD"
    assert sum(file.metadata.num_rows for file in opened) == 10
    assert not set(opened[0].schema_arrow.names) & (RESERVED - {"prompt", "chosen", "rejected"})


def test_a_flipped_pair_is_written_the_other_way_round(write_lines: Any, tmp_path: Path) -> None:
    write_lines([explicit("One?", "wrong", "right, and long enough")])
    rule = "rules: [{name: turn, column: chars_gap, flip_when: {maximum: -5}}]\n"

    out = published(tmp_path, RECIPE + rule)
    found = pl.read_parquet(out / "data" / "*.parquet").row(0, named=True)

    assert found["chosen"] == [assistant("right, and long enough")]
    assert found["is_flipped"]
    assert (found["chosen_chars"], found["rejected_chars"], found["chars_gap"]) == (22, 5, 17)


def test_nothing_left_to_export_is_one_sentence_with_the_reasons(
    write_lines: Any, tmp_path: Path
) -> None:
    write_lines([explicit("One?", "same", "same"), explicit("Two?", "", "no")])

    with pytest.raises(
        DataError, match=r"nothing is left .* 2 pairs; pairs dropped: empty 1, identical"
    ):
        published(tmp_path)


@pytest.mark.usefixtures("rows")
def test_the_manifest_adds_up_and_names_every_file(tmp_path: Path) -> None:
    rule = "rules: [{name: short, column: chosen_chars, minimum: 40}]\n"
    out = published(tmp_path, RECIPE + rule)
    manifest = json.loads((out / "manifest.json").read_text())

    assert manifest["dropped"] == {"short": 3}
    assert manifest["splits"] == {"train": 7}
    assert manifest["num_pairs"] == 10
    assert manifest["sources"][0]["rows_in"] == 10
    listed = {file["path"] for file in manifest["files"]} | {"manifest.json"}
    assert listed == {str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()}
    assert str(tmp_path) not in (out / "manifest.json").read_text()


@pytest.mark.usefixtures("rows")
def test_every_pair_that_fell_has_its_sentence(tmp_path: Path) -> None:
    rule = "rules: [{name: short, column: chosen_chars, minimum: 40}]\n"
    out = published(tmp_path, RECIPE + rule)
    told = pl.read_csv(out / "explanations.csv")

    assert told.height == 3
    assert set(told["explanation"].str.split(":").list.first()) == {"dropped by short"}


@pytest.mark.usefixtures("rows")
def test_datasets_loads_the_folder_by_its_card(tmp_path: Path) -> None:
    import datasets

    out = published(
        tmp_path, f"{RECIPE}export: {{rows_per_shard: 4, test_ratio: 0.3, license: mit}}\n"
    )
    found = datasets.load_dataset(str(out), cache_dir=str(tmp_path / "cache"))

    manifest = json.loads((out / "manifest.json").read_text())
    assert {name: len(split) for name, split in found.items()} == manifest["splits"]
    assert found["train"].features["prompt"].feature["role"].dtype == "string"


@pytest.mark.usefixtures("rows")
def test_a_published_set_verifies_and_any_change_is_told(tmp_path: Path) -> None:
    out = published(tmp_path)
    store = Store(str(out))
    assert problems_of(store) == []

    shard = next((out / "data").iterdir())
    body = bytearray(shard.read_bytes())
    body[len(body) // 2] ^= 1
    shard.write_bytes(body)
    (out / "README.md").unlink()

    told = problems_of(store)
    assert "README.md is missing" in told
    assert f"data/{shard.name} has changed since it was written" in told


def test_an_unfinished_folder_is_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no manifest\.json"):
        problems_of(Store(str(tmp_path)))


@pytest.mark.usefixtures("rows")
def test_publishing_again_removes_what_is_stale_and_nothing_else(tmp_path: Path) -> None:
    out = published(tmp_path, f"{RECIPE}export: {{rows_per_shard: 3}}\n")
    assert len(list((out / "data").iterdir())) == 4
    (out / "mine.txt").write_text("keep me")

    published(tmp_path, f"{RECIPE}export: {{rows_per_shard: 50}}\n")

    assert [path.name for path in (out / "data").iterdir()] == ["train-00000-of-00001.parquet"]
    assert (out / "mine.txt").exists()
    assert problems_of(Store(str(out))) == []


@pytest.mark.usefixtures("rows")
def test_a_folder_of_other_files_is_not_written_into(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("x")

    with pytest.raises(RecipeError, match="is not empty and was not written by prefine"):
        published(tmp_path)


@pytest.mark.usefixtures("rows")
def test_a_publishing_that_was_interrupted_is_finished_by_the_next(tmp_path: Path) -> None:
    out = published(tmp_path)
    (out / "manifest.json").rename(out / "manifest.json.unfinished")
    next((out / "data").iterdir()).unlink()

    published(tmp_path)

    assert problems_of(Store(str(out))) == []
    assert not (out / "manifest.json.unfinished").exists()


def test_system_turns_and_many_turns_survive_to_the_shard(write_lines: Any, tmp_path: Path) -> None:
    row = explicit("", "Yes.", "No.")
    row["prompt"] = [turn("system", "Be brief."), user("Hi"), assistant("Hello"), user("Well?")]
    write_lines([row])

    found = pl.read_parquet(published(tmp_path) / "data" / "*.parquet").row(0, named=True)

    assert found["prompt"] == row["prompt"]


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        ('{"tool": "other", "files": [{"path": "thesis.txt"}]}', "was not written by prefine"),
        ('{"prefine": "0", "files": [{"path": "../thesis.txt"}]}', "a file outside its folder"),
        ('{"prefine": "0", "files": [{"path": "/thesis.txt"}]}', "a file outside its folder"),
        ('{"prefine": "0", "fi', "is not valid JSON"),
    ],
)
def test_a_manifest_of_another_tool_costs_no_file(
    tmp_path: Path, manifest: str, message: str
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    for path in (out / "thesis.txt", tmp_path / "thesis.txt"):
        path.write_text("x")
    (out / "manifest.json").write_text(manifest)

    with pytest.raises(RecipeError, match=f"{message}.*choose another folder"):
        published(tmp_path)
    with pytest.raises(DataError, match=message):
        problems_of(Store(str(out)))

    assert (out / "thesis.txt").exists()
    assert (tmp_path / "thesis.txt").exists()


@pytest.mark.usefixtures("rows")
def test_a_shard_that_is_not_listed_is_told(tmp_path: Path) -> None:
    out = published(tmp_path)
    shard = next((out / "data").iterdir())
    (out / "data/train-00009-of-00010.parquet").write_bytes(shard.read_bytes())

    assert problems_of(Store(str(out))) == [
        "data/train-00009-of-00010.parquet is not in manifest.json, but readers would load it"
    ]


@pytest.mark.usefixtures("rows")
def test_the_published_recipe_runs_again_and_refuses_other_files(tmp_path: Path) -> None:
    out = published(tmp_path)
    recipe = (out / "recipe.yaml").read_text()

    again = published(tmp_path, recipe, "again")
    (tmp_path / "more.jsonl").write_text((tmp_path / "rows.jsonl").read_text() + "\n")

    assert (again / "manifest.json").read_bytes() == (out / "manifest.json").read_bytes()
    with pytest.raises(RecipeError, match="the files do not match `sha256`"):
        published(tmp_path, recipe.replace("rows.jsonl", "more.jsonl"), "third")


@pytest.mark.usefixtures("rows")
def test_equal_bytes_at_another_path_are_the_same_step_with_their_own_recipe(
    tmp_path: Path,
) -> None:
    first = published(tmp_path)
    (tmp_path / "rows.jsonl").rename(tmp_path / "moved.jsonl")

    second = published(tmp_path, RECIPE.replace("rows.jsonl", "moved.jsonl"), "second")

    assert "moved.jsonl" in (second / "recipe.yaml").read_text()
    assert problems_of(Store(str(second))) == []
    for path in (first / "data").iterdir():
        assert (second / "data" / path.name).read_bytes() == path.read_bytes()
