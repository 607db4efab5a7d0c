"""Recognise the layout of a file by its first rows."""

from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple

import orjson

from prefine.errors import DataError, RecipeError
from prefine.ingest.files import raw_rows
from prefine.ingest.layout import Context
from prefine.ingest.layouts import LAYOUTS, Detected, format_of, layout_named
from prefine.ingest.parse import parse_row
from prefine.ingest.record import Label, RowError
from prefine.ingest.source import Source
from prefine.ingest.written import structured
from prefine.schema import text_of
from prefine.settings.json import Json

_NUM_ROWS = 20
"""How many rows are looked at."""
_MAX_ROW_BYTES = 32 * 2**20
"""Longest row that is parsed where no recipe says otherwise."""


class Detection(NamedTuple):
    """What a file's first rows look like."""

    format: str
    reason: str


def detect(rows: Iterable[Json], name: str) -> Detection:
    """Recognise the layout of a file by its first readable rows.

    Args:
        rows: A few parsed rows; the first one that any layout fits decides.
        name: The file, for messages.

    Raises:
        DataError: No layout fits, or two do.
    """
    keys: list[str] = []
    for row in rows:
        keys = keys or sorted(str(key) for key in row)
        matches = fitting(row)
        if len(matches) > 1:
            listed = "; ".join(f"{match.format} ({match.reason})" for match in matches)
            raise DataError(f"{name}: two layouts fit, set `format` to the right one: {listed}")
        if matches:
            return matches[0]
    shown = ", ".join(keys) or "none that can be read"
    raise DataError(
        f"{name}: no known layout has these keys: {shown}. "
        "Describe them with `format: columns` and a `columns` map"
    )


def fitting(row: Json) -> list[Detection]:
    """Return every layout that a row fits, with its reason."""
    try:
        value = structured(row)
    except RowError:
        value = row
    return [
        Detection(format_of(layout), reason)
        for layout in LAYOUTS
        if (reason := layout.detect(value))
    ]


def detect_file(path: str, max_row_bytes: int = _MAX_ROW_BYTES) -> tuple[Detection, Json]:
    """Recognise the layout of a file; return it with the row that showed it.

    Raises:
        DataError: No layout fits, two do, or no row can be read.
    """
    rows = [row.value for row in islice(raw_rows(path, max_row_bytes), _NUM_ROWS) if row.value]
    if not rows:
        raise DataError(f"{path}: none of the first {_NUM_ROWS} rows can be read")
    detection = detect(rows, path)
    shown = (row for row in rows if detection.format in {match.format for match in fitting(row)})
    return detection, next(shown)


def recognised(source: Source, path: str) -> Detection:
    """Recognise the layout of a file of a source that names none.

    Args:
        source: The source.
        path: Where the file lies.

    Raises:
        DataError: No layout fits, two do, or no row can be read.
        RecipeError: The layout has options that the recipe must give.
    """
    detection, _ = detect_file(path, source.max_row_bytes)
    options = layout_named(detection.format).required_options()
    if options:
        needed = " and ".join(f"`{option}`" for option in options)
        raise RecipeError(
            f"source {source.name}: {path} looks like `{detection.format}`, which needs {needed}; "
            f"set `format: {detection.format}`"
        )
    return detection


def first_record(path: str) -> tuple[Detection, dict[str, str]]:
    """Recognise a file and read the first row that its layout accepts.

    Returns:
        What was recognised, and the row as it is stored: prompt, responses, labels; the raw row
        where the layout has options that only a recipe gives, or reads it with others.

    Raises:
        DataError: No layout fits, two do, or none of the first rows can be read.
    """
    detection, row = detect_file(path)
    shown = {"row": orjson.dumps(row, default=str).decode()}
    if layout_named(detection.format).required_options():
        return detection, shown
    layout = Detected(name="first", files=(path,)).as_layout(detection.format)
    if layout.lookups():
        return detection, shown
    first = islice(raw_rows(path, _MAX_ROW_BYTES), _NUM_ROWS)
    parsed = (parse_row(raw, layout, Context()) for raw in first)
    record = next((found[0] for found in parsed if not isinstance(found, RowError) and found), None)
    if record is None:
        raise DataError(
            f"{path}: looks like {detection.format}, for {detection.reason}, but none of the first "
            f"{_NUM_ROWS} rows can be read as that"
        )
    responses = {f"response {i}": text_of(c.messages) for i, c in enumerate(record.candidates)}
    labels = "; ".join(_shown(label) for label in record.labels)
    return detection, {"prompt": text_of(record.prompt), **responses, "labels": labels}


def _shown(label: Label) -> str:
    values = (label.winner, label.rating, label.rank)
    value = next((str(value) for value in values if value is not None), "")
    against = "" if label.b is None else f" against {label.b}"
    return f"{label.kind} {label.a}{against}: {value}"
