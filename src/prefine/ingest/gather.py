"""The gather step: all rows of one partition, from every file of every source, each once.

What comes in: the raw tables of all files. What goes out: prompts, responses and judgements of one
shard, sorted by id. What never happens: a judgement that is lost or merged; every raw label stays.
"""

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from prefine.errors import IntegrityError
from prefine.schema import JUDGEMENTS, PROMPTS, RESPONSES
from prefine.step import Counts, Work, require_manifest

_PROMPT_ORDER = ["source", "group", "language", "split", "meta"]
TABLES = {"prompts": PROMPTS, "responses": RESPONSES, "judgements": JUDGEMENTS}


def gather(work: Work) -> Counts:
    """Collect the rows of partition ``work.shard``."""
    prompts = _first(_collect(work, "raw_prompts"), "prompt_id", _PROMPT_ORDER)
    work.emit("prompts", prompts)
    del prompts
    responses = _first(_collect(work, "raw_responses"), "response_id", ["model", "meta"])
    work.emit("responses", responses)
    del responses
    judgements = _collect(work, "raw_judgements")
    expected = _expected(work)
    if judgements.height != expected:
        text = f"partition {work.shard} has {judgements.height} judgements, {expected} were read"
        raise IntegrityError(text)
    order = ["prompt_id", "kind", "response_a", "response_b", "source", "file", "row", "index"]
    work.emit("judgements", judgements.sort(order, nulls_last=True))
    return Counts(judgements.height, judgements.height)


def _collect(work: Work, table: str) -> pl.DataFrame:
    """Read the rows of this partition from the parts of every ingest step."""
    found: list[pa.Table] = []
    for step in work.step.upstream:
        schema = step.writes[table]
        names = [name for name in schema.names if name != "partition"]
        for part in range(step.num_parts):
            where = pc.field("partition") == work.shard
            found.append(work.store.read_table(step.part(table, part), names, where))
    frame = pl.from_arrow(pa.concat_tables(found))
    assert isinstance(frame, pl.DataFrame), "a table becomes a frame"
    return frame


def _expected(work: Work) -> int:
    """Return how many judgements of this partition the ingest steps say they wrote."""
    return sum(
        require_manifest(work.store, step, shard).notes["partitions"].get(str(work.shard), 0)
        for step in work.step.upstream
        for shard in step.shards
    )


def _first(frame: pl.DataFrame, key: str, order: list[str]) -> pl.DataFrame:
    """Keep one row an id: the first by the other columns, so that file order has no say."""
    places = frame.select(key, *order).with_row_index("place")
    first = places.sort([key, *order], nulls_last=True).unique(key, keep="first")
    return frame[first.sort(key)["place"]]
