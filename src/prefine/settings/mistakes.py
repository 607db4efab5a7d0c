"""Messages about invalid settings: what was found, and what was expected."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from prefine.settings.names import listed, nearest

Item = Mapping[str, Any]
"""One error of a ``ValidationError``, as ``errors()`` returns it."""

_MAX_SHOWN = 60
"""Maximum number of characters of a text in a message."""

_WHOLE = "a whole number"
_NUMBER = "a number"
_TEXT = "text"
_LIST = "a list, such as [VALUE]"
_MAPPING = "a mapping, such as {KEY: VALUE}"
_NUMBERS = frozenset({_WHOLE, _NUMBER})

_WANTED: Mapping[str, str] = {
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), _WHOLE),
    "int_parsing_size": "a whole number of at most 64 bits",
    **dict.fromkeys(("float_type", "float_parsing"), _NUMBER),
    "finite_number": "a finite number",
    **dict.fromkeys(("string_type", "string_sub_type"), _TEXT),
    "string_unicode": "text that is valid Unicode",
    **dict.fromkeys(("tuple_type", "list_type", "set_type", "frozen_set_type"), _LIST),
    **dict.fromkeys(("iterable_type", "iteration_error"), _LIST),
    **dict.fromkeys(("dict_type", "mapping_type", "model_type", "model_attributes_type"), _MAPPING),
    **dict.fromkeys(("dataclass_type", "is_instance_of"), _MAPPING),
    "none_required": "nothing (null)",
    "invalid_key": "text as the key; put it in quotes",
    "recursion_loop": "a value that does not contain itself",
}
"""Expected value, by the type of an error that states nothing more."""

_PATTERNS: Mapping[str, str] = {
    r"^[a-z][a-z0-9_]*$": "a name of lower-case letters, digits and underscores that begins with "
    "a letter",
    r'[^"\r\n]': "one character that is not a quotation mark or a line break",
}
"""Texts that match a pattern, in words."""

_BOUNDS: Mapping[str, tuple[str, str]] = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("more than", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("less than", "lt"),
}


def shown(value: object) -> str:
    """Return a value for a message: as YAML, with its type."""
    if value is None or isinstance(value, bool):
        return "nothing (null)" if value is None else f"`{str(value).lower()}`"
    if isinstance(value, int | float):
        return f"the number {_number(value)}"
    if isinstance(value, str):
        cut = value if len(value) <= _MAX_SHOWN else f"{value[:_MAX_SHOWN]}..."
        return f"the text `{' '.join(cut.split())}`" if cut.strip() else "an empty text"
    if isinstance(value, list | tuple | dict):
        kind = "mapping" if isinstance(value, dict) else "list"
        return f"a {kind}" if value else f"an empty {kind}"
    return f"the date {value}" if isinstance(value, date) else "a value of another type"


def _number(value: float) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return {math.inf: ".inf", -math.inf: "-.inf"}.get(value, ".nan")
    text = f"{value:g}" if isinstance(value, float) or abs(value) >= 10**24 else str(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."


def sentence_of(items: Sequence[Item]) -> str:
    """Return one sentence about an invalid setting.

    Args:
        items: The errors of one location; several if the setting has several types.
    """
    for item in items:
        if (text := _whole_sentence(item)) is not None:
            return text
    wanted = list(dict.fromkeys(_wanted(item) for item in items))
    value = items[0].get("input")
    if (
        isinstance(value, str)
        and _NUMBERS & {*wanted}
        and _TEXT not in wanted
        and not items[0]["type"].endswith("parsing")
        and _is_number(value)
    ):
        return f"found {shown(value)}; expected {_joined(wanted)}: write it without quotes"
    hint = ""
    if _TEXT in wanted and isinstance(value, bool | int | float | date):
        hint = "; put it in quotes"
    elif value is None:
        hint = ", or leave out the key"
    found = shown(value)
    if items[0]["type"] == "invalid_key":
        found = f"the key {shown(value)}"
    return f"found {found}; expected {_joined(wanted)}{hint}"


def _whole_sentence(item: Item) -> str | None:
    """Return the sentence about an error that another type of value would not fix; else null."""
    kind = item["type"]
    if kind in {"value_error", "assertion_error"}:
        return _own(item)
    if kind == "missing":
        return f"the required key `{item['loc'][-1]}` is missing"
    if kind == "union_tag_not_found":
        key = str(_context(item).get("discriminator", "kind")).strip("'")
        return f"the required key `{key}` is missing"
    if kind == "union_tag_invalid":
        context = _context(item)
        key = str(context["discriminator"]).strip("'")
        return _choice(key, str(context["tag"]), _options(str(context["expected_tags"])))
    if kind == "extra_forbidden":
        return f"unknown key `{item['loc'][-1]}`"
    return _near_choice(item) if kind in {"literal_error", "enum"} else None


def _own(item: Item) -> str:
    """Return the sentence of an error that prefine raised, with the value if it is short."""
    text = str(_context(item).get("error", "")) or "this value cannot be used here"
    value = item.get("input")
    alone = isinstance(value, str | int | float) and "found" not in text and "`" not in text
    return f"found {shown(value)}; {text}" if alone else text


def _choice(key: str, name: str, options: Sequence[str]) -> str:
    close = nearest(name, options)
    if close is not None:
        return f"no {key} `{name[:_MAX_SHOWN]}`; did you mean `{close}`?"
    return f"no {key} `{name[:_MAX_SHOWN]}`; expected one of: {listed(options)}"


def _options(expected: str) -> list[str]:
    """Return the values that an error lists: quoted, or separated by commas and ``or``."""
    quoted = re.findall(r"'([^']*)'", expected)
    return quoted or re.split(r", | or ", expected)


def _context(item: Item) -> Mapping[str, Any]:
    return item.get("ctx") or {}


def _wanted(item: Item) -> str:
    """Return the expected value."""
    kind = item["type"]
    if kind in _BOUNDS:
        word, key = _BOUNDS[kind]
        return f"a number of {word} {_number(_context(item)[key])}"
    if kind in _SPECIFIC:
        return _SPECIFIC[kind](item)
    if _WANTED.get(kind) == _LIST and _is_plain(item.get("input")):
        return f"a list: [{item['input']}]"
    return _WANTED.get(kind, "another value; see the reference of settings")


def _near_choice(item: Item) -> str | None:
    """Return the sentence about a misspelt choice; null if no choice is similar."""
    value = item.get("input")
    options = _options(str(_context(item)["expected"]))
    close = nearest(value, options) if isinstance(value, str) else None
    return None if close is None else f"found {shown(value)}; did you mean `{close}`?"


def _of_choices(item: Item) -> str:
    options = _options(str(_context(item)["expected"]))
    return f"one of: {listed(options)}" if len(options) > 1 else f"`{options[0]}`"


def _of_pattern(item: Item) -> str:
    pattern = str(_context(item)["pattern"])
    return _PATTERNS.get(pattern, f"text that matches `{pattern}`")


def _of_length(item: Item, word: str, key: str) -> str:
    number = _context(item)[key]
    return f"{word} {number} {'item' if number == 1 else 'items'}"


def _of_chars(item: Item, word: str, key: str) -> str:
    number = _context(item)[key]
    return f"text of {word} {number} {'character' if number == 1 else 'characters'}"


_SPECIFIC: Mapping[str, Callable[[Item], str]] = {
    "literal_error": _of_choices,
    "enum": _of_choices,
    "string_pattern_mismatch": _of_pattern,
    "too_short": lambda item: _of_length(item, "at least", "min_length"),
    "too_long": lambda item: _of_length(item, "at most", "max_length"),
    "string_too_short": lambda item: _of_chars(item, "at least", "min_length"),
    "string_too_long": lambda item: _of_chars(item, "at most", "max_length"),
    "multiple_of": lambda item: f"a multiple of {_number(_context(item)['multiple_of'])}",
}


def _joined(wanted: Sequence[str]) -> str:
    return wanted[0] if len(wanted) == 1 else f"{', '.join(wanted[:-1])} or {wanted[-1]}"


def _is_plain(value: object) -> bool:
    """Return whether a value is a short text that needs no quotes in YAML."""
    return isinstance(value, str) and bool(re.fullmatch(r"[\w./*-]{1,40}", value))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
