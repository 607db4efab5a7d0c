"""The step that reads keyed files: a user's rows about pairs, responses or prompts of the data."""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial

import orjson
import pyarrow as pa

from prefine.errors import DataError, RecipeError
from prefine.ingest.batch import quarantine_row
from prefine.ingest.files import raw_rows, require_unchanged, resolve_location
from prefine.ingest.kept import as_text, optional_value_at
from prefine.ingest.messages import prompt_of, response_of
from prefine.ingest.paths import value_at
from prefine.ingest.prompt_parts import require_no_tools, require_only_text, with_prompt_parts
from prefine.ingest.record import Candidate, Reason, Record, RowError
from prefine.ingest.rendered import unrendered
from prefine.ingest.rows import RawRow
from prefine.ingest.written import structured
from prefine.schema import QUARANTINE, pair_id, prompt_id, response_id
from prefine.settings import Inputs
from prefine.settings.json import Json, is_array, is_object
from prefine.step import Counts, StepSpec, Work
from prefine.tables.keyed import KEYED, KeyColumn, KeyedFiles, Unit

KEYED_VERSION = 2
"""Raised whenever the bytes that ``run_keyed`` writes change."""

_BATCH_ROWS = 10_000
_ID_DIGITS = 12
_INT64 = 2**63
_PER: Mapping[str, Unit] = {
    **dict.fromkeys(("response", "completion", "answer", "output", "generation"), "response"),
    **dict.fromkeys(("chosen", "rejected"), "pair"),
}
"""Columns that show that a row is about a response or a pair rather than about its prompt."""

Sources = Mapping[str, Mapping[str, str]]
"""For each source, the first digits of each file's SHA-256, by path and by the digits."""


def keyed_spec(keyed: KeyedFiles, inputs: Inputs) -> StepSpec:
    """Return the step that reads the keyed files of a measure or of human verdicts.

    Args:
        keyed: Settings of the files.
        inputs: The resolved files, those of the sources included.

    Raises:
        RecipeError: The settings name a source that does not exist.
    """
    sources = _sources(inputs)
    if keyed.source is not None and keyed.source not in sources:
        known = ", ".join(sources)
        raise RecipeError(
            f"{keyed.file_set.key}: no source `{keyed.source}`; the sources are: {known}"
        )
    numbered = {"sources": sources} if keyed.key == "row" else {}
    return StepSpec(
        name=keyed.rows_table,
        version=KEYED_VERSION,
        run=partial(run_keyed, keyed=keyed, sources=sources),
        reads=(),
        writes={keyed.rows_table: KEYED, "quarantine": QUARANTINE},
        config=keyed.reading(inputs) | numbered,
        num_parts=len(inputs.files[keyed.file_set.key]),
    )


def _sources(inputs: Inputs) -> dict[str, dict[str, str]]:
    sources: dict[str, dict[str, str]] = {}
    for key, files in inputs.files.items():
        owner, _, name = key.partition(" ")
        if owner == "source" and "," not in name:  # else a lookup table of a source
            by_path = {file.path: file.sha256[:_ID_DIGITS] for file in files}
            sources[name] = by_path | {digits: digits for digits in by_path.values()}
    return sources


def run_keyed(work: Work, keyed: KeyedFiles, sources: Sources) -> Counts:
    """Read one keyed file; the shard is the number of the file.

    Args:
        work: Writes the rows and ``quarantine``.
        keyed: Settings of the files.
        sources: Files of the sources, for keys that are row numbers.

    Raises:
        DataError: No row has a usable key, no row has one of the value columns, or it is unclear
            whether rows are about prompts, responses or pairs.
    """
    assert work.shard is not None, "files are read one by one"
    file = work.files(keyed.file_set.key)[work.shard]
    require_unchanged(file, work.runtime.data)
    facts: Json = {"file": file.sha256[:_ID_DIGITS]}
    batch = _Batch(work, keyed)
    for row in raw_rows(resolve_location(file.path, work.runtime.data), keyed.max_row_bytes):
        batch.columns = batch.columns or tuple(row.value or ())
        require_unit(row, keyed)
        try:
            key = key_of(row, keyed, sources)
        except RowError as error:
            batch.first = batch.first or f"row {row.number}: {error.detail}"
            batch.dropped[error.reason] += 1
            batch.rejected.append({**facts, "source": keyed.name, **quarantine_row(row, error)})
        else:
            batch.num_read += 1
            batch.rows.append({**facts, **key, "row": row.number, "values": batch.values_of(row)})
        if len(batch.rows) + len(batch.rejected) >= _BATCH_ROWS:
            batch.flush()
    batch.flush()
    batch.check(f"{keyed.file_set.key}, {file.path}")
    num_dropped = sum(batch.dropped.values())
    return Counts(batch.num_read + num_dropped, batch.num_read, batch.dropped)


def require_unit(row: RawRow, keyed: KeyedFiles) -> None:
    """Require that a row with a response is not read as one about its prompt by default.

    Raises:
        DataError: The row has a response or a pair, and the recipe does not set ``per``.
    """
    if not keyed.is_unit_assumed or row.value is None:
        return
    parent = keyed.path("prompt").rpartition(".")[0]
    values = keyed.value_paths().values()
    for name, unit in _PER.items():
        path = f"{parent}.{name}" if parent else name
        if path not in values and optional_value_at(row.value, path) is not None:
            raise DataError(
                f"{keyed.file_set.key}: row {row.number} has `{path}` and a prompt; set "
                f"`per: {unit}` if its values are about the {unit}, else `per: prompt`"
            )


class _Batch:
    """Rows of one keyed file that are not written yet, and counts of the file so far."""

    def __init__(self, work: Work, keyed: KeyedFiles) -> None:
        self._work = work
        self._keyed = keyed
        self._paths = dict(keyed.value_paths())
        self._unseen = set(self._paths)
        self.rows: list[Json] = []
        self.rejected: list[Json] = []
        self.dropped: Counter[str] = Counter()
        self.num_read = 0
        self.columns: tuple[str, ...] = ()
        """Columns of the first row."""
        self.first: str | None = None
        """Number and error of the first row without a usable key."""

    def values_of(self, row: RawRow) -> str:
        """Return the values of a row as a JSON object; missing values are null."""
        assert row.value is not None, "a row with a key was parsed"
        values: Json = {}
        for name, path in self._paths.items():
            try:
                values[name] = _plain(value_at(row.value, path))
                self._unseen.discard(name)
            except RowError:
                values[name] = None
        return orjson.dumps(values, option=orjson.OPT_SORT_KEYS).decode()

    def flush(self) -> None:
        """Write the buffered rows and clear the buffer."""
        self._work.emit(self._keyed.rows_table, pa.Table.from_pylist(self.rows, schema=KEYED))
        self._work.emit("quarantine", pa.Table.from_pylist(self.rejected, schema=QUARANTINE))
        self.rows.clear()
        self.rejected.clear()

    def check(self, where: str) -> None:
        """Require that some row has a usable key, and that every value column exists.

        Args:
            where: The setting and the file, for messages.

        Raises:
            DataError: No row has a usable key or one of the value columns.
        """
        columns = ", ".join(self.columns)
        if not self.num_read:
            why = f"; {self.first}" if self.first else ""
            raise DataError(
                f"{where}: no row has a usable key `{self._keyed.key}`{why}; "
                f"the columns are: {columns or 'none'}"
            )
        for name in sorted(self._unseen):
            path = self._paths[name]
            raise DataError(f"{where}: no row has a column `{path}`; the columns are: {columns}")


def _plain(value: object) -> object:
    """Return a value that JSON and tables can hold; NaN becomes None, other types become text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and -_INT64 <= value < _INT64:
        return value
    if isinstance(value, float) and not math.isinf(value):
        return None if math.isnan(value) else value
    if isinstance(value, str) or is_object(value) or is_array(value):
        return as_text(value)
    return str(value)


def key_of(row: RawRow, keyed: KeyedFiles, sources: Sources) -> Json:
    """Return the key of a row as columns of ``KEYED``.

    Raises:
        RowError: The row cannot be parsed or has no usable key.
    """
    if row.value is None or row.error is not None:
        assert row.error is not None, "a row without a value has an error"
        raise row.error
    try:
        return _KEYS[keyed.key](row.value, keyed, sources)
    except RecursionError:
        raise RowError(Reason.WRONG_TYPE, "the row is nested too deeply") from None


def _id_text(value: object, what: str) -> str:
    """Return an id as text, in the same form as the ``id`` of a source.

    Raises:
        RowError: The id is missing or blank.
    """
    id_text = as_text(value)
    if id_text is None or not id_text.strip():
        raise RowError(Reason.MISSING_VALUE, f"`{what}` is missing or blank")
    return id_text


def _id(row: Json, keyed: KeyedFiles, column: KeyColumn) -> str:
    path = keyed.path(column)
    return _id_text(value_at(row, path), path)


def _optional_id(row: Json, keyed: KeyedFiles, column: KeyColumn) -> str | None:
    id_text = as_text(optional_value_at(row, keyed.path(column)))
    return id_text if id_text and id_text.strip() else None


def _by_id(row: Json, keyed: KeyedFiles, sources: Sources) -> Json:
    assert keyed.key != "text", "a text is not an id"
    columns: Json = {keyed.key: _id(row, keyed, keyed.key)}
    if keyed.key == "own_id":
        has_source = "source" in keyed.key_columns
        columns["source"] = _source(row, keyed, sources) if has_source else keyed.source
    return columns | _direction(row, keyed)


def _by_row(row: Json, keyed: KeyedFiles, sources: Sources) -> Json:
    source = keyed.source or _source(row, keyed, sources)
    number = _id(row, keyed, "row")
    if not number.strip().isdecimal() or not 0 < int(number) < 2**63:
        detail = f"`{keyed.path('row')}` is {number[:40]!r}, not a row number (from 1)"
        raise RowError(Reason.WRONG_TYPE, detail)
    return {
        "source": source,
        "source_file": _file(row, keyed, sources[source]),
        "source_row": int(number),
        **_direction(row, keyed),
    }


def _direction(row: Json, keyed: KeyedFiles) -> Json:
    """Return the response that the row names as the chosen one."""
    if "chosen_id" not in keyed.optional_columns():
        return {}
    return {"chosen_id": _optional_id(row, keyed, "chosen_id")}


def _source(row: Json, keyed: KeyedFiles, sources: Sources) -> str:
    name = _id(row, keyed, "source")
    if name not in sources:
        known = ", ".join(sources)
        detail = f"no source {name[:40]!r}; the sources are: {known}"
        raise RowError(Reason.LOOKUP_MISSING, detail)
    return name


def _file(row: Json, keyed: KeyedFiles, files: Mapping[str, str]) -> str:
    """Return the first digits of the hash of the file that a row names, or of the only file."""
    named = _optional_id(row, keyed, "file")
    distinct = sorted(set(files.values()))
    if named is None and len(distinct) == 1:
        return distinct[0]
    if named is None:
        detail = f"`{keyed.path('file')}` is missing, and the source has {len(distinct)} files"
        raise RowError(Reason.MISSING_VALUE, detail)
    if named not in files:
        known = ", ".join(path for path in files if path not in distinct)
        detail = f"the source has no file {named[:200]!r}; its files are: {known:.200}"
        raise RowError(Reason.LOOKUP_MISSING, detail)
    return files[named]


def _by_text(row: Json, keyed: KeyedFiles, sources: Sources) -> Json:
    """Return content ids, computed from the texts as for the rows of a source."""
    record = _record(row, keyed)
    prompt = prompt_id(record.prompt)
    ids = [response_id(prompt, candidate.messages) for candidate in record.candidates]
    match keyed.unit:
        case "prompt":
            return {"prompt_id": prompt}
        case "response":
            return {"prompt_id": prompt, "response_id": ids[0]}
        case "pair":
            return {"prompt_id": prompt, "chosen_id": ids[0], "pair_id": pair_id(*ids)}


def _record(row: Json, keyed: KeyedFiles) -> Record:
    """Return the prompt and the responses of a row, further prompt columns included."""
    paths = [keyed.path(column) for column in keyed.columns_of_key()]
    known = {*paths, *keyed.value_paths().values(), *keyed.ignore}
    texts = structured({path: value_at(row, path) for path in paths})
    require_only_text(row, known)
    prompt, *responses = paths
    candidates = [Candidate(response_of(texts[path], path)) for path in responses]
    record = Record(prompt_of(texts[prompt], prompt), candidates, [])
    require_no_tools(record)
    return with_prompt_parts(unrendered(record), structured(row), known)


_KEYS: Mapping[str, Callable[[Json, KeyedFiles, Sources], Json]] = {
    "own_id": _by_id,
    "pair_id": _by_id,
    "response_id": _by_id,
    "prompt_id": _by_id,
    "text": _by_text,
    "row": _by_row,
}
