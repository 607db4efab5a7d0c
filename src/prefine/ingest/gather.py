"""The step that gathers the rows of a shard from all files of all sources, sorted by id."""

from collections.abc import Mapping
from functools import partial

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from prefine.errors import IntegrityError
from prefine.ingest.batch import RAW_TABLES, SHARD
from prefine.ingest.quarantine_limit import require_quarantine_limit
from prefine.schema import JUDGEMENTS, PROMPTS, RESPONSES
from prefine.step import Counts, Step, StepSpec, Work, require_manifest

GATHER_VERSION = 4
"""Raised whenever the bytes that ``gather`` writes change."""
TABLES = {"prompts": PROMPTS, "responses": RESPONSES, "judgements": JUDGEMENTS}

_PROMPT_ORDER = ["source", "group", "language", "split", "meta"]


def gather_spec(limits: Mapping[str, float]) -> StepSpec:
    """Return the step that gathers the tables of all ingest steps.

    Args:
        limits: Maximum fraction of rows in quarantine, by source.
    """
    return StepSpec(
        name="gather",
        version=GATHER_VERSION,
        run=partial(run_gather, limits=limits),
        reads=RAW_TABLES,
        writes=TABLES,
        config={},
        gathers=True,
    )


def run_gather(work: Work, limits: Mapping[str, float]) -> Counts:
    """Gather the rows of a shard; prompts and responses are deduplicated, judgements are not.

    Args:
        work: Reads the tables of the ingest steps; writes prompts, responses and judgements.
        limits: Maximum fraction of rows in quarantine, by source.

    Raises:
        DataError: More rows of a source are in quarantine than the recipe allows.
        IntegrityError: The number of judgements differs from that of the ingest steps.
    """
    for step in _ingest_steps(work):
        name = step.name.removeprefix("ingest_")
        manifests = [require_manifest(work.store, step, shard) for shard in step.shards]
        require_quarantine_limit(name, manifests, work.step.inputs, limits[name])
    prompts = _first(_collect(work, "raw_prompts"), "prompt_id", _PROMPT_ORDER)
    work.emit("prompts", prompts)
    del prompts
    responses = _first(_collect(work, "raw_responses"), "response_id", ["model", "meta"])
    work.emit("responses", responses)
    del responses
    judgements = _collect(work, "raw_judgements")
    expected = _expected(work)
    if judgements.height != expected:
        text = f"shard {work.shard} has {judgements.height} judgements, but {expected} were read"
        raise IntegrityError(text)
    order = ["prompt_id", "kind", "response_a", "response_b", "source", "file", "row", "index"]
    work.emit("judgements", judgements.sort(order, nulls_last=True))
    return Counts(judgements.height, judgements.height)


def _ingest_steps(work: Work) -> list[Step]:
    return [step for step in work.step.upstream if "raw_judgements" in step.writes]


def _collect(work: Work, table: str) -> pl.DataFrame:
    """Read the rows of this shard from the parts of every ingest step."""
    tables: list[pa.Table] = []
    for step in _ingest_steps(work):
        schema = step.writes[table]
        names = [name for name in schema.names if name != SHARD]
        for part in range(step.num_parts):
            where = pc.field(SHARD) == work.shard
            tables.append(work.store.read_table(step.part(table, part), names, where))
    frame = pl.from_arrow(pa.concat_tables(tables))
    assert isinstance(frame, pl.DataFrame), "a table becomes a frame"
    return frame


def _expected(work: Work) -> int:
    """Return the number of judgements of this shard in the manifests of the ingest steps."""
    return sum(
        require_manifest(work.store, step, shard).notes["partitions"].get(str(work.shard), 0)
        for step in _ingest_steps(work)
        for shard in step.shards
    )


def _first(frame: pl.DataFrame, key: str, order: list[str]) -> pl.DataFrame:
    """Keep one row per id, the first by the other columns, independent of the order of files."""
    ordered = frame.select(key, *order).with_row_index("position")
    first = ordered.sort([key, *order], nulls_last=True).unique(key, keep="first")
    return frame[first.sort(key)["position"]]
