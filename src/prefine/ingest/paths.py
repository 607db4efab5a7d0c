"""Follow dotted paths into a raw row."""

from typing import Any

from prefine.ingest.record import Reason, RowError
from prefine.settings.json import Json, is_array, is_object

LIST = "[]"
"""What stands behind the name of a list whose elements a path walks."""


def value_at(row: object, path: str) -> Any:
    """Follow a dotted path; a key that itself holds dots takes precedence.

    Raises:
        RowError: There is nothing at the path.
    """
    if not is_object(row):
        raise RowError(Reason.WRONG_TYPE, f"what should hold `{path}` is not an object")
    if path in row:
        return row[path]
    value: Any = row
    for key in path.split("."):
        if not is_object(value) or key not in value:
            raise RowError(Reason.MISSING_VALUE, f"there is no `{path}`")
        value = value[key]
    return value


def values_at(row: Json, path: str) -> list[Any]:
    """Follow a path with at most one ``[]``: one value per element of that list."""
    if LIST not in path:
        return [value_at(row, path)]
    before, after = path.split(LIST, 1)
    elements = value_at(row, before)
    if not is_array(elements):
        raise RowError(Reason.WRONG_TYPE, f"`{before}` is not a list")
    return [value_at(item, after.lstrip(".")) if after else item for item in elements]
