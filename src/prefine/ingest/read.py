"""The ingest step: one source file in, its prompts, responses, judgements and quarantine out.

What comes in: a resolved source. What goes out: four tables whose rows carry the partition they
belong to, sorted so that gathering reads only what it needs. What never happens: a row without a
trace; it is read, or it stands in quarantine with file, number and reason.
"""

import gc
from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from html.parser import HTMLParser
from itertools import islice
from pathlib import PurePosixPath
from typing import Any, cast

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from prefine.errors import DataError
from prefine.ingest.fastchat import index_answers, index_questions
from prefine.ingest.files import RawRow, digest_of_source, raw_rows, raw_text
from prefine.ingest.formats import ADAPTERS, Adapter, Detection, detect
from prefine.ingest.record import (
    Context,
    Reason,
    Record,
    RowError,
    check,
    only_text,
    translate,
)
from prefine.recipe import File, Source, Table
from prefine.schema import (
    JUDGEMENTS,
    PROMPTS,
    QUARANTINE,
    RESPONSES,
    partition_of,
    prompt_id,
    response_id,
    text_of,
)
from prefine.schema.json import Json
from prefine.step import Counts, Work

PARTITION = pa.field("partition", pa.int32(), False)
TABLES: Mapping[str, pa.Schema] = {
    "raw_prompts": PROMPTS.append(PARTITION),
    "raw_responses": RESPONSES.append(PARTITION),
    "raw_judgements": JUDGEMENTS.append(PARTITION),
    "quarantine": QUARANTINE,
}
"""What the step writes for one file."""

_BATCH_ROWS = 20_000
_BATCH_CHARS = 48 * 2**20
_COLLECTED = 20_000
"""After how many new objects the garbage collector looks, while rows are read."""
_SHOWN = 2_000
"""How many characters of a raw row quarantine keeps."""
_FIRST = 20
"""How many rows are looked at to recognise a layout."""


def location(path: str, data: str) -> str:
    """Return where a file lies: relative paths are below the data folder."""
    if "://" in path or PurePosixPath(path).is_absolute():
        return path
    return f"{data.rstrip('/')}/{path}"


_LOOKED_AT_BYTES = 32 * 2**20
"""Longest row that is parsed where no recipe says otherwise."""


def detect_file(path: str, max_row_bytes: int = _LOOKED_AT_BYTES) -> tuple[Detection, Json]:
    """Recognise the layout of a file; return it with the row that showed it.

    Raises:
        DataError: No layout fits, two do, or no row can be read.
    """
    rows = [row.value for row in islice(raw_rows(path, max_row_bytes), _FIRST) if row.value]
    if not rows:
        raise DataError(f"{path}: none of the first {_FIRST} rows can be read")
    found = detect(rows, path)
    row = next(row for row in rows if ADAPTERS[found.format].detect(row))
    return found, row


def first_record(path: str) -> tuple[Detection, dict[str, str]]:
    """Recognise a file and read the first row that its layout accepts.

    Returns:
        What was recognised, and the row in the house's words: prompt, responses, labels.

    Raises:
        DataError: No layout fits, two do, or none of the first rows can be read.
    """
    found, row = detect_file(path)
    if found.format in {"fastchat", "domains"}:
        return found, {"row": orjson.dumps(row, default=str).decode()}
    context = Context(Source(name="first", files=(path,)))
    first = islice(raw_rows(path, _LOOKED_AT_BYTES), _FIRST)
    parsed = (parse_row(raw, ADAPTERS[found.format], context) for raw in first)
    record = next((item for item in parsed if isinstance(item, Record)), None)
    if record is None:
        raise DataError(
            f"{path}: looks like {found.format}, for {found.reason}, but none of the first "
            f"{_FIRST} rows can be read as that"
        )
    said = {f"response {i}": text_of(c.messages) for i, c in enumerate(record.candidates)}
    labels = [f"{k.kind} {k.a}{'' if k.b is None else f' against {k.b}'}" for k in record.labels]
    values = [
        next((str(v) for v in (k.winner, k.rating, k.rank) if v is not None), "")
        for k in record.labels
    ]
    told = [f"{label}: {value}" for label, value in zip(labels, values, strict=True)]
    return found, {"prompt": text_of(record.prompt), **said, "labels": "; ".join(told)}


def read_file(work: Work, source: Source, num_shards: int) -> Counts:
    """Read one file of a source; its number is the shard.

    Args:
        work: Where rows are written.
        source: The source, resolved.
        num_shards: How many partitions the tables have.
    """
    assert work.shard is not None, "files are read one by one"
    file = source.resolved[work.shard]
    path = location(file.path, work.runtime.data)
    name = source.format or file.format
    assert name is not None, "a resolved source has a layout"
    for same in (file, *(f for table in source.tables.values() for f in table.resolved)):
        require_unchanged(same, work.runtime.data)
    context = Context(source, file.fields, _tables(source, work.runtime.data))
    batch = Batch(source.name, file, num_shards)
    dropped: Counter[str] = Counter()
    num_read = 0
    with _seldom_collected():
        for row in raw_rows(path, source.max_row_bytes):
            parsed = parse_row(row, ADAPTERS[name], context)
            if isinstance(parsed, RowError):
                batch.reject(row, parsed)
                dropped[parsed.reason] += 1
            else:
                batch.add(row.number, parsed)
                num_read += 1
            if batch.full:
                batch.flush(work)
                work.progress(0)
        batch.flush(work)
    work.notes["format"] = name
    work.notes["labels"] = dict(sorted(batch.labels.items()))
    work.notes["partitions"] = {str(part): n for part, n in sorted(batch.partitions.items())}
    return Counts(num_read + sum(dropped.values()), num_read, dropped)


@contextmanager
def _seldom_collected() -> Generator[None]:
    """Let the garbage collector look seldom: a batch is many small objects, none in a cycle.

    At its usual pace it took 0.9 of 2.6 CPU seconds of 25,000 rows.
    """
    usual = gc.get_threshold()
    if not 0 < usual[0] < _COLLECTED:  # switched off, or another thread reads a file
        yield
        return
    gc.set_threshold(_COLLECTED, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def require_unchanged(file: File, data: str) -> None:
    """Refuse bytes that are not those the recipe was resolved with."""
    path = location(file.path, data)
    digest, _ = digest_of_source(path)
    if digest != file.sha256:
        raise DataError(f"{path}: its bytes have changed since the run was planned; run it again")


def parse_row(row: RawRow, adapter: Adapter, context: Context) -> Record | RowError:
    """Read one raw row with an adapter."""
    if row.value is None or row.error is not None:
        assert row.error is not None, "a row without a value says why"
        return row.error
    try:
        only_text(row.value)
        record = adapter.parse(row.value, context)
        if context.source.text != "plain":
            record = translate(record, context.source.text, from_html)
        return check(record)
    except RowError as error:
        return error
    except RecursionError:
        return RowError(Reason.WRONG_TYPE, "the row is nested too deeply")


def rejected(row: RawRow, error: RowError) -> Json:
    """Return what quarantine says of a row, beside its source and its file."""
    text = raw_text(row)[: 4 * _SHOWN].decode("utf-8", "replace")[:_SHOWN]
    return {"row": row.number, "reason": error.reason, "detail": error.detail, "text": text}


class Batch:
    """Rows on their way to the tables of one file."""

    def __init__(self, source: str, file: File, num_shards: int) -> None:
        self._facts = {"source": source, "file": file.sha256[:12]}
        self._fields = file.fields
        self._num_shards = num_shards
        self._rows: dict[str, list[Json]] = {name: [] for name in TABLES}
        self._num_chars = 0
        self.labels: Counter[str] = Counter()
        self.partitions: Counter[int] = Counter()

    @property
    def full(self) -> bool:
        """Whether it is time to write."""
        many = len(self._rows["raw_judgements"]) + len(self._rows["quarantine"]) >= _BATCH_ROWS
        return many or self._num_chars >= _BATCH_CHARS

    def reject(self, row: RawRow, error: RowError) -> None:
        """Put a row into quarantine."""
        self._rows["quarantine"].append({**self._facts, **rejected(row, error)})

    def add(self, number: int, record: Record) -> None:
        """Add what one raw row says."""
        prompt = prompt_id(record.prompt)
        part = partition_of(prompt, self._num_shards)
        facts = {
            "prompt_id": prompt,
            "messages": record.prompt,
            "source": self._facts["source"],
            "split": record.split or self._fields.get("split"),
            "language": record.language,
            "group": record.group or self._fields.get("group"),
            "meta": _json(record.meta),
            "partition": part,
        }
        self._rows["raw_prompts"].append(facts)
        self._num_chars += sum(len(turn["content"]) for turn in record.prompt)
        ids = [response_id(prompt, candidate.messages) for candidate in record.candidates]
        for name, candidate in zip(ids, record.candidates, strict=True):
            self._rows["raw_responses"].append(
                {
                    "response_id": name,
                    "prompt_id": prompt,
                    "messages": candidate.messages,
                    "model": candidate.model,
                    "meta": _json(candidate.meta),
                    "partition": part,
                }
            )
            self._num_chars += sum(len(turn["content"]) for turn in candidate.messages)
        self._labels(number, record, ids, {"prompt_id": prompt, "partition": part})

    def _labels(self, number: int, record: Record, ids: list[str], facts: Json) -> None:
        self.partitions[facts["partition"]] += len(record.labels)
        for index, label in enumerate(record.labels):
            self.labels[str(label.winner or label.kind)] += 1
            self._rows["raw_judgements"].append(
                {
                    **facts,
                    **self._facts,
                    "row": number,
                    "index": index,
                    "kind": label.kind,
                    "response_a": ids[label.a],
                    "response_b": None if label.b is None else ids[label.b],
                    "winner": label.winner,
                    "strength": label.strength,
                    "strength_unit": label.strength_unit,
                    "rating": label.rating,
                    "rank": label.rank,
                    "aspect": label.aspect,
                    "annotator": label.annotator or self._fields.get("annotator"),
                    "label": label.label,
                    "context_mismatch": record.context_mismatch,
                }
            )

    def flush(self, work: Work) -> None:
        """Write the rows, one row group a partition."""
        for name, rows in self._rows.items():
            table = pa.Table.from_pylist(rows, schema=TABLES[name])
            for part in _by_partition(table) if "partition" in table.column_names else [table]:
                work.emit(name, part)
            rows.clear()
        self._num_chars = 0


def _by_partition(table: pa.Table) -> Iterator[pa.Table]:
    numbers = cast("list[int]", table["partition"].unique().to_pylist())
    for number in sorted(numbers):
        yield table.filter(pc.field("partition") == pa.scalar(number))


def _json(meta: Json | None) -> str | None:
    return None if meta is None else orjson.dumps(meta, option=orjson.OPT_SORT_KEYS).decode()


def _tables(source: Source, data: str) -> dict[str, Mapping[Any, Json]]:
    return {
        name: _table(name, table.model_dump_json(), data) for name, table in source.tables.items()
    }


@lru_cache(maxsize=8)
def _table(name: str, table: str, data: str) -> Mapping[Any, Json]:
    """Read a lookup table; a row of it that cannot be read is an error, not a quarantine row."""
    rows: list[tuple[Json, Mapping[str, str]]] = []
    for file in Table.model_validate_json(table).resolved:
        for row in raw_rows(location(file.path, data), 2**30):
            if row.value is None:
                raise DataError(f"{file.path}:{row.number}: cannot be read as a row of `{name}`")
            rows.append((row.value, file.fields))
    try:
        return index_questions(rows) if name == "questions" else index_answers(rows)
    except RowError as error:
        raise DataError(f"the table `{name}` cannot be looked up in: {error}") from error


class _Text(HTMLParser):
    """Collects the text of a piece of HTML; blocks end with a line break."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.parts.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag in {"p", "li", "pre", "div", "h1", "h2", "h3", "blockquote", "ul", "ol", "tr"}:
            self.parts.append("\n")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        if tag == "br":
            self.parts.append("\n")


def from_html(markup: str) -> str:
    """Return the text of a piece of HTML."""
    parser = _Text()
    try:
        parser.feed(markup)
        parser.close()
    except AssertionError as error:  # the standard library's answer to a declaration like <![x[
        raise RowError(Reason.WRONG_TYPE, "a text is not readable as HTML") from error
    return "".join(parser.parts).strip()
