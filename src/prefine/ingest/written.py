"""Parse messages that a row holds as text: JSON, or the Python ``repr`` of a list."""

import re
from typing import Any

from prefine.ingest.literals import parsed_text
from prefine.ingest.messages import role_of
from prefine.ingest.record import Reason, RowError
from prefine.settings.json import Json, is_array, is_object

_MAX_CHARS = 2**24
"""Maximum length of parsed text: parsing a Python literal takes many times its size."""
_BEGINNING = re.compile(
    r"""\s*(?:array\(\s*)?(?P<list>\[\s*)?\{\s*["'](?:role|from|content|value|messages)["']\s*:"""
)
_FIRST = frozenset("[{a \n\r\t")
"""First characters of texts that may hold messages, for a quick check."""
_RESPONSE_PAIRS = (
    ("chosen", "rejected"),
    ("response_j", "response_k"),
    *(
        (f"{stem}{a}", f"{stem}{b}")
        for stem in ("response", "output", "answer", "completion")
        for a, b in (("_a", "_b"), ("_A", "_B"), ("_1", "_2"), ("_0", "_1"), ("1", "2"))
    ),
)
"""Columns of two responses: both or neither must hold messages as text."""


def structured(row: Json) -> Json:
    """Return a row in which messages written as text are parsed.

    Args:
        row: A raw row; it is not changed.

    Raises:
        RowError: A text begins like messages and cannot be parsed, or only one of two responses
            is messages written as text.
    """
    parsed = {key: turns for key, value in row.items() if (turns := _parse(value, key)) is not None}
    if not parsed:
        return row
    for first, second in _RESPONSE_PAIRS:
        for key, partner in ((first, second), (second, first)):
            if key in parsed and partner not in parsed and isinstance(row.get(partner), str):
                detail = f"`{key}` is messages written as text, but `{partner}` is not"
                raise RowError(Reason.MESSAGES_AS_TEXT, detail)
    return {**row, **parsed}


def _parse(value: object, key: str) -> list[Any] | None:
    """Return the messages that a string, or a list of strings, represents; otherwise None."""
    if isinstance(value, str):
        return _messages(value, key) if value[:1] in _FIRST else None
    if is_array(value) and value and all(isinstance(item, str) for item in value):
        items = [_messages(str(item), key) for item in value]
        if None not in items:
            return items
    return None


def _messages(value: str, key: str) -> list[Any] | None:
    """Return the messages that a string represents, or None if it is anything else.

    Raises:
        RowError: The string begins like a list of messages and cannot be parsed.
    """
    beginning = _BEGINNING.match(value)
    if beginning is None or len(value) > _MAX_CHARS:
        return None
    parsed = parsed_text(value)
    if parsed is None and (beginning["list"] or value.lstrip().startswith("array")):
        detail = (
            f"`{key}` begins like messages written as text, but is neither JSON nor a "
            "Python literal; write it with `json.dumps`"
        )
        raise RowError(Reason.MESSAGES_AS_TEXT, detail)
    if is_object(parsed):
        turns: object = parsed["messages"] if set(parsed) == {"messages"} else [parsed]
    else:
        turns = parsed
    are_messages = is_array(turns) and bool(turns) and all(map(_is_message, turns))
    return turns if are_messages and is_array(turns) else None


def _is_message(turn: object) -> bool:
    if not is_object(turn) or role_of(turn) is None:
        return False
    return bool({"content", "value", "tool_calls"} & turn.keys())
