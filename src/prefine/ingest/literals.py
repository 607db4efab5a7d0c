"""Parse lists and objects that are written as text: as JSON or as Python literals."""

import json
import re
from typing import Any

import orjson

from prefine.settings.json import is_array, is_object

_TOKEN = re.compile(
    r"""\s+|[\[\]{},:]|(?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
    r"""|(?P<word>None|True|False|nan)\b|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?""",
    re.DOTALL,
)
_WORDS = {"None": "null", "nan": "null", "True": "true", "False": "false"}
_ESCAPE = re.compile(
    r"\\(?:x(?P<x>[0-9a-fA-F]{2})|u(?P<u>[0-9a-fA-F]{4})|U(?P<U>[0-9a-fA-F]{8})|(?P<one>.))",
    re.DOTALL,
)
_LETTERS = dict(zip("abfnrtv0\\'\"", "\a\b\f\n\r\t\v\0\\'\"", strict=True)) | {"\n": ""}
"""Characters by the letter after the backslash of a Python escape."""


def parsed_text(value: object) -> Any:
    """Return the list or object that a string represents, or None if it is neither."""
    # not ast.literal_eval: its warnings about invalid escapes would show the data
    if not isinstance(value, str) or value.lstrip()[:1] not in {"[", "{"}:
        return None
    try:
        parsed: object = orjson.loads(value.encode("utf-8", "surrogatepass"))
    except orjson.JSONDecodeError:
        parsed = _parse_python(value)
    return parsed if is_array(parsed) or is_object(parsed) else None


def as_list(value: object) -> Any:
    """Return the list that a string represents; any other value unchanged."""
    parsed = parsed_text(value)
    return parsed if is_array(parsed) else value


def _parse_python(value: str) -> object:
    """Parse a Python literal by rewriting it as JSON token by token."""
    position, tokens = 0, list[str]()
    while position < len(value):
        token = _TOKEN.match(value, position)
        if token is None or token.end() == position:
            return None
        position = token.end()
        if token["string"] is not None:
            tokens.append(json.dumps(_ESCAPE.sub(_unescaped, token["string"][1:-1])))
        else:
            tokens.append(_WORDS.get(token[0], token[0]))
    try:
        return orjson.loads("".join(tokens))
    except orjson.JSONDecodeError:
        return None


def _unescaped(escape: re.Match[str]) -> str:
    """Decode one escape; unknown escapes are unchanged."""
    if escape["one"] is not None:
        return _LETTERS.get(escape["one"], escape[0])
    code = int(escape["x"] or escape["u"] or escape["U"], 16)
    return chr(code) if code <= 0x10FFFF else escape[0]  # noqa: PLR2004 - the last code point
