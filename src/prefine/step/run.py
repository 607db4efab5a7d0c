"""Run one shard of a step, or a whole corpus step."""

import logging
import time

import orjson

from prefine.errors import IntegrityError
from prefine.settings import Runtime
from prefine.step.journal import remove_journals
from prefine.step.manifest import Manifest, load_manifest, require_manifest
from prefine.step.progress import LoggedProgress, Progress
from prefine.step.step import Counts, Step, Work
from prefine.store import Store, drafted

log = logging.getLogger(__name__)


def run_step(
    step: Step,
    shard: int | None,
    runtime: Runtime,
    progress: Progress | None = None,
) -> Manifest:
    """Run one shard of a step, unless it has a manifest.

    Args:
        step: The step.
        shard: Number of the shard; null for a corpus step.
        runtime: Has the root.
        progress: Receives the progress; by default it is logged.

    Returns:
        The manifest, new or from an earlier run.

    Raises:
        IntegrityError: Rows in do not equal rows out plus rows dropped by reason.
    """
    store = Store(runtime.root)
    earlier = load_manifest(store, step, shard)
    if earlier is not None:
        return earlier
    log.info("step=%s shard=%s event=start", step.name, shard)
    started = time.monotonic()
    work = Work(step, shard, store, runtime, progress or LoggedProgress(step.name, shard))
    with drafted(work.drafts):
        counts = step.run(work)
        _conserve(work, counts)
        files = work.finish()
    manifest = Manifest(
        step=step.name,
        fingerprint=step.fingerprint,
        shard=shard,
        rows_in=counts.rows_in,
        rows_out=counts.rows_out,
        dropped={str(reason): n for reason, n in sorted(counts.dropped.items())},
        files=files,
        notes=work.notes,
        seconds=round(time.monotonic() - started, 3),
    )
    store.write_bytes(step.manifest_path(shard), _json(manifest))
    remove_journals(work)
    log.info(
        "step=%s shard=%s event=end rows_in=%d rows_out=%d dropped=%d seconds=%.3f",
        *(step.name, shard, counts.rows_in, counts.rows_out),
        *(sum(counts.dropped.values()), manifest.seconds),
    )
    return manifest


def _json(manifest: Manifest) -> bytes:
    return orjson.dumps(vars(manifest), option=orjson.OPT_INDENT_2)


def _conserve(work: Work, counts: Counts) -> None:
    """Require that the counts add up, and that they equal the rows read and written."""
    step, dropped = work.step, sum(counts.dropped.values())
    where = f"step {step.name}, shard {work.shard}"
    if counts.rows_in != counts.rows_out + dropped:
        raise IntegrityError(
            f"{where}: {counts.rows_in} rows in, but {counts.rows_out} out and {dropped} dropped"
        )
    if step.rows_of is not None:
        parts = work.parts(step.rows_of) if work.shard is None else [work.shard]
        read = sum(_num_rows(work, step.rows_of, part) for part in parts)
        if read != counts.rows_in:
            raise IntegrityError(
                f"{where}: {step.rows_of} has {read} rows, but {counts.rows_in} were counted"
            )
    if step.rows_to is not None and work.rows_emitted(step.rows_to) != counts.rows_out:
        written = work.rows_emitted(step.rows_to)
        raise IntegrityError(f"{where}: {written} rows written, {counts.rows_out} reported")
    if "quarantine" in step.writes and work.rows_emitted("quarantine") != dropped:
        raise IntegrityError(
            f"{where}: {dropped} rows were dropped, but not all of them are in quarantine"
        )


def _num_rows(work: Work, table: str, part: int) -> int:
    source = work.source_of(table)
    shard = None if source.scope == "corpus" else part
    path = source.part(table, part)
    manifest = require_manifest(work.store, source, shard)
    return sum(file["num_rows"] for file in manifest.files if file["path"] == path)
