"""Follow dotted paths into a raw row.

``a.b`` is the key ``b`` of the object ``a``, ``a.0`` the first item of the list ``a`` and ``a.-1``
its last item; ``a[].b`` reads every item of the list. A path that ends with ``?`` is optional. A
key of the row that contains dots takes precedence.
"""

import re
from collections.abc import Sequence
from typing import Any

from prefine.ingest.literals import as_list, parsed_text
from prefine.ingest.record import Reason, RowError
from prefine.ingest.values import type_name
from prefine.settings.json import Json, is_array, is_object

LIST = "[]"
"""Suffix of a list in a path of which every element is read."""
OPTIONAL = "?"
"""Suffix of an optional path."""

_INDEX = re.compile(r"-?[0-9]{1,9}")
_NUM_SHOWN = 10
"""Number of keys of an object that an error lists."""


def value_at(row: object, path: str) -> Any:
    """Return the value at a dotted path; a key that contains dots takes precedence.

    Returns:
        The value, or None if the path is optional and missing.

    Raises:
        RowError: The path is missing.
    """
    if not is_object(row):
        raise RowError(Reason.WRONG_TYPE, f"what should hold `{path}` is not an object")
    return _at(row, path)


def values_at(row: Json, path: str) -> list[Any]:
    """Return the values at a path: one, or one per element of a list that it reads.

    Nested lists are flattened. A null element is a null value.
    """
    return [value_at(row, path)] if LIST not in path or path in row else _walked(row, path)


def root_keys(path: str) -> set[str]:
    """Return the keys of a row at which a path may start."""
    parts = path.removesuffix(OPTIONAL).split(LIST, 1)[0].split(".")
    return {path, *(".".join(parts[: end + 1]) for end in range(len(parts)))}


def _at(value: Any, path: str) -> Any:
    if is_object(value) and path in value:
        return value[path]
    optional = path.endswith(OPTIONAL)
    try:
        return _followed(value, path.removesuffix(OPTIONAL))
    except RowError as error:
        if optional and error.reason is Reason.MISSING_VALUE:
            return None
        raise


def _followed(value: Any, path: str) -> Any:
    rest = path.split(".")
    while rest:
        held = parsed_text(value) if isinstance(value, str) else value
        length = _step(held, rest)
        if length is None:
            before = path[: -len(".".join(rest))].rstrip(".")
            raise _nothing_at(path, before, value if held is None else held)
        key = ".".join(rest[:length])
        value = held[int(key)] if is_array(held) else held[key]
        rest = rest[length:]
    return value


def _step(value: object, rest: Sequence[str]) -> int | None:
    """Return the number of path parts that form the next key or index, or None if it is missing."""
    if is_object(value):
        return next((n for n in range(len(rest), 0, -1) if ".".join(rest[:n]) in value), None)
    if is_array(value) and _INDEX.fullmatch(rest[0]):
        return 1 if -len(value) <= int(rest[0]) < len(value) else None
    return None


def _nothing_at(path: str, before: str, value: object) -> RowError:
    """Return the error for a missing path, with the keys that exist instead."""
    if not before:
        return RowError(Reason.MISSING_VALUE, f"there is no `{path}`")
    owner = f"`{before}`"
    if value is None:
        return RowError(Reason.MISSING_VALUE, f"there is no `{path}`; {owner} is null")
    if is_array(value):
        actual = f"is a list of {len(value)}"
    elif is_object(value):
        keys = [str(key)[:40] for key in value]
        more = ", ..." if len(keys) > _NUM_SHOWN else ""
        actual = f"has the keys {', '.join(keys[:_NUM_SHOWN])}{more}" if keys else "has no keys"
    else:
        shown = type_name(value).replace("of type str", "a text")
        detail = f"there is no `{path}`; {owner} is {shown}"
        return RowError(Reason.WRONG_TYPE, detail)
    return RowError(Reason.MISSING_VALUE, f"there is no `{path}`; {owner} {actual}")


def _walked(value: Any, path: str) -> list[Any]:
    if LIST not in path:
        return [_at(value, path)]
    before, after = path.split(LIST, 1)
    optional = OPTIONAL if path.endswith(OPTIONAL) else ""
    elements = as_list(_at(value, before + optional) if before else value)
    if elements is None and optional:
        return []
    if not is_array(elements):
        raise RowError(Reason.WRONG_TYPE, f"`{before}` is {type_name(elements)}, not a list")
    after = after.lstrip(".")
    if after in {"", OPTIONAL}:
        return elements
    return [
        result for item in elements for result in ([None] if item is None else _walked(item, after))
    ]


def optional_value_at(row: Json, path: str) -> object:
    """Return the value at a path, or None if it is missing."""
    try:
        return value_at(row, path)
    except RowError:
        return None
