"""Examples of what a model is to be good at: files of texts that pairs are compared with.

What comes in: the resolved files of a ``target_similarity`` measure or of a benchmark. What goes
out: one text a row, and a quarantine. What never happens: an example that becomes a prompt of the
data.
"""

from collections import Counter

import pyarrow as pa

from prefine.ingest.columns import value_at, values_at
from prefine.ingest.files import RawRow, raw_rows
from prefine.ingest.read import location, rejected, require_unchanged
from prefine.ingest.record import Reason, RowError, messages, text
from prefine.recipe import Benchmark, TargetSimilarity
from prefine.schema import QUARANTINE, prompt_id
from prefine.schema.json import Json, is_array
from prefine.step import Counts, Work

EXAMPLES = pa.schema(
    [
        pa.field("example_id", pa.large_string(), False),
        pa.field("text", pa.large_string(), False),
        pa.field("file", pa.large_string(), False),
        pa.field("row", pa.int64(), False),
    ]
)
"""One row an example as found; equal texts have equal ids."""

Examples = TargetSimilarity | Benchmark

_BATCH = 10_000


def read_examples(work: Work, config: Examples) -> Counts:
    """Read one file of examples; its number is the shard.

    Args:
        work: Writes ``examples_NAME`` and ``quarantine``.
        config: The measure or the benchmark, resolved.
    """
    assert work.shard is not None, "files are read one by one"
    file = config.resolved[work.shard]
    require_unchanged(file, work.runtime.data)
    facts = {"file": file.sha256[:12]}
    found: list[Json] = []
    refused: list[Json] = []
    dropped: Counter[str] = Counter()
    num_read = 0
    for row in raw_rows(location(file.path, work.runtime.data), config.max_row_bytes):
        try:
            said = example_text(row, config.text)
            name = prompt_id([{"role": "user", "content": said}])
            found.append({**facts, "example_id": name, "text": said, "row": row.number})
            num_read += 1
        except RowError as error:
            refused.append({**facts, "source": config.name, **rejected(row, error)})
            dropped[error.reason] += 1
        if len(found) + len(refused) >= _BATCH:
            _flush(work, config, found, refused)
    _flush(work, config, found, refused)
    return Counts(num_read + sum(dropped.values()), num_read, dropped)


def _flush(work: Work, config: Examples, found: list[Json], refused: list[Json]) -> None:
    work.emit(f"examples_{config.name}", pa.Table.from_pylist(found, schema=EXAMPLES))
    work.emit("quarantine", pa.Table.from_pylist(refused, schema=QUARANTINE))
    found.clear()
    refused.clear()


def example_text(row: RawRow, path: str) -> str:
    """Return the text at a dotted path: a text, or texts or messages joined by a blank line.

    ``turns[].content`` walks the list ``turns``.

    Raises:
        RowError: The row cannot be parsed, or there is no text at the path, or a blank one.
    """
    if row.value is None or row.error is not None:
        assert row.error is not None, "a row without a value says why"
        raise row.error
    value = values_at(row.value, path) if "[]" in path else value_at(row.value, path)
    if is_array(value) and all(isinstance(item, str) for item in value):
        said = "\n\n".join(str(item) for item in value)
    elif is_array(value):
        said = "\n\n".join(turn["content"] for turn in messages(value, path))
    else:
        said = text(value, path)
    if not said.strip():
        raise RowError(Reason.PROMPT_EMPTY, f"`{path}` is blank")
    return said
