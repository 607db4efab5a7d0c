"""Names of the annotators of the labels in one row."""

from collections.abc import Sequence

from prefine.ingest.layouts.columns.columnmap import Judged
from prefine.ingest.layouts.columns.spelling import is_null, spelled
from prefine.ingest.paths import LIST, OPTIONAL, value_at, values_at
from prefine.ingest.record import Reason, RowError
from prefine.settings.json import Json


def optional_at(row: Json, path: str | None) -> str | None:
    """Return the value at an optional path as text, or None if it is missing."""
    if path is None:
        return None
    value = value_at(row, make_optional(path))
    return None if is_null(value) or value == "" else spelled(value)


def make_optional(path: str) -> str:
    """Return a path as an optional path, which may be missing in a row."""
    return path if path.endswith(OPTIONAL) else path + OPTIONAL


def stem(column: str) -> str:
    """Return the column of a path, up to the list that it iterates over."""
    return column.removesuffix(OPTIONAL).split(LIST, 1)[0]


def annotators(
    row: Json, entry: Judged, shared: str | None, column: str, count: int
) -> Sequence[str | None]:
    """Return the annotator of each value in a column.

    Args:
        row: The raw row.
        entry: The entry of the column map.
        shared: The annotator if the entry names none.
        column: The column of the values.
        count: Number of values; several values are by different annotators.

    Raises:
        RowError: The numbers of values and of annotators differ.
    """
    if entry.annotator_column is None:
        return _numbered(entry.annotator or shared, column, count)
    names = values_at(row, make_optional(entry.annotator_column))
    if len(names) <= 1:
        single = None if not names or is_null(names[0]) else spelled(names[0])
        return _numbered(single or shared, column, count)
    if len(names) != count:
        detail = f"`{column}` has {count} values but `{entry.annotator_column}` has {len(names)}"
        raise RowError(Reason.WRONG_TYPE, detail)
    numbered = _numbered(shared, column, count)
    return [
        default if is_null(name) else spelled(name)
        for name, default in zip(names, numbered, strict=True)
    ]


def _numbered(annotator: str | None, column: str, count: int) -> list[str | None]:
    if count == 1:
        return [annotator]
    return [f"{annotator or stem(column)}_{position + 1}" for position in range(count)]
