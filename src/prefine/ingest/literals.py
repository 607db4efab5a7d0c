"""Read a list or an object that a row holds as text: as JSON, or as Python prints it."""

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
"""What the letter after a backslash stands for."""


def parsed_text(value: object) -> Any:
    """Return the list or object that a text holds; null where it holds neither.

    ``ast.literal_eval`` is not used: it warns about what it reads, with the text in the warning.
    """
    if not isinstance(value, str) or value.lstrip()[:1] not in {"[", "{"}:
        return None
    try:
        found: object = orjson.loads(value.encode("utf-8", "surrogatepass"))
    except orjson.JSONDecodeError:
        found = _python(value)
    return found if is_array(found) or is_object(found) else None


def as_list(value: object) -> Any:
    """Return the list that a text holds; any other value, and any other text, as it is."""
    held = parsed_text(value)
    return held if is_array(held) else value


def _python(value: str) -> object:
    """Rewrite a Python literal as JSON, token by token, and parse that."""
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
    """Decode one escape; one that Python does not know stays as it is."""
    if escape["one"] is not None:
        return _LETTERS.get(escape["one"], escape[0])
    code = int(escape["x"] or escape["u"] or escape["U"], 16)
    return chr(code) if code <= 0x10FFFF else escape[0]  # noqa: PLR2004 - the last code point
