"""Sides of a pair that are no responses: they name the column or the item that holds one."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from prefine.ingest.literals import parsed_text
from prefine.settings.json import Json, is_array, is_object

_MAX_CHARS = 100
"""A longer side is a response; a name or an id is shorter."""
_MAX_PARSED = 2**20
_TOKEN = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_]+")
_CHOICE = re.compile(
    r"\s*[(\[]?(?:(?:response|answer|output|completion|candidate|option|model|assistant|text"
    r"|choice|generation|side)[ _-]?)?(\d{1,3}|[a-z])[)\].:]?\s*",
    re.IGNORECASE,
)
_IDS = frozenset({"model", "id", "name", "generator", "key", "label", "system", "engine"})
"""Words in the names of columns that identify a response without holding it."""
_TEXTS = frozenset(
    {
        *("text", "content", "response", "answer", "output", "completion", "generation"),
        *("message", "value", "body"),
    }
)
"""Fields of an object that hold a response."""

_Tokens = tuple[str, ...]


def pointed_at(row: Json, sides: tuple[str, str], prompts: Collection[str]) -> str | None:
    """Return the column that the sides of a pair point at; null where they are responses.

    One side is enough where it is the name of a column in several words (``response_a``), or the
    number or letter in the name of a column that has a sibling (``A`` beside ``text_a`` and
    ``text_b``). Other words, ids and places in a list count where both sides are such.

    Args:
        row: A raw row.
        sides: The columns of both sides.
        prompts: Columns that hold the prompt or a part of it; a side never points at these.
    """
    values = [value for name in sides if (value := _short(row.get(name))) is not None]
    if not values:
        return None
    skipped = {*sides, *prompts}
    columns = {name: value for name, value in row.items() if name not in skipped}
    both = (values[0], values[1]) if len(values) == len(sides) else None
    if found := _in_object(columns, values, both):
        return found
    for name, value in columns.items():
        held = _parsed(value)
        if is_object(held) and _in_object(held, values, both):
            return name
        if is_array(held) and both and _in_list(held, name, both):
            return name
    return None


def _short(value: object) -> str | None:
    """Return a text that may be a name; null for anything else."""
    return value if isinstance(value, str) and value.strip() and len(value) <= _MAX_CHARS else None


def _parsed(value: object) -> object:
    """Return a list or an object, also one that a text holds."""
    if isinstance(value, str) and value[:1] in {"[", "{"} and len(value) <= _MAX_PARSED:
        return parsed_text(value)
    return value


def _tokens(name: str) -> _Tokens:
    """Return the words and numbers of a name, in lower case."""
    return tuple(token.casefold() for token in _TOKEN.findall(name))


def _in_object(columns: Json, values: Sequence[str], both: tuple[str, str] | None) -> str | None:
    names = {
        _tokens(name): name
        for name, value in columns.items()
        if value is None or isinstance(value, str | dict | list)
    }
    families = _families(names, columns)
    for value in values:
        if found := _named(value, names) or _numbered(value, families):
            return found
    if both is None:
        return None
    return _swapped(both, names, columns) or _placed(both, families) or _identified(both, columns)


def _families(names: Mapping[_Tokens, str], columns: Json) -> list[dict[str, str]]:
    """Return columns whose names differ in one number or letter, by that; at least two of them."""
    found: defaultdict[tuple[_Tokens, _Tokens], dict[str, str]] = defaultdict(dict)
    for tokens, name in names.items():
        for i, token in enumerate(tokens):
            if token.isdecimal() or len(token) == 1:
                found[tokens[:i], tokens[i + 1 :]][token] = name
    return [
        family
        for family in found.values()
        if len(family) > 1 and any(columns[name] for name in family.values())
    ]


def _named(value: str, names: Mapping[_Tokens, str]) -> str | None:
    """Return the column that has a side for its name, which is made of several words."""
    joined = "".join(_tokens(value))
    compound = {"".join(tokens): name for tokens, name in names.items() if len(tokens) > 1}
    return compound.get(joined)


def _numbered(value: str, families: list[dict[str, str]]) -> str | None:
    """Return the column that a number or letter tells from its siblings."""
    choice = _choice(value)
    return next((family[choice] for family in families if choice in family), None)


def _choice(value: str) -> str:
    """Return the number or letter that a side consists of; an empty text if it is more."""
    found = _CHOICE.fullmatch(value)
    return found[1].casefold() if found else ""


def _swapped(both: tuple[str, str], names: Mapping[_Tokens, str], columns: Json) -> str | None:
    """Return the column whose name has the first side where another column has the second."""
    first, second = map(_tokens, both)
    if not first or not second or first == second:
        return None
    for tokens, name in names.items():
        for rest in _without(tokens, first):
            other = names.get((*rest[0], *second, *rest[1]))
            if other is not None and (columns[name] or columns[other]):
                return name
    return None


def _without(tokens: _Tokens, part: _Tokens) -> Iterator[tuple[_Tokens, _Tokens]]:
    for start in range(len(tokens) - len(part) + 1):
        if tokens[start : start + len(part)] == part:
            yield tokens[:start], tokens[start + len(part) :]


def _placed(both: tuple[str, str], families: list[dict[str, str]]) -> str | None:
    """Return a column of several that both sides count: ``1`` and ``2`` for a and b."""
    place = _last_place(both)
    fitting = (family for family in families if place is not None and place <= len(family))
    return next((next(iter(family.values())) for family in fitting), None)


def _last_place(both: tuple[str, str]) -> int | None:
    """Return the greater place that two different numbers or letters name, ``a`` being 1."""
    choices = [_choice(value) for value in both]
    if not all(choices) or choices[0] == choices[1]:
        return None
    return max(int(one) if one.isdecimal() else ord(one) - ord("a") + 1 for one in choices)


def _identified(both: tuple[str, str], columns: Json) -> str | None:
    """Return the column that holds the first side as a name, where another holds the second."""
    ids = {name: value for name, value in columns.items() if _IDS & set(_tokens(name))}
    held = {str(value).strip(): name for name, value in ids.items() if _is_id(value)}
    first, second = (value.strip() for value in both)
    return held[first] if first != second and {first, second} <= held.keys() else None


def _is_id(value: object) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _in_list(items: list[Any], name: str, both: tuple[str, str]) -> bool:
    """Tell whether both sides are places in a list of responses, or ids of its items."""
    if any(is_object(item) and {"role", "from"} & item.keys() for item in items):
        return False
    wanted = {value.strip() for value in both}
    if len(wanted) == 1:
        return False
    place = _last_place(both)
    in_range = place is not None and place <= len(items)
    if any(is_object(item) for item in items):
        return in_range or any(wanted <= found for found in _fields(items).values())
    words = {str(item).strip() for item in items}
    if wanted <= words and _IDS & {token.removesuffix("s") for token in _tokens(name)}:
        return True
    return in_range and any(isinstance(item, str) and " " in item.strip() for item in items)


def _fields(items: list[Any]) -> dict[str, set[str]]:
    """Return the values of each field that names the objects of a list."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for item in filter(is_object, items):
        for field, value in item.items():
            if field not in _TEXTS and _is_id(value):
                found[field].add(str(value).strip())
    return found
