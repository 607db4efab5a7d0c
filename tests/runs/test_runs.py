"""Records of runs: what was run below a root, how it ended, and how a run is found again."""

import json
import shutil
import socket
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from prefine.errors import IntegrityError, RecipeError
from prefine.planning import (
    Plan,
    find_run,
    list_runs,
    make_plan,
    plan_of,
    record_run,
    run_plan,
    verdict_counts,
)
from prefine.recipe import parse_recipe
from prefine.settings import Runtime
from tests.command import prefine
from tests.made import explicit

RECIPE = """
name: made
sources: [{name: made, files: [rows.jsonl]}]
"""


@pytest.fixture
def runtime(write_lines: Any, tmp_path: Path) -> Runtime:
    write_lines([explicit(f"{n}?", f"Yes {n}", f"No {n}") for n in range(3)])
    return Runtime(root=str(tmp_path / "root"), data=str(tmp_path))


def planned(runtime: Runtime, name: str = "made") -> Plan:
    return make_plan(parse_recipe(RECIPE.replace("name: made\ns", f"name: {name}\ns")), runtime)


def record(plan: Plan, runtime: Runtime, **more: Any) -> str:
    with record_run(plan, runtime, **more) as recording:
        pass
    return recording.record.id


def stored(runtime: Runtime, run_id: str) -> dict[str, Any]:
    return json.loads((Path(runtime.root) / "runs" / f"{run_id}.json").read_text())


def rewrite(runtime: Runtime, run_id: str, **values: Any) -> None:
    path = Path(runtime.root) / "runs" / f"{run_id}.json"
    path.write_text(json.dumps(stored(runtime, run_id) | values))


def test_a_finished_run_has_its_times_plan_and_counts(runtime: Runtime) -> None:
    plan = planned(runtime)
    before = datetime.now(UTC)
    with record_run(plan, runtime, command="run", output="out") as recording:
        recording.num_computed = 4
        recording.counts = {"pairs": 3, "keep": 3}
        (running,) = list_runs(runtime)
    (run,) = list_runs(runtime)

    assert (running.status, running.finished) == ("running", None)
    assert (run.status, run.error, run.command, run.output) == ("finished", None, "run", "out")
    assert before <= run.started <= (run.finished or before) <= datetime.now(UTC)
    assert run.fingerprint == plan.dataset.fingerprint
    assert (run.num_computed, run.counts) == (4, {"pairs": 3, "keep": 3})
    assert run.num_shards == sum(len(step.shards) for step in plan.steps)


@pytest.mark.parametrize(
    ("error", "status", "name"),
    [
        (RecipeError("no"), "failed", "RecipeError"),
        (KeyboardInterrupt(), "interrupted", None),
        (SystemExit(143), "interrupted", None),
    ],
)
def test_a_run_that_does_not_finish_says_how_it_ended(
    runtime: Runtime, error: BaseException, status: str, name: str | None
) -> None:
    with pytest.raises(type(error)), record_run(planned(runtime), runtime):
        raise error
    (run,) = list_runs(runtime)

    assert (run.status, run.error) == (status, name)
    assert run.finished is not None


def test_a_run_whose_process_was_killed_is_interrupted(runtime: Runtime) -> None:
    run_id = record(planned(runtime), runtime)
    ended = subprocess.Popen(["true"])
    ended.wait()
    rewrite(runtime, run_id, status="running", pid=ended.pid)
    assert list_runs(runtime)[0].status == "interrupted"

    rewrite(runtime, run_id, host=f"not-{socket.gethostname()}")
    assert list_runs(runtime)[0].status == "running", "only its own machine can know"


def test_runs_are_numbered_by_recipe_and_the_latest_is_first(runtime: Runtime) -> None:
    ids = [record(planned(runtime, name), runtime) for name in ("made", "other", "made")]

    assert [one.rsplit("-", 1)[0] for one in ids] == ["made-1", "other-1", "made-2"]
    assert [one.id for one in list_runs(runtime)] == ids[::-1]
    assert find_run(runtime).id == ids[2]
    assert find_run(runtime, recipe="other").id == ids[1]


def test_the_latest_run_comes_from_the_record_and_not_from_the_time_of_a_file(
    runtime: Runtime, tmp_path: Path
) -> None:
    ids = [record(planned(runtime, name), runtime) for name in ("made", "other")]
    (path,) = (tmp_path / "root" / "recipes").glob("made-*.yaml")
    path.touch()
    rewrite(runtime, ids[0])
    shutil.copytree(tmp_path / "root", tmp_path / "copy", copy_function=shutil.copyfile)

    for root in (runtime, Runtime(root=str(tmp_path / "copy"), data=str(tmp_path))):
        assert plan_of(find_run(root), root).recipe.name == "other"


def test_runs_that_start_at_once_do_not_replace_each_other(runtime: Runtime) -> None:
    first = planned(runtime)
    with record_run(first, runtime) as one:
        path = Path(runtime.root) / "runs" / f"{one.record.id}.json"
        path.rename(path.with_suffix(".hidden"))
        with record_run(first, runtime) as two:
            pass
        path.with_suffix(".hidden").rename(path)

    assert (one.record.number, two.record.number) == (1, 1)
    assert {run.id for run in list_runs(runtime)} == {one.record.id, two.record.id}


def test_the_beginning_of_an_id_is_enough(runtime: Runtime) -> None:
    ids = [record(planned(runtime), runtime) for _ in range(10)]

    assert find_run(runtime, ids[3]).id == ids[3]
    assert find_run(runtime, ids[3][:-3]).id == ids[3]
    assert find_run(runtime, "made-1").id == ids[0], "and not made-10"
    assert find_run(runtime, "made-10").id == ids[9]
    with pytest.raises(RecipeError, match=f"several runs begin with `mad`: {ids[9]}, {ids[8]}"):
        find_run(runtime, "mad")
    with pytest.raises(RecipeError, match=f"no run `made-11` below .*; the runs are: {ids[9]}"):
        find_run(runtime, "made-11")


def test_no_run_at_all_is_an_error(runtime: Runtime) -> None:
    assert list_runs(runtime) == []
    with pytest.raises(RecipeError, match="there is no run below"):
        find_run(runtime, "made-1")


def test_a_root_of_an_earlier_version_can_be_read(runtime: Runtime, tmp_path: Path) -> None:
    run_plan(planned(runtime), runtime)
    shutil.rmtree(tmp_path / "root" / "runs")
    (run,) = list_runs(runtime)

    assert (run.recipe, run.number, run.status, run.prefine) == ("made", 0, "unknown", None)
    assert plan_of(run, runtime).recipe.name == "made"
    assert find_run(runtime, "made-0").id == run.id
    record(planned(runtime), runtime)
    assert [one.number for one in list_runs(runtime)] == [1]


def test_a_damaged_record_is_one_sentence(runtime: Runtime) -> None:
    run_id = record(planned(runtime), runtime)
    (Path(runtime.root) / "runs" / f"{run_id}.json").write_text('{"id": 1')

    with pytest.raises(IntegrityError, match=rf"runs/{run_id}.json below .* is not the record"):
        list_runs(runtime)


def test_what_a_later_version_records_is_left_out(runtime: Runtime) -> None:
    run_id = record(planned(runtime), runtime)
    rewrite(runtime, run_id, from_the_future=[1])

    assert find_run(runtime).id == run_id


def test_other_files_beside_the_records_are_left_alone(runtime: Runtime) -> None:
    run_id = record(planned(runtime), runtime)
    for name in (".made-2-abcdef.json.host-1-abcdef.draft", "notes.json", "readme.txt"):
        (Path(runtime.root) / "runs" / name).write_text("x")

    assert [one.id for one in list_runs(runtime)] == [run_id]


def test_a_run_counts_the_shards_that_it_computed(runtime: Runtime) -> None:
    plan = planned(runtime)
    run_plan(plan, runtime)
    run_plan(plan, runtime)
    second, first = list_runs(runtime)

    assert first.num_computed == first.num_shards == 8
    assert second.num_computed == 0
    assert second.fingerprint == first.fingerprint


def test_pairs_are_counted_by_verdict() -> None:
    dropped = {"short": 2, "tie": 1, "hold/unsure": 4}
    manifest = {"num_pairs": 20, "num_flipped": 3, "dropped": dropped}

    counts = {"pairs": 20, "keep": 10, "flip": 3, "drop": 3, "hold": 4}
    assert verdict_counts(manifest) == counts


def test_no_time_of_a_run_reaches_another_file(runtime: Runtime, tmp_path: Path) -> None:
    plan = planned(runtime)
    run_plan(plan, runtime)
    year = str(datetime.now(UTC).year).encode()

    for path in (tmp_path / "root" / plan.dataset.folder).rglob("*"):
        assert path.is_dir() or year not in path.read_bytes(), path


def test_runs_are_listed_and_named_on_the_command_line(
    runtime: Runtime, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "recipe.yaml"
    root = ("--root", runtime.root)
    recipe.write_text(RECIPE)
    assert prefine("decide", str(recipe), *root) == 0
    recipe.write_text(RECIPE + "rules: [{name: short, column: num_votes, minimum: 2}]\n")
    assert prefine("decide", str(recipe), *root) == 0
    capsys.readouterr()

    assert prefine("runs", *root) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert prefine("runs", *root, "--json", "--limit", "1") == 0
    (latest,) = json.loads(capsys.readouterr().out)
    kept: list[int] = []
    for run in ("made-1", "made-2"):
        arguments = ("decisions", "--verdict", "keep", "--json", "--run", run)
        assert prefine("show", *arguments, *root) == 0
        kept.append(len(json.loads(capsys.readouterr().out)))
    assert prefine("plan", "--run", "made-1", *root, "--json") == 0
    plan = json.loads(capsys.readouterr().out)

    assert [line[0].rsplit("-", 1)[0] for line in lines[3:5]] == ["made-2", "made-1"]
    assert [line[3:6] for line in lines[3:5]] == [
        ["finished", "1/7", "0"],
        ["finished", "7/7", "3"],
    ]
    assert latest["number"] == 2
    assert datetime.fromisoformat(latest["started"]).tzinfo is not None
    assert kept == [3, 0]
    assert plan["fingerprint"] == find_run(runtime, "made-1").fingerprint


def test_no_runs_are_said_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert prefine("runs", "--root", str(tmp_path / "none")) == 0
    assert "There are no runs below" in capsys.readouterr().out
