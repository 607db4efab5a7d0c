"""Convert Arrow arrays to JSON values; values without a JSON form become ``Unreadable``."""

from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise
from typing import Any, cast
from uuid import UUID

import pyarrow as pa

from prefine.ingest.record import Reason
from prefine.ingest.rows import Unreadable, readable_text

_TYPES: Any = pa.types
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def json_values(array: Any) -> list[Any]:
    """Return the values of an array as JSON values, or ``Unreadable`` if they have no JSON form."""
    if _is_plain(array.type):
        try:
            return array.to_pylist()
        except (UnicodeDecodeError, ValueError):  # not UTF-8, or two fields of one name
            pass
    for is_kind, convert in _CONVERTERS:
        if is_kind(array.type):
            return convert(array)
    return [_scalar(scalar) for scalar in array]


def _is_plain(kind: Any) -> bool:
    """Return whether ``to_pylist`` gives JSON values for a type."""
    types = _TYPES
    if types.is_struct(kind):
        return all(_is_plain(kind.field(index).type) for index in range(kind.num_fields))
    if types.is_list(kind) or types.is_large_list(kind):
        return _is_plain(kind.value_type)
    simple = (types.is_string, types.is_large_string, types.is_boolean, types.is_integer)
    more = (types.is_float32, types.is_float64, types.is_null)
    return any(is_kind(kind) for is_kind in (*simple, *more))


def _scalar(scalar: Any) -> Any:
    if not scalar.is_valid:
        return None
    if hasattr(scalar, "values"):  # a list or a map
        return json_values(scalar.values)
    return Unreadable(Reason.WRONG_TYPE, f"is of the unsupported type {scalar.type}")


def _texts(array: Any) -> list[Any]:
    """Return binary values as strings if they are UTF-8."""
    values = cast("list[bytes | None]", array.cast(pa.large_binary()).to_pylist())
    return [
        None if value is None else readable_text(value.decode("utf-8", "surrogateescape"))
        for value in values
    ]


def _times(array: Any) -> list[Any]:
    """Return dates and times in ISO 8601; Arrow stores times with a zone in UTC."""
    kind: Any = array.type
    zone = ""
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        array, zone = array.view(pa.int64()).view(pa.timestamp(kind.unit)), "Z"
    written = cast("list[str | None]", array.cast(pa.string()).to_pylist())
    return [None if text is None else _iso_time(text, zone) for text in written]


def _iso_time(text: str, zone: str) -> str | Unreadable:
    if text.startswith("<"):
        return Unreadable(Reason.WRONG_TYPE, "is a time outside the range of ISO 8601 years")
    day, _, clock = text.partition(" ")
    return f"{day}T{clock}{zone}" if clock else text


def _durations(array: Any) -> list[Any]:
    """Return durations in ISO 8601, in seconds."""
    counts = cast("list[int | None]", array.view(pa.int64()).to_pylist())
    per_second = _PER_SECOND[array.type.unit]
    return [
        None if count is None else f"PT{Decimal(count) / per_second:f}S" for count in counts
    ]  # fmt: skip


def _decimals(array: Any) -> list[Any]:
    values = cast("list[Decimal | None]", array.to_pylist())
    return [
        None if value is None else int(value) if array.type.scale <= 0 else float(value)
        for value in values
    ]


def _from_dictionary(array: Any) -> list[Any]:
    values = json_values(array.dictionary)
    return [None if index is None else values[index] for index in array.indices.to_pylist()]


def _lists(array: Any) -> list[Any]:
    offsets = cast("list[int]", array.offsets.to_pylist())
    flat = json_values(array.values.slice(offsets[0], offsets[-1] - offsets[0]))
    valid = cast("list[bool]", array.is_valid().to_pylist())
    return [
        flat[start - offsets[0] : end - offsets[0]] if is_valid else None
        for (start, end), is_valid in zip(pairwise(offsets), valid, strict=True)
    ]


def _fixed_lists(array: Any) -> list[Any]:
    return _lists(array.cast(pa.list_(array.type.value_type)))


def _structs(array: Any) -> list[Any]:
    names = [field.name for field in array.type]
    if len(set(names)) < len(names):
        duplicate = Unreadable(Reason.WRONG_TYPE, "has two fields with the same name")
        return [duplicate if valid else None for valid in array.is_valid().to_pylist()]
    columns = [json_values(child) for child in array.flatten()]
    rows = zip(*columns, strict=True) if columns else (() for _ in range(len(array)))
    return [
        dict(zip(names, cells, strict=True)) if is_valid else None
        for cells, is_valid in zip(rows, array.is_valid().to_pylist(), strict=True)
    ]


def _maps(array: Any) -> list[Any]:
    """Return maps as objects, or as lists of entries if keys are not distinct strings."""
    return [None if entries is None else _map(entries) for entries in map(_scalar, array)]


def _map(entries: list[Any]) -> Any:
    names = ("key", "value")
    pairs = [tuple(entry.values()) for entry in entries]
    if all(isinstance(key, str) for key, _ in pairs) and len(dict(pairs)) == len(pairs):
        return dict(pairs)
    return [dict(zip(names, pair, strict=True)) for pair in pairs]


def _extensions(array: Any) -> list[Any]:
    stored = array.storage
    if array.type.extension_name == "arrow.uuid":
        values = cast("list[bytes | None]", stored.to_pylist())
        return [None if value is None else str(UUID(bytes=value)) for value in values]
    if array.type.extension_name == "arrow.bool8":
        return [None if value is None else value != 0 for value in stored.to_pylist()]
    return json_values(stored)


def _is_text(kind: Any) -> bool:
    types = pa.types
    return any(
        is_kind(kind)
        for is_kind in (
            *(types.is_string, types.is_large_string, types.is_string_view),
            *(types.is_binary, types.is_large_binary, types.is_binary_view),
            types.is_fixed_size_binary,
        )
    )


def _is_time(kind: Any) -> bool:
    return pa.types.is_timestamp(kind) or pa.types.is_date(kind) or pa.types.is_time(kind)


_CONVERTERS: tuple[tuple[Callable[[Any], bool], Callable[[Any], list[Any]]], ...] = (
    (_is_text, _texts),
    (_is_time, _times),
    (_TYPES.is_duration, _durations),
    (_TYPES.is_decimal, _decimals),
    (_TYPES.is_float16, lambda array: array.cast(pa.float32()).to_pylist()),
    (_TYPES.is_dictionary, _from_dictionary),
    (_TYPES.is_map, _maps),
    (_TYPES.is_struct, _structs),
    (_TYPES.is_list, _lists),
    (_TYPES.is_large_list, _lists),
    (_TYPES.is_fixed_size_list, _fixed_lists),
    (lambda kind: isinstance(kind, pa.BaseExtensionType), _extensions),
)
"""Converters by type of array; the first match is used."""
