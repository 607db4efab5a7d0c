"""The dotted keys of rows, with the types of their values, but without texts."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from prefine.settings.json import Json, is_array, is_object

_MAX_DEPTH = 3
_MAX_KEYS = 40


def key_lines(values: Sequence[Json]) -> Iterator[str]:
    """Yield a line for each dotted key of some rows: the key, and the type of its values."""
    found = list(dotted_keys(values).items())
    for path, items in found[:_MAX_KEYS]:
        yield f"{path}: {describe_values(items)}"
    if len(found) > _MAX_KEYS:
        yield f"... and {len(found) - _MAX_KEYS} more keys"


def dotted_keys(values: Sequence[Json]) -> Mapping[str, list[Any]]:
    """Return the values of each dotted key; ``turns[].text`` walks the objects of a list."""
    found: dict[str, list[Any]] = {}
    for value in values:
        _walk(value, "", 1, found)
    return found


def _walk(value: Json, before: str, depth: int, found: dict[str, list[Any]]) -> None:
    for key, item in value.items():
        path = f"{before}{key}"
        elements: list[Any] = item if is_array(item) else []
        objects = [one for one in elements if is_object(one)]
        if is_object(item) and depth < _MAX_DEPTH:
            _walk(item, f"{path}.", depth + 1, found)
        elif objects and depth < _MAX_DEPTH:
            found.setdefault(path, []).append(item)
            for one in objects:
                _walk(one, f"{path}[].", depth + 1, found)
        else:
            found.setdefault(path, []).append(item)


def describe_values(items: Sequence[Any]) -> str:
    """Describe values: their type, and lengths or a range."""
    kinds = list(dict.fromkeys(map(_kind, items)))
    known = [kind for kind in kinds if kind != "null"]
    if len(known) != 1:
        return " or ".join(kinds)
    (kind,) = known
    present = [item for item in items if item is not None]
    return f"{kind}{_extent(kind, present)}{' or null' if len(kinds) > 1 else ''}"


def is_number(item: object) -> bool:
    """Return whether a value is a number, or text of a number as in CSV files."""
    if isinstance(item, str):
        try:
            return math.isfinite(float(item))
        except ValueError:
            return False
    return isinstance(item, int | float) and not isinstance(item, bool)


def _extent(kind: str, items: Sequence[Any]) -> str:
    if kind == "text" and items and all(map(is_number, items)):
        return f" that is a number, {_between([float(item) for item in items])}"
    if kind == "text":
        lengths = _between([len(item) for item in items])
        return f" of {lengths} {'character' if lengths == '1' else 'characters'}"
    if kind == "number":
        return f", {_between(items)}"
    if kind.startswith("list"):
        return f", {_between([len(item) for item in items])} items"
    return ""


def _between(numbers: Sequence[float]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _kind(value: object) -> str:
    if value is None:
        return "null"
    if is_array(value):
        kinds = {_kind(item) for item in value}
        return f"list of {kinds.pop()}s" if len(kinds) == 1 else "list"
    if is_object(value):
        return "object"
    for type_, name in ((bool, "truth value"), (int | float, "number"), (str, "text")):
        if isinstance(value, type_):
            return name
    return "unreadable value"
