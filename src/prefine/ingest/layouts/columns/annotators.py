"""Tell the annotators apart whose judgements stand in one row."""

from collections.abc import Sequence

from prefine.ingest.layouts.columns.columnmap import Judged
from prefine.ingest.layouts.columns.spelling import is_null, spelled
from prefine.ingest.paths import LIST, OPTIONAL, value_at, values_at
from prefine.ingest.record import Reason, RowError
from prefine.settings.json import Json


def optional_at(row: Json, path: str | None) -> str | None:
    """Return what a row says about itself at a path, or null: it may be missing."""
    if path is None:
        return None
    value = value_at(row, may_be_missing(path))
    return None if is_null(value) or value == "" else spelled(value)


def may_be_missing(path: str) -> str:
    """Return a path that may lead to nothing."""
    return path if path.endswith(OPTIONAL) else path + OPTIONAL


def stem(column: str) -> str:
    """Return the column of a path, without the list that it walks."""
    return column.removesuffix(OPTIONAL).split(LIST, 1)[0]


def annotators(
    row: Json, entry: Judged, shared: str | None, column: str, count: int
) -> Sequence[str | None]:
    """Name the annotators of the values in a column.

    Args:
        row: The raw row.
        entry: The entry of the map.
        shared: The annotator where neither the entry nor its own column names one.
        column: The column of the values.
        count: How many values it has: several values are several annotators.
    """
    if entry.annotator_column is None:
        return _numbered(entry.annotator or shared, column, count)
    found = values_at(row, may_be_missing(entry.annotator_column))
    if len(found) <= 1:
        named = None if not found or is_null(found[0]) else spelled(found[0])
        return _numbered(named or shared, column, count)
    if len(found) != count:
        detail = f"`{column}` has {count} values, `{entry.annotator_column}` {len(found)}"
        raise RowError(Reason.WRONG_TYPE, detail)
    numbered = _numbered(shared, column, count)
    return [
        default if is_null(name) else spelled(name)
        for name, default in zip(found, numbered, strict=True)
    ]


def _numbered(annotator: str | None, column: str, count: int) -> list[str | None]:
    if count == 1:
        return [annotator]
    return [f"{annotator or stem(column)}_{position + 1}" for position in range(count)]
