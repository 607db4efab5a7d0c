"""Match raw values with the spellings in a recipe, such as ``True``, ``1.0`` and `` Tie``."""

import math
import re
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache

_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_TRUTHS = ({"true", "yes", "1"}, {"false", "no", "0"})
"""Spellings of true and of false."""
_NUM_MAPS = 512
"""Number of cached lists of spellings; a recipe has a few."""


def spelled(value: object) -> str:
    """Return a raw value as a recipe writes it: ``true``, ``1`` for 1.0."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def is_null(value: object) -> bool:
    """Return whether a raw value is null or NaN, which data frames use for missing text."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def is_blank(value: object) -> bool:
    """Return whether a raw value is null, NaN or a blank string."""
    return is_null(value) or (isinstance(value, str) and not value.strip())


def find_spelling(value: object, keys: tuple[str, ...]) -> str | None:
    """Return the key that a raw value is a spelling of, or None.

    Case and surrounding blanks are ignored, unless two keys differ only in these. An integer
    matches with and without ``.0``. Of the spellings of booleans, ``true``, ``yes`` and ``1`` match
    each other if no other number is among the keys.

    Args:
        value: The raw value.
        keys: The spellings that a recipe lists.
    """
    raw = spelled(value).strip()
    if raw in keys:
        return raw
    index = _index(keys)
    plain = _plain(raw)
    if plain in index:
        return index[plain]
    if any(_NUMBER.fullmatch(key) and key not in {"0", "1"} for key in index):
        return None
    same = [key for words in _TRUTHS if plain in words for key in words & index.keys()]
    return index[same[0]] if len(same) == 1 else None


def spell_keys(values: object) -> object:
    """Convert the keys of a mapping that YAML parses as numbers or booleans to strings."""
    if not isinstance(values, Mapping):
        return values
    items: list[tuple[object, object]] = list(values.items())  # pyright: ignore[reportUnknownArgumentType]
    by_spelling: dict[object, object] = {}
    for key, value in items:
        name = spelled(key) if isinstance(key, bool | int | float) else key
        if name in by_spelling:
            raise ValueError(f"`{name}` is listed twice")
        by_spelling[name] = value
    return by_spelling


@lru_cache(maxsize=_NUM_MAPS)
def _index(keys: tuple[str, ...]) -> Mapping[str, str | None]:
    """Return the keys by their plain spelling; None for a spelling that two keys share."""
    index: dict[str, str | None] = {}
    for key in keys:
        index[_plain(key)] = None if _plain(key) in index else key
    return index


def _plain(raw: str) -> str:
    raw = raw.strip().casefold()
    if not _NUMBER.fullmatch(raw):
        return raw
    number = Decimal(raw).normalize()
    return format(abs(number) if number == 0 else number, "f")
