"""Steps: completion is a manifest, rows add up, nothing half-written is ever seen."""

import os
import signal
import socket
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from prefine.errors import IntegrityError, ServiceError
from prefine.settings import Runtime
from prefine.step import Counts, Step, Work, load_manifest, run_step
from prefine.store import Draft, ParquetDraft, Store

SCHEMA = pa.schema([pa.field("id", pa.large_string(), nullable=False), pa.field("n", pa.int64())])
FRAME = pl.DataFrame({"id": ["a", "b", "c"], "n": [1, 2, 3]})


def step(run: Callable[[Work], Counts], name: str = "made", **more: Any) -> Step:
    settings = {
        "version": 1,
        "config": {},
        "upstream": (),
        "writes": {name: SCHEMA},
        "num_parts": 1,
    }
    return Step(name=name, run=run, **{**settings, **more})


def write_all(work: Work) -> Counts:
    work.emit(work.step.name, FRAME)
    return Counts(3, 3)


@pytest.fixture
def runtime(tmp_path: Path) -> Runtime:
    return Runtime(root=str(tmp_path / "root"))


def files(runtime: Runtime) -> list[str]:
    return sorted(p.name for p in Path(runtime.root).rglob("*") if p.is_file())


def test_a_step_writes_its_part_and_then_its_manifest(runtime: Runtime) -> None:
    manifest = run_step(step(write_all), 0, runtime)

    assert files(runtime) == ["part-00000.json", "part-00000.parquet"]
    assert (manifest.rows_in, manifest.rows_out, manifest.dropped) == (3, 3, {})
    assert Store(runtime.root).read(manifest.files[0]["path"]).equals(FRAME)


def test_a_finished_shard_is_not_done_again(runtime: Runtime) -> None:
    calls: list[int] = []

    def counted(work: Work) -> Counts:
        calls.append(1)
        return write_all(work)

    first = run_step(step(counted), 0, runtime)
    second = run_step(step(counted), 0, runtime)

    assert len(calls) == 1
    assert first == second


def test_a_step_that_raises_leaves_nothing_behind(runtime: Runtime) -> None:
    def fails(work: Work) -> Counts:
        work.emit("made", FRAME)
        raise ServiceError("the server is away")

    with pytest.raises(ServiceError):
        run_step(step(fails), 0, runtime)

    assert files(runtime) == []


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        (Counts(4, 3), "4 rows in, but 3 out and 0 dropped"),
        (Counts(4, 3, {"x": 2}), "4 rows in, but 3 out and 2 dropped"),
        (Counts(2, 2), "3 rows written, 2 reported"),
    ],
)
def test_rows_that_do_not_add_up_are_our_bug(
    runtime: Runtime, counts: Counts, message: str
) -> None:
    def lies(work: Work) -> Counts:
        write_all(work)
        return counts

    with pytest.raises(IntegrityError, match=message):
        run_step(step(lies, rows_to="made"), 0, runtime)

    assert files(runtime) == []


def test_a_step_that_skips_an_input_row_is_caught(runtime: Runtime) -> None:
    upstream = step(write_all)
    run_step(upstream, 0, runtime)

    def forgets(work: Work) -> Counts:
        rows = work.read("made").head(2)
        work.emit("next", rows)
        return Counts(2, 2)

    later = step(forgets, "next", upstream=(upstream,), rows_of="made", rows_to="next")
    with pytest.raises(IntegrityError, match="made has 3 rows, but 2 were counted"):
        run_step(later, 0, runtime)


def test_a_dropped_row_that_is_not_in_quarantine_is_caught(runtime: Runtime) -> None:
    def loses(work: Work) -> Counts:
        work.emit("made", FRAME)
        return Counts(5, 3, {"broken": 2})

    writes = {"made": SCHEMA, "quarantine": SCHEMA}
    with pytest.raises(IntegrityError, match="not all of them are in quarantine"):
        run_step(step(loses, writes=writes), 0, runtime)


def test_a_column_of_another_type_is_refused(runtime: Runtime) -> None:
    def wrong(work: Work) -> Counts:
        work.emit("made", pl.DataFrame({"id": ["a"], "n": ["many"]}))
        return Counts(1, 1)

    with pytest.raises(pa.ArrowInvalid):
        run_step(step(wrong), 0, runtime)


def test_the_fingerprint_knows_name_version_config_and_upstream() -> None:
    base = step(write_all)
    others = [
        step(write_all, "other"),
        step(write_all, version=2),
        step(write_all, config={"a": 1}),
        step(write_all, upstream=(base,)),
        step(write_all, upstream=(step(write_all, config={"a": 1}),)),
    ]

    assert len({base.fingerprint, *(other.fingerprint for other in others)}) == 6
    assert base.fingerprint == step(lambda _work: Counts(0, 0)).fingerprint


def test_a_corpus_step_writes_all_parts_under_one_manifest(runtime: Runtime) -> None:
    def spread(work: Work) -> Counts:
        for part in (2, 0):
            work.emit("made", FRAME.head(part + 1), part=part)
        return Counts(4, 4)

    whole = step(spread, scope="corpus", num_parts=3, rows_to="made")
    run_step(whole, None, runtime)
    store = Store(runtime.root)

    assert [store.read(whole.part("made", part)).height for part in range(3)] == [1, 0, 3]
    assert load_manifest(store, whole, None) is not None


def test_a_missing_part_of_a_finished_step_is_told(runtime: Runtime) -> None:
    upstream = step(write_all)
    manifest = run_step(upstream, 0, runtime)
    (Path(runtime.root) / manifest.files[0]["path"]).unlink()

    def reads(work: Work) -> Counts:
        return Counts(work.read("made").height, 0)

    with pytest.raises(IntegrityError, match=r"part-00000\.parquet is missing below .*run again"):
        run_step(step(reads, "next", upstream=(upstream,)), 0, runtime)


def dies(work: Work) -> Counts:
    work.emit("made", FRAME)
    os.kill(os.getpid(), signal.SIGKILL)
    return Counts(3, 3)


def die_in_a_step(root: str) -> None:
    run_step(step(dies), 0, Runtime(root=root))


def test_a_killed_process_leaves_only_a_draft_and_the_next_run_sweeps_it(
    runtime: Runtime,
) -> None:
    child = get_context("spawn").Process(target=die_in_a_step, args=(runtime.root,))
    child.start()
    child.join()

    assert child.exitcode == -signal.SIGKILL
    assert [name.rsplit(".", 1)[-1] for name in files(runtime)] == ["draft"]

    Store(runtime.root).sweep(step(write_all).folder)
    assert files(runtime) == []


def test_a_draft_of_a_living_process_is_left_alone(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    draft = store.temporary_for("folder/part.parquet")
    draft.write_bytes(b"half")

    store.sweep("folder")

    assert draft.exists()


def test_work_put_aside_is_swept_once_its_call_is_complete(tmp_path: Path) -> None:
    folder = tmp_path / "step-1"
    for name in ("part-00000.partial", "part-00001.partial"):
        (folder / name).mkdir(parents=True)
        (folder / name / "piece").write_bytes(b"scores")
    (folder / "part-00000.json").write_bytes(b"{}")

    Store(str(tmp_path)).sweep("step-1")
    assert sorted(path.name for path in folder.glob("*.partial")) == ["part-00001.partial"]

    (folder / "corpus.json").write_bytes(b"{}")
    Store(str(tmp_path)).sweep("step-1")
    assert not list(folder.glob("*.partial"))


def test_a_root_may_be_any_fsspec_filesystem() -> None:
    runtime = Runtime(root="memory://made-root")
    whole = step(write_all, rows_to="made")

    run_step(whole, 0, runtime)

    assert run_step(whole, 0, runtime).rows_out == 3
    assert Store(runtime.root).read(whole.part("made", 0)).equals(FRAME)


def test_a_draft_is_swept_whatever_the_name_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "ip-10-0-0-1.ec2.internal")
    child = get_context("spawn").Process(target=print)
    child.start()
    child.join()
    store = Store(str(tmp_path))
    draft = store.temporary_for("folder/part.parquet")
    dead = draft.with_name(draft.name.replace(f"-{os.getpid()}-", f"-{child.pid}-"))
    for path in (draft, dead):
        path.write_bytes(b"half")

    store.sweep("folder")

    assert [path.name for path in (tmp_path / "folder").iterdir()] == [draft.name]


@pytest.mark.parametrize(
    ("suffix", "message"), [(".json", "not a manifest"), (".parquet", "damaged")]
)
def test_a_damaged_result_is_told_with_the_way_out(
    runtime: Runtime, suffix: str, message: str
) -> None:
    upstream = step(write_all)
    run_step(upstream, 0, runtime)
    damaged = next((Path(runtime.root) / upstream.folder).glob(f"*{suffix}"))
    damaged.write_bytes(damaged.read_bytes()[:20])

    def reads(work: Work) -> Counts:
        return Counts(work.read("made").height, 0)

    def again() -> None:
        run_step(upstream, 0, runtime)
        run_step(step(reads, "next", upstream=(upstream,)), 0, runtime)

    with pytest.raises(IntegrityError, match=f"{message}.*remove the folder .* and run again"):
        again()


def test_what_was_written_is_let_go(tmp_path: Path) -> None:
    """The garbage collector does not see Arrow's memory, so no reference to a writer may remain."""
    store, numbers = Store(str(tmp_path)), np.random.default_rng(0).normal(size=10**6)
    table = pa.table({"number": numbers})
    before = pa.total_allocated_bytes()
    for name in ("one", "two"):
        draft = ParquetDraft(Draft(store, name), table.schema)
        draft.write(table)
        draft.close()
        draft.draft.publish()
        del draft

    assert pa.total_allocated_bytes() - before < 2**20
