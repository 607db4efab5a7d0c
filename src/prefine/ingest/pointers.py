"""Detect sides of a pair that refer to a response in another column instead of containing it."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from prefine.ingest.literals import parsed_text
from prefine.settings.json import Json, is_array, is_object

_MAX_CHARS = 100
"""Maximum length of a reference in characters; a longer side is a response."""
_MAX_PARSED = 2**20
_TOKEN = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_]+")
_CHOICE = re.compile(
    r"\s*[(\[]?(?:(?:response|answer|output|completion|candidate|option|model|assistant|text"
    r"|choice|generation|side)[ _-]?)?(\d{1,3}|[a-z])[)\].:]?\s*",
    re.IGNORECASE,
)
_IDS = frozenset({"model", "id", "name", "generator", "key", "label", "system", "engine"})
"""Words in the names of columns that identify a response but do not contain it."""
_TEXTS = frozenset(
    {
        *("text", "content", "response", "answer", "output", "completion", "generation"),
        *("message", "value", "body"),
    }
)
"""Fields of an object that contain a response."""

_Tokens = tuple[str, ...]


def referenced_column(row: Json, sides: tuple[str, str], prompts: Collection[str]) -> str | None:
    """Return the column that the sides of a pair refer to, or None if they are responses.

    One side is enough evidence if it is a column name of several words (``response_a``), or the
    number or letter that distinguishes two columns (``A`` for ``text_a`` and ``text_b``). Other
    words, ids and positions in a list count only if both sides are of this kind.

    Args:
        row: A raw row.
        sides: The columns of both sides.
        prompts: Columns that contain the prompt or a part of it, which are not considered.
    """
    values = [value for name in sides if (value := _short(row.get(name))) is not None]
    if not values:
        return None
    skipped = {*sides, *prompts}
    columns = {name: value for name, value in row.items() if name not in skipped}
    both = (values[0], values[1]) if len(values) == len(sides) else None
    if column := _in_object(columns, values, both):
        return column
    for name, value in columns.items():
        parsed = _parsed(value)
        if is_object(parsed) and _in_object(parsed, values, both):
            return name
        if is_array(parsed) and both and _in_list(parsed, name, both):
            return name
    return None


def _short(value: object) -> str | None:
    """Return a string that is short enough for a reference, or None."""
    return value if isinstance(value, str) and value.strip() and len(value) <= _MAX_CHARS else None


def _parsed(value: object) -> object:
    """Return a value, parsed if it is the text of a list or an object."""
    if isinstance(value, str) and value[:1] in {"[", "{"} and len(value) <= _MAX_PARSED:
        return parsed_text(value)
    return value


def _tokens(name: str) -> _Tokens:
    """Return the words and numbers of a name in lower case."""
    return tuple(token.casefold() for token in _TOKEN.findall(name))


def _in_object(columns: Json, values: Sequence[str], both: tuple[str, str] | None) -> str | None:
    names = {
        _tokens(name): name
        for name, value in columns.items()
        if value is None or isinstance(value, str | dict | list)
    }
    families = _families(names, columns)
    for value in values:
        if column := _match_name(value, names) or _match_number(value, families):
            return column
    if both is None:
        return None
    return (
        _match_words(both, names, columns)
        or _match_positions(both, families)
        or _match_ids(both, columns)
    )


def _families(names: Mapping[_Tokens, str], columns: Json) -> list[dict[str, str]]:
    """Return groups of columns whose names differ in one number or letter, by that token."""
    families: defaultdict[tuple[_Tokens, _Tokens], dict[str, str]] = defaultdict(dict)
    for tokens, name in names.items():
        for i, token in enumerate(tokens):
            if token.isdecimal() or len(token) == 1:
                families[tokens[:i], tokens[i + 1 :]][token] = name
    return [
        family
        for family in families.values()
        if len(family) > 1 and any(columns[name] for name in family.values())
    ]


def _match_name(value: str, names: Mapping[_Tokens, str]) -> str | None:
    """Return the column whose name, of several words, equals a side."""
    joined = "".join(_tokens(value))
    compound = {"".join(tokens): name for tokens, name in names.items() if len(tokens) > 1}
    return compound.get(joined)


def _match_number(value: str, families: list[dict[str, str]]) -> str | None:
    """Return the column of a group that a number or letter stands for."""
    choice = _choice(value)
    return next((family[choice] for family in families if choice in family), None)


def _choice(value: str) -> str:
    """Return the number or letter of a side; empty if the side has further text."""
    match = _CHOICE.fullmatch(value)
    return match[1].casefold() if match else ""


def _match_words(both: tuple[str, str], names: Mapping[_Tokens, str], columns: Json) -> str | None:
    """Return the column whose name contains the first side, if a like name has the second."""
    first, second = map(_tokens, both)
    if not first or not second or first == second:
        return None
    for tokens, name in names.items():
        for before, after in _splits(tokens, first):
            other = names.get((*before, *second, *after))
            if other is not None and (columns[name] or columns[other]):
                return name
    return None


def _splits(tokens: _Tokens, part: _Tokens) -> Iterator[tuple[_Tokens, _Tokens]]:
    """Yield the tokens before and after each occurrence of a part."""
    for start in range(len(tokens) - len(part) + 1):
        if tokens[start : start + len(part)] == part:
            yield tokens[:start], tokens[start + len(part) :]


def _match_positions(both: tuple[str, str], families: list[dict[str, str]]) -> str | None:
    """Return the first column of a group that has both positions: 1 and 2 for a and b."""
    last = _last_position(both)
    fitting = (family for family in families if last is not None and last <= len(family))
    return next((next(iter(family.values())) for family in fitting), None)


def _last_position(both: tuple[str, str]) -> int | None:
    """Return the greater of the positions of two different numbers or letters; ``a`` is 1."""
    choices = [_choice(value) for value in both]
    if not all(choices) or choices[0] == choices[1]:
        return None
    return max(
        int(choice) if choice.isdecimal() else ord(choice) - ord("a") + 1 for choice in choices
    )


def _match_ids(both: tuple[str, str], columns: Json) -> str | None:
    """Return the id column with the first side, if another id column has the second."""
    ids = {name: value for name, value in columns.items() if _IDS & set(_tokens(name))}
    column_of = {str(value).strip(): name for name, value in ids.items() if _is_id(value)}
    first, second = (value.strip() for value in both)
    return column_of[first] if first != second and {first, second} <= column_of.keys() else None


def _is_id(value: object) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _in_list(items: list[Any], name: str, both: tuple[str, str]) -> bool:
    """Return whether both sides are positions in a list of responses, or ids of its items."""
    if any(is_object(item) and {"role", "from"} & item.keys() for item in items):
        return False
    wanted = {value.strip() for value in both}
    if len(wanted) == 1:
        return False
    last = _last_position(both)
    in_range = last is not None and last <= len(items)
    if any(is_object(item) for item in items):
        return in_range or any(wanted <= values for values in _fields(items).values())
    words = {str(item).strip() for item in items}
    if wanted <= words and _IDS & {token.removesuffix("s") for token in _tokens(name)}:
        return True
    return in_range and any(isinstance(item, str) and " " in item.strip() for item in items)


def _fields(items: list[Any]) -> dict[str, set[str]]:
    """Return the values of each field that may identify the objects of a list."""
    values: defaultdict[str, set[str]] = defaultdict(set)
    for item in filter(is_object, items):
        for field, value in item.items():
            if field not in _TEXTS and _is_id(value):
                values[field].add(str(value).strip())
    return values
