"""Plans that are run: what they write, and what is found again."""

import gzip
from pathlib import Path
from typing import Any

import pytest

from prefine.errors import RecipeError
from prefine.planning import make_plan, run_plan
from prefine.planning.look import last_plan, read_table
from prefine.recipe import parse_recipe
from prefine.settings import Runtime
from tests.made import run_recipe
from tests.unit.test_plan import RECIPE, ROWS


@pytest.fixture
def runtime(write_lines: Any, tmp_path: Path) -> Runtime:
    write_lines(ROWS)
    return Runtime(root=str(tmp_path / "root"), data=str(tmp_path))


def test_a_new_threshold_measures_nothing_again(runtime: Runtime) -> None:
    class Seen:
        def __init__(self) -> None:
            self.did: list[str] = []

        def start(self, step: Any, done: int) -> None: ...
        def advance(self, step: Any, manifest: Any) -> None:
            self.did.append(step.name)

        def expect(self, count: int) -> None: ...
        def done(self, count: int) -> None: ...

    first, second, third = Seen(), Seen(), Seen()
    run_plan(make_plan(parse_recipe(RECIPE), runtime), runtime, first)
    moved = RECIPE.replace("minimum: 3", "minimum: 4")
    run_plan(make_plan(parse_recipe(moved), runtime), runtime, second)
    run_plan(make_plan(parse_recipe(moved), runtime), runtime, third)

    assert first.did[:3] == ["ingest_made", "gather", "label_audit"]
    assert second.did == ["decide", "export"]
    assert third.did == []


def test_quarantined_rows_say_where_they_stood(runtime: Runtime, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(path.read_text() + '{"prompt": "cut\n' + '{"prompt": null}\n')
    plan, settings = run_recipe(RECIPE, tmp_path)

    found = read_table(plan, settings, "quarantine")

    assert found.select("file", "row", "reason").rows() == [
        ("rows.jsonl", 7, "not_json"),
        ("rows.jsonl", 8, "missing_value"),
    ]
    assert found["text"].to_list() == ['{"prompt": "cut', '{"prompt": null}']


def test_the_same_pairs_in_two_files_and_layouts_are_one(tmp_path: Path, write_lines: Any) -> None:
    write_lines(ROWS)
    lines = [
        {
            "chosen": f"\n\nHuman: Question {n}?\n\nAssistant: Yes {n}",
            "rejected": f"\n\nHuman: Question {n}?\n\nAssistant: No {n}",
        }
        for n in range(4)
    ]
    plain = write_lines(lines, "hh.jsonl").read_bytes()
    (tmp_path / "hh.jsonl.gz").write_bytes(gzip.compress(plain))
    recipe = RECIPE.replace(
        "[{name: made, files: [rows.jsonl]}]",
        "[{name: made, files: [rows.jsonl]}, {name: other, files: [hh.jsonl.gz]}]",
    )

    pairs = read_table(*run_recipe(recipe, tmp_path), "pairs")

    assert pairs.height == 6
    assert sorted(pairs["num_sources"]) == [1, 1, 2, 2, 2, 2]
    assert sorted(pairs["votes_for"]) == [1, 1, 2, 2, 2, 2]


def test_the_latest_run_below_a_root_is_found_by_name(runtime: Runtime, tmp_path: Path) -> None:
    run_recipe(RECIPE, tmp_path)
    run_recipe(RECIPE.replace("name: made\n", "name: second\n"), tmp_path)

    assert last_plan(runtime).recipe.name == "second"
    assert last_plan(runtime, "made").recipe.name == "made"
    with pytest.raises(RecipeError, match="no run of a recipe `third`"):
        last_plan(runtime, "third")


def test_a_run_of_another_version_is_one_sentence(runtime: Runtime, tmp_path: Path) -> None:
    plan, _ = run_recipe(RECIPE, tmp_path)
    (path,) = (Path(runtime.root) / "recipes").glob("*.yaml")
    path.write_text(path.read_text().replace("shards:", "shardss:"))

    with pytest.raises(RecipeError, match="was not written by this version of prefine"):
        last_plan(runtime, plan.recipe.name)


def test_several_processes_write_the_same_bytes(tmp_path: Path, write_lines: Any) -> None:
    for number in range(3):
        write_lines(ROWS[number * 2 : number * 2 + 2], f"rows{number}.jsonl")
    recipe = "shards: 3\n" + RECIPE.strip().replace("[rows.jsonl]", "['rows*.jsonl']")

    def parts(root: Path, workers: int) -> dict[str, bytes]:
        run_recipe(recipe, tmp_path, root=str(root), workers=workers)
        return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*.parquet")}

    assert parts(tmp_path / "one", 1) == parts(tmp_path / "two", 2)
