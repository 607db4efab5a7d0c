"""Folders that cannot be used are reported before the first step."""

import errno
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from prefine.errors import PlaceError, RecipeError
from prefine.planning import Plan, check_places, make_plan, run_plan, served
from prefine.recipe import load_recipe
from prefine.settings import Runtime
from prefine.store import Store, place_error


@contextmanager
def largest_file(num_bytes: int) -> Iterator[None]:
    """Let no file of this process grow beyond a size, as a full disk would not."""
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, usual[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_file_that_does_not_fit_is_an_error_of_the_place(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "root"))

    with largest_file(1_000), pytest.raises(PlaceError) as caught:
        store.write_bytes("file.bin", bytes(10_000))

    assert str(caught.value) == (
        f"cannot write below {tmp_path}/root: the file would exceed the size limit; free some "
        "space, or choose another folder"
    )
    assert not store.exists("file.bin")


def test_a_place_without_room_is_refused_before_a_run(tmp_path: Path) -> None:
    with largest_file(1_000), pytest.raises(PlaceError, match=r"cannot write below .*/root: "):
        check_places(Runtime(root=str(tmp_path / "root")))

    check_places(Runtime(root=str(tmp_path / "root")), str(tmp_path / "out"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space"), "the disk is full; free some space, or choose another"),
        (OSError(errno.EDQUOT, "Quota"), "the disk quota is used up; free some space, or choose"),
        (OSError(errno.EACCES, "Denied"), "this user has no permission; change it, or choose"),
        (OSError(errno.EROFS, "Read-only"), "the file system is read-only; choose another folder"),
        (OSError(errno.EMFILE, "Too many"), "too many open files; raise the limit with `ulimit -n"),
        (MemoryError(), "out of memory; use fewer workers, or a machine with more memory"),
        (OSError("no number"), "no number; choose another folder"),
    ],
)
def test_what_the_machine_refuses_is_said_with_the_way_out(error: Any, message: str) -> None:
    assert str(place_error(error, "cannot write below /x")).startswith(
        f"cannot write below /x: {message}"
    )


RECIPE: dict[str, Any] = yaml.safe_load("""
name: made
sources: [{name: one, files: [a.jsonl], format: trl_explicit}]
measures:
  - {kind: reward/vllm, name: rm, served_model: rm, weights: {model: a/b, revision: c}}
""")


def planned(tmp_path: Path, write_lines: Any, **more: Any) -> tuple[Plan, Runtime]:
    rows = [{"prompt": "Why?", "chosen": "Because.", "rejected": "No."}]
    write_lines(rows, "a.jsonl")
    runtime = Runtime(root=str(tmp_path / "root"), data=str(tmp_path), **more)
    weights = tmp_path / "model"
    weights.mkdir()
    (weights / "config.json").write_text("{}")
    [measure] = RECIPE["measures"]
    measures = [{**measure, "weights": {"model": str(weights)}}]
    return make_plan(load_recipe({**RECIPE, "measures": measures}), runtime), runtime


def test_a_measure_without_a_server_is_told_before_the_first_step(
    write_lines: Any, tmp_path: Path
) -> None:
    plan, runtime = planned(tmp_path, write_lines)

    for attempt in (lambda: run_plan(plan, runtime), lambda: served(plan, runtime).__enter__()):
        with pytest.raises(RecipeError) as caught:
            attempt()
        assert str(caught.value) == (
            "no server for the measure `rm`: give its address with `--server "
            "rm=http://HOST:PORT`, or start one with `--server rm=start`"
        )
    assert not (tmp_path / "root").exists()


def test_logs_that_cannot_be_written_are_told_before_a_server_starts(
    write_lines: Any, tmp_path: Path
) -> None:
    plan, runtime = planned(tmp_path, write_lines, start=("rm",), logs="/dev/null/logs")

    with pytest.raises(PlaceError, match="cannot write below /dev/null/logs"):
        served(plan, runtime).__enter__()
