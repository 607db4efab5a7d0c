"""Detect the layout of a file from its first rows."""

import difflib
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from prefine.errors import DataError, RecipeError
from prefine.ingest.files import raw_rows
from prefine.ingest.forms.options import FileOptions
from prefine.ingest.forms.unrecognised import (
    delimiter_hints,
    rows_hints,
    shown_keys,
    unreadable_hints,
    values_of,
)
from prefine.ingest.layout import Context
from prefine.ingest.layouts import LAYOUTS, Detected, format_of, layout_named
from prefine.ingest.parse import parse_row
from prefine.ingest.record import Label, RowError
from prefine.ingest.rows import RawRow, json_bytes
from prefine.ingest.source import Source
from prefine.ingest.written import structured
from prefine.schema import text_of
from prefine.settings.json import Json

_KNOWN_KEYS = sorted({"chosen", "rejected", *(key for cls in LAYOUTS for key in cls.keys)})
_NUM_ROWS = 20
"""Number of readable rows that the layout is detected from."""
_MAX_ROWS_READ = 1000
"""Maximum number of rows that are read to find readable ones."""
_MAX_ROW_BYTES = 32 * 2**20
"""Maximum size of a parsed row in bytes, unless a recipe sets another."""


class Detection(NamedTuple):
    """The detected layout of a file."""

    format: str
    """Name of the layout."""
    reason: str
    """Why the layout fits."""


class FirstRows(NamedTuple):
    """The first rows of a file."""

    readable: list[RawRow]
    """The rows that are objects with keys."""
    unreadable: RawRow | None
    """The first row that could not be parsed, or None."""


def detect(rows: FirstRows, name: str) -> Detection:
    """Detect the layout of a file from its first readable rows.

    Args:
        rows: The first rows; the first row that fits a layout decides.
        name: Name of the file for messages.

    Raises:
        DataError: No layout fits, or several do.
    """
    values = values_of(rows.readable)
    for value in values:
        matches = matching_layouts(value)
        if len(matches) > 1:
            listed = "; ".join(f"{match.format} ({match.reason})" for match in matches)
            raise DataError(f"{name}: several layouts fit; set `format` to one of: {listed}")
        if matches:
            return matches[0]
    keys = shown_keys(values) or "none that can be read"
    hints = [
        *unreadable_hints([*rows.readable, *([rows.unreadable] if rows.unreadable else [])]),
        *rows_hints(values, lambda value: bool(matching_layouts(value))),
        *delimiter_hints(values),
        *_spelling_hints(values),
        "Or name the columns yourself with `format: columns` and a `columns` map",
    ]
    raise DataError(f"{name}: no known layout has these keys: {keys}. {'. '.join(hints)}")


def _spelling_hints(values: Sequence[Json]) -> list[str]:
    """Return a hint at a key that may be misspelt: with the known spelling, a layout fits."""
    for row in values[:1]:
        for key in row:
            for close in difflib.get_close_matches(str(key), _KNOWN_KEYS, n=3, cutoff=0.8):
                if close not in row and matching_layouts({**row, close: row[key]}):
                    return [f"With `{close}` in place of `{key}`, a layout fits"]
    return []


def matching_layouts(row: Json) -> list[Detection]:
    """Return all layouts that fit a row, each with the reason."""
    try:
        value = structured(row)
    except RowError:
        value = row
    return [
        Detection(format_of(layout), reason)
        for layout in LAYOUTS
        if (reason := layout.detect(value))
    ]


def detect_file(
    path: str, max_row_bytes: int = _MAX_ROW_BYTES, options: FileOptions | None = None
) -> tuple[Detection, Json]:
    """Detect the layout of a file.

    Args:
        path: Location of the file.
        max_row_bytes: Maximum size of a parsed row in bytes.
        options: How the file is decoded.

    Returns:
        The layout and the row that it was detected from.

    Raises:
        DataError: No layout fits, several do, or no row can be read.
    """
    rows = _first_rows(raw_rows(path, max_row_bytes, options=options or FileOptions()), path)
    detection = detect(rows, path)
    values = values_of(rows.readable)
    shown = (
        value for value in values if detection.format in {m.format for m in matching_layouts(value)}
    )
    return detection, next(shown)


def _first_rows(rows: Iterator[RawRow], path: str) -> FirstRows:
    """Read the first rows that are objects with keys.

    Raises:
        DataError: The file has no rows, or none of the first rows can be read.
    """
    first, unreadable, num_rows = None, None, 0
    readable = list[RawRow]()
    for row in islice(rows, _MAX_ROWS_READ):
        first, num_rows = first or row, num_rows + 1
        unreadable = unreadable or (row if row.error else None)
        readable += [row] if row.value else []
        if len(readable) == _NUM_ROWS:
            break
    if first is None:
        raise DataError(f"{path}: has no rows")
    if not readable:
        why = "it has no keys" if first.error is None else str(first.error)
        raise DataError(
            f"{path}: none of the first {num_rows} rows can be read; row {first.number}: {why}"
        )
    return FirstRows(readable, unreadable)


def detect_for_source(source: Source, path: str) -> Detection:
    """Detect the layout of a file of a source without ``format``.

    Args:
        source: The source.
        path: Location of the file.

    Raises:
        DataError: No layout fits, several do, or no row can be read.
        RecipeError: The layout has required options.
    """
    detection, _ = detect_file(path, source.max_row_bytes, source.file_options)
    options = layout_named(detection.format).required_options()
    if options:
        needed = " and ".join(f"`{option}`" for option in options)
        raise RecipeError(
            f"source {source.name}: {path} looks like `{detection.format}`, which requires "
            f"{needed}; set them with `format: {detection.format}`"
        )
    return detection


def parse_first_record(path: str) -> tuple[Detection, dict[str, str]]:
    """Detect the layout of a file and parse the first row that it accepts.

    Returns:
        The layout, and the row as it is stored: prompt, responses and labels. The raw row if the
        layout has required options or lookup tables.

    Raises:
        DataError: No layout fits, several do, or none of the first rows can be parsed.
    """
    detection, row = detect_file(path)
    shown = {"row": json_bytes(row).decode()}
    if layout_named(detection.format).required_options():
        return detection, shown
    layout = Detected(name="first", files=(path,)).as_layout(detection.format)
    if layout.lookups():
        return detection, shown
    rows = _first_rows(raw_rows(path, _MAX_ROW_BYTES), path).readable
    parsed = [parse_row(raw, layout, Context()) for raw in rows]
    accepted = (records for records in parsed if not isinstance(records, RowError) and records)
    record = next((records[0] for records in accepted), None)
    if record is None:
        raise DataError(
            f"{path}: looks like {detection.format} ({detection.reason}), but none of the first "
            f"{len(rows)} rows can be parsed as such; row {rows[0].number}: {parsed[0]}"
        )
    responses = {f"response {i}": text_of(c.messages) for i, c in enumerate(record.candidates)}
    labels = "; ".join(_shown(label) for label in record.labels)
    return detection, {"prompt": text_of(record.prompt), **responses, "labels": labels}


def _shown(label: Label) -> str:
    values = (label.winner, label.rating, label.rank)
    value = next((str(value) for value in values if value is not None), "")
    against = "" if label.b is None else f" against {label.b}"
    return f"{label.kind} {label.a}{against}: {value}"
