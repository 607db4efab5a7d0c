"""The step that reads example texts, which prompts are compared with: one text per row."""

from collections import Counter
from functools import partial

import pyarrow as pa

from prefine.ingest.batch import quarantine_row
from prefine.ingest.files import raw_rows, require_unchanged, resolve_location
from prefine.ingest.messages import messages
from prefine.ingest.paths import LIST, value_at, values_at
from prefine.ingest.record import Reason, RowError
from prefine.ingest.rows import RawRow
from prefine.ingest.values import text
from prefine.schema import QUARANTINE, prompt_id
from prefine.settings import Inputs
from prefine.settings.json import Json, is_array
from prefine.step import Counts, StepSpec, Work
from prefine.tables.examples import EXAMPLES, Examples

EXAMPLES_VERSION = 5
"""Raised whenever the bytes that ``run_examples`` writes change."""

_BATCH_ROWS = 10_000


def examples_spec(examples: Examples, inputs: Inputs) -> StepSpec:
    """Return the step that reads the example files of a measure.

    Args:
        examples: Settings of the examples.
        inputs: The resolved files.
    """
    return StepSpec(
        name=examples.table,
        version=EXAMPLES_VERSION,
        run=partial(run_examples, examples=examples),
        reads=(),
        writes={examples.table: EXAMPLES, "quarantine": QUARANTINE},
        config=examples.identity(inputs),
        num_parts=len(inputs.files[examples.file_set.key]),
    )


def run_examples(work: Work, examples: Examples) -> Counts:
    """Read one file of examples; the shard is the number of the file.

    Args:
        work: Writes the examples and ``quarantine``.
        examples: Settings of the examples.
    """
    assert work.shard is not None, "files are read one by one"
    file = work.files(examples.file_set.key)[work.shard]
    require_unchanged(file, work.runtime.data)
    facts = {"file": file.sha256[:12]}
    rows: list[Json] = []
    rejected: list[Json] = []
    dropped: Counter[str] = Counter()
    num_read = 0
    for row in raw_rows(resolve_location(file.path, work.runtime.data), examples.max_row_bytes):
        try:
            example = example_text(row, examples.text)
            name = prompt_id([{"role": "user", "content": example}])
            answer = answer_text(row, examples.answer_path)
            columns = {"example_id": name, "text": example, "answer": answer, "row": row.number}
            rows.append({**facts, **columns})
            num_read += 1
        except RowError as error:
            rejected.append({**facts, "source": examples.name, **quarantine_row(row, error)})
            dropped[error.reason] += 1
        if len(rows) + len(rejected) >= _BATCH_ROWS:
            _flush(work, examples, rows, rejected)
    _flush(work, examples, rows, rejected)
    if dropped:
        total, why = num_read + dropped.total(), ", ".join(f"{r} {n:,}" for r, n in dropped.items())
        remark = (
            f"{dropped.total():,} of {total:,} rows in a file of {examples.owner} {examples.name} "
            f"({facts['file']}) could not be read and are not compared with prompts: {why}"
        )
        work.notes["remarks"] = [remark]
    return Counts(num_read + sum(dropped.values()), num_read, dropped)


def _flush(work: Work, examples: Examples, rows: list[Json], rejected: list[Json]) -> None:
    work.emit(examples.table, pa.Table.from_pylist(rows, schema=EXAMPLES))
    work.emit("quarantine", pa.Table.from_pylist(rejected, schema=QUARANTINE))
    rows.clear()
    rejected.clear()


def example_text(row: RawRow, path: str) -> str:
    """Return the text at a dotted path; several texts or messages are joined by a blank line.

    Args:
        row: The raw row.
        path: Dotted path; ``turns[].content`` reads every element of the list ``turns``.

    Raises:
        RowError: The row cannot be parsed, or there is no text at the path, or it is blank.
    """
    if row.value is None or row.error is not None:
        assert row.error is not None, "a row without a value has an error"
        raise row.error
    value = values_at(row.value, path) if LIST in path else value_at(row.value, path)
    example = _joined(value, path)
    if not example.strip():
        raise RowError(Reason.PROMPT_EMPTY, f"`{path}` is blank")
    return example


def answer_text(row: RawRow, path: str | None) -> str | None:
    """Return the answer at a dotted path as text, or None if it is missing or blank.

    Raises:
        RowError: The value is neither text, nor messages, nor a number or boolean.
    """
    if path is None or row.value is None:
        return None
    value = values_at(row.value, path) if LIST in path else value_at(row.value, path)
    if value is None:
        return None
    answer = str(value) if isinstance(value, int | float) else _joined(value, path)
    return answer if answer.strip() else None


def _joined(value: object, path: str) -> str:
    if is_array(value) and all(isinstance(item, str) for item in value):
        return "\n\n".join(str(item) for item in value)
    if is_array(value):
        return "\n\n".join(turn["content"] for turn in messages(value, path))
    return text(value, path)
