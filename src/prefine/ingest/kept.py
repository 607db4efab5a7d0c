"""The own id and the kept columns of raw rows, and the types of kept columns."""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

import orjson

from prefine.errors import RecipeError
from prefine.ingest.files import raw_rows, resolve_location
from prefine.ingest.layout import Context, Layout
from prefine.ingest.lookups import lookup_tables
from prefine.ingest.parse import parse_row
from prefine.ingest.paths import optional_value_at, value_at
from prefine.ingest.record import RowError
from prefine.ingest.rows import Unreadable
from prefine.ingest.source import Source
from prefine.schema import ValueType
from prefine.settings import File, Part
from prefine.settings.json import Json, is_array, is_object

_NUM_ROWS = 1_000
"""Number of rows of each file that column types are inferred from."""
_MAX_INTEGER = 2**63
_MISSING = ("", "n/a", "na", "null", "none", "nan")
"""Spellings of a missing value in columns that are not text."""
_BOOLEANS = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}


class KeptColumn(Part):
    """A kept column, as inferred from the files when a recipe is resolved."""

    type: ValueType
    """Type of the values."""
    of_response: bool = False
    """Whether each raw row is about a single response, so that a pair has a value for each side."""


class _Inferred(NamedTuple):
    """A kept column, as inferred from the first rows of one source."""

    types: frozenset[ValueType]
    """Types of the values, or the stated type; empty if all values are missing."""
    of_response: bool
    """Whether each raw row is about a single response."""


class Own(NamedTuple):
    """The own id and the kept columns of a raw row."""

    id: str | None
    """The row's own id."""
    kept: str | None
    """Typed values of the kept columns, as a JSON object."""
    unfit: tuple[str, ...]
    """Kept columns whose value is not of the column's type; the value is stored as null."""


def own_of(row: Json | None, source: Source, columns: Mapping[str, KeptColumn]) -> Own:
    """Return the own id and the kept columns of a raw row; missing values are None.

    Args:
        row: The raw row; None if it could not be parsed.
        source: The source with its settings ``id`` and ``keep``.
        columns: The types of the kept columns.
    """
    if row is None or not (source.id or source.keep):
        return Own(None, None, ())
    own_id = None if source.id is None else as_text(optional_value_at(row, source.id))
    values: Json = {}
    unfit: list[str] = []
    for name, kept in source.keep.items():
        raw = optional_value_at(row, kept.column)
        value = typed(raw, columns[name].type)
        if value is not None:
            values[name] = value
        elif not _is_missing(raw):
            unfit.append(name)
    text = orjson.dumps(values, option=orjson.OPT_SORT_KEYS).decode() if values else None
    return Own(own_id, text, tuple(unfit))


def _is_missing(value: object) -> bool:
    return value is None or (isinstance(value, str) and value.strip().lower() in _MISSING)


def typed(value: object, type_: ValueType) -> str | float | int | bool | None:
    """Return a raw value converted to a type, or None if it cannot be converted."""
    match type_:
        case "text":
            return as_text(value)
        case "truth":
            return value if isinstance(value, bool) else _BOOLEANS.get(str(value).strip().lower())
        case "integer":
            number = _number(value)
            fits = number is not None and number.is_integer() and abs(number) < _MAX_INTEGER
            exact = value if isinstance(value, int) else int(number or 0)
            return exact if fits else None
        case "number":
            return _number(value)


def as_text(value: object) -> str | None:
    """Return a value as text (numbers, lists and objects as JSON), or None for null."""
    if value is None or isinstance(value, Unreadable):
        return None
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode() if not value.isascii() else value
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:  # an id in a table
        return str(int(value))
    try:
        return orjson.dumps(value, default=str, option=orjson.OPT_SORT_KEYS).decode()
    except (TypeError, orjson.JSONEncodeError):
        return str(value)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def infer_kept_columns(
    sources: Iterable[tuple[Source, Iterable[tuple[File, Layout]]]],
    files: Mapping[str, Sequence[File]],
    data: str,
) -> dict[str, KeptColumn]:
    """Infer the types of all kept columns from the first rows of the files.

    A column that has different types in several sources becomes text. A source in which all values
    of a column are missing is ignored.

    Args:
        sources: The sources, each with its files and their layouts.
        files: Files of all file sets by key, lookup tables included.
        data: The folder that relative paths start from.

    Raises:
        RecipeError: None of the first rows has a path of ``id`` or ``keep``.
    """
    inferred: dict[str, list[_Inferred]] = {}
    for source, own in sources:
        if source.keep or source.id is not None:
            for name, column in _columns_of_source(source, list(own), files, data).items():
                inferred.setdefault(name, []).append(column)
    return {name: _merged(columns) for name, columns in inferred.items()}


def _columns_of_source(
    source: Source,
    own: list[tuple[File, Layout]],
    files: Mapping[str, Sequence[File]],
    data: str,
) -> dict[str, _Inferred]:
    rows: list[Json] = []
    num_candidates: set[int] = set()
    for file, layout in own:
        path = resolve_location(file.path, data)
        lines = raw_rows(path, source.max_row_bytes, options=source.file_options)
        tables = lookup_tables(layout, files.__getitem__, data) if source.keep else {}
        for row in islice(lines, _NUM_ROWS):
            if row.value is None:
                continue
            rows.append(row.value)
            records = parse_row(row, layout, Context(file.fields, tables)) if source.keep else []
            if not isinstance(records, RowError):
                num_candidates |= {len(record.candidates) for record in records}
    _require_paths(source, rows)
    tabular = all(file.path.removesuffix(".gz").endswith((".csv", ".tsv")) for file, _ in own)
    return {
        name: _Inferred(
            frozenset({kept.type})
            if kept.type
            else types_of((optional_value_at(row, kept.column) for row in rows), tabular=tabular),
            of_response=num_candidates == {1},
        )
        for name, kept in source.keep.items()
    }


def _require_paths(source: Source, rows: list[Json]) -> None:
    """Require that some of the first rows have the paths of ``id`` and ``keep``.

    Raises:
        RecipeError: None of the rows has one of the paths.
    """
    paths = {
        "id": [source.id] if source.id else [],
        "keep": [k.column for k in source.keep.values()],
    }
    for key, named in paths.items():
        for path in named:
            if rows and not any(_has(row, path) for row in rows):
                keys = ", ".join(sorted({str(name) for row in rows for name in row})[:40])
                raise RecipeError(
                    f"source {source.name}: none of the first {len(rows):,} rows has the path "
                    f"`{path}` of `{key}`; their keys are: {keys}. If the path is optional, write "
                    f"`{path}?`"
                )


def _has(row: Json, path: str) -> bool:
    try:
        value_at(row, path)
    except RowError:
        return False
    return True


def types_of(values: Iterable[object], *, tabular: bool = False) -> frozenset[ValueType]:
    """Return the types of values; missing values have none.

    Args:
        values: The raw values of one column.
        tabular: Whether all values are strings because of the file format, as in CSV.
    """
    return frozenset(_type_of(value, tabular=tabular) for value in values if not _is_missing(value))


def common_type(types: frozenset[ValueType]) -> ValueType:
    """Return the narrowest type that can hold values of all these types."""
    if types == frozenset[ValueType](("integer", "number")):
        return "number"
    return next(iter(types)) if len(types) == 1 else "text"


def _type_of(value: object, *, tabular: bool) -> ValueType:
    if isinstance(value, bool):
        return "truth"
    if isinstance(value, int):
        return "integer" if abs(value) < _MAX_INTEGER else "text"
    if isinstance(value, float):
        return "number"
    if tabular and isinstance(value, str) and not (is_array(value) or is_object(value)):
        return _type_of_cell(value)
    return "text"


def _type_of_cell(cell: str) -> ValueType:
    """Return the type of a cell; numbers whose spelling would be lost (``007``) are text."""
    if cell.lower() in {"true", "false"}:
        return "truth"
    number = _number(cell)
    if number is None or cell != cell.strip() or "_" in cell:
        return "text"
    digits = cell.lstrip("-+")
    if digits.isdigit():
        return "integer" if digits == "0" or not digits.startswith("0") else "text"
    return "number"


def _merged(columns: list[_Inferred]) -> KeptColumn:
    of_response = all(column.of_response for column in columns)
    types = frozenset[ValueType]().union(*(column.types for column in columns))
    return KeptColumn(type=common_type(types), of_response=of_response)
