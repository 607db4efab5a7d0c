"""Buffer of parsed rows that are written to the tables of the ingest step."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from prefine.ingest.kept import Own
from prefine.ingest.record import Label, Record, RowError
from prefine.ingest.rows import RawRow, raw_text
from prefine.schema import (
    JUDGEMENTS,
    PROMPTS,
    QUARANTINE,
    RESPONSES,
    Message,
    prompt_id,
    response_id,
    shard_of,
)
from prefine.settings import File
from prefine.settings.json import Json
from prefine.step import Work

RAW_TABLES = ("raw_prompts", "raw_responses", "raw_judgements")
"""Tables that have the shard of each row as a column."""

SHARD = "partition"
"""Column with the shard of a row; renaming it would invalidate every stored result."""
_SHARD = pa.field(SHARD, pa.int32(), False)
TABLES: Mapping[str, pa.Schema] = {
    "raw_prompts": PROMPTS.append(_SHARD),
    "raw_responses": RESPONSES.append(_SHARD),
    "raw_judgements": JUDGEMENTS.append(_SHARD),
    "quarantine": QUARANTINE,
}
"""Schemas of the tables that the ingest step writes for each file."""

_BATCH_ROWS = 20_000
_BATCH_CHARS = 48 * 2**20
_ANY = (None, "overall", "thumb")
"""Aspects of labels about a response as a whole."""
_SHOWN_KEYS = 30
_SHOWN_CHARS = 2_000
"""Maximum number of characters of a raw row in the quarantine table."""


def quarantine_row(row: RawRow, error: RowError) -> Json:
    """Return the quarantine columns of a rejected row, without its source and file."""
    text = raw_text(row)[: 4 * _SHOWN_CHARS].decode("utf-8", "replace")[:_SHOWN_CHARS]
    detail = error.detail.encode("utf-8", "replace").decode()
    return {"row": row.number, "reason": error.reason, "detail": detail, "text": text}


class Batch:
    """Parsed and rejected rows of one file that are not written yet.

    Args:
        source: Name of the source.
        file: The file.
        num_shards: Number of shards of the tables.
    """

    def __init__(self, source: str, file: File, num_shards: int) -> None:
        self._facts = {"source": source, "file": file.sha256[:12]}
        self._fields = file.fields
        self._num_shards = num_shards
        self._rows: dict[str, list[Json]] = {name: [] for name in TABLES}
        self._num_chars = 0
        self.labels: Counter[str] = Counter()
        """Number of labels of the file so far, by winner or kind."""
        self.examples: dict[str, Json] = {}
        """The first rejected row by reason: its number, detail and keys."""
        self.counts: Counter[str] = Counter()
        """Number of values that were left out of parsed rows: ``missing responses`` and ``unfit
        NAME`` (kept values of another type); and of ``rows within other rows``, which the records
        of other rows contain."""
        self.shards: Counter[int] = Counter()
        """Number of judgements of the file so far, by shard."""

    @property
    def full(self) -> bool:
        """Whether the buffer should be written."""
        num_rows = len(self._rows["raw_judgements"]) + len(self._rows["quarantine"])
        return num_rows >= _BATCH_ROWS or self._num_chars >= _BATCH_CHARS

    def reject(self, row: RawRow, error: RowError, own: Own) -> None:
        """Add a row to the quarantine.

        Args:
            row: The raw row.
            error: Why it was rejected.
            own: Its own id and kept columns.
        """
        facts = {**self._facts, "own_id": own.id, **quarantine_row(row, error)}
        self._rows["quarantine"].append(facts)
        if error.reason not in self.examples:
            keys = [] if row.value is None else [str(key)[:40] for key in row.value][:_SHOWN_KEYS]
            self.examples[str(error.reason)] = {
                "row": row.number,
                "detail": facts["detail"],
                "keys": [key.encode("utf-8", "replace").decode() for key in keys],
            }

    def add(self, number: int, records: Sequence[Record], own: Own) -> None:
        """Add the records of one raw row.

        Args:
            number: Number of the row in the file, from 1.
            records: The parsed records.
            own: The row's own id and kept columns.
        """
        self.counts.update(f"unfit {name}" for name in own.unfit)
        if not records:
            self.counts["rows within other rows"] += 1
        index = 0
        for record in records:
            self._add(record, {"row": number, "own_id": own.id, "kept": own.kept}, index)
            if record.num_missing:
                self.counts["missing responses"] += record.num_missing
            index += len(record.labels)

    def _add(self, record: Record, origin: Json, index: int) -> None:
        prompt = prompt_id(record.prompt, record.tools)
        shard = shard_of(prompt, self._num_shards)
        self._rows["raw_prompts"].append(
            {
                "prompt_id": prompt,
                "messages": record.prompt,
                "source": self._facts["source"],
                "split": record.split or self._fields.get("split"),
                "language": record.language,
                "group": record.group or self._fields.get("group"),
                "meta": _json(record.meta),
                "tools": record.tools,
                SHARD: shard,
            }
        )
        self._num_chars += _num_chars(record.prompt) + len(record.tools or "")
        shared: Json = {"prompt_id": prompt, SHARD: shard}
        ids = self._add_responses(record, shared)
        self._add_labels(record, ids, shared | origin, index)

    def _add_responses(self, record: Record, shared: Json) -> list[str]:
        ids = [response_id(shared["prompt_id"], c.messages) for c in record.candidates]
        for name, candidate in zip(ids, record.candidates, strict=True):
            self._rows["raw_responses"].append(
                {
                    **shared,
                    "response_id": name,
                    "messages": candidate.messages,
                    "model": candidate.model,
                    "meta": _json(candidate.meta),
                }
            )
            self._num_chars += _num_chars(candidate.messages)
        return ids

    def _add_labels(self, record: Record, ids: list[str], shared: Json, start: int) -> None:
        self.shards[shared[SHARD]] += len(record.labels)
        for index, label in enumerate(record.labels, start):
            self.labels[str(label.winner or label.kind)] += 1
            self._rows["raw_judgements"].append(
                {
                    **shared,
                    **self._facts,
                    "index": index,
                    "kind": label.kind,
                    "response_a": ids[label.a],
                    "response_b": None if label.b is None else ids[label.b],
                    "winner": label.winner,
                    "strength": label.strength,
                    "strength_unit": label.strength_unit,
                    "rating": label.rating,
                    "rank": label.rank,
                    "aspect": self._aspect(label),
                    "annotator": label.annotator or self._fields.get("annotator"),
                    "label": label.label,
                    "context_mismatch": record.context_mismatch,
                }
            )

    def _aspect(self, label: Label) -> str | None:
        """Return the aspect of a label; the file path names it if the row does not."""
        return self._fields.get("aspect", label.aspect) if label.aspect in _ANY else label.aspect

    def flush(self, work: Work) -> None:
        """Write the buffered rows, one row group per shard, and clear the buffer."""
        for name, rows in self._rows.items():
            table = pa.Table.from_pylist(rows, schema=TABLES[name])
            for part in _by_shard(table) if name in RAW_TABLES else [table]:
                work.emit(name, part)
            rows.clear()
        self._num_chars = 0


def _by_shard(table: pa.Table) -> Iterator[pa.Table]:
    numbers = cast("list[int]", table[SHARD].unique().to_pylist())
    for number in sorted(numbers):
        yield table.filter(pc.field(SHARD) == pa.scalar(number))


def _num_chars(turns: Sequence[Message]) -> int:
    return sum(len(turn["content"]) + len(turn.get("tool_calls") or "") for turn in turns)


def _json(meta: Json | None) -> str | None:
    return None if meta is None else orjson.dumps(meta, option=orjson.OPT_SORT_KEYS).decode()
