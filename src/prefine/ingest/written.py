"""Read messages that a row holds as text: JSON, or the Python ``repr`` of a list."""

import re
from typing import Any

from prefine.ingest.literals import parsed_text
from prefine.ingest.messages import role_of
from prefine.ingest.record import Reason, RowError
from prefine.settings.json import Json, is_array, is_object

_MAX_CHARS = 2**24
"""A longer text is not tried: parsing Python's spelling takes many times its size."""
_BEGINNING = re.compile(
    r"""\s*(?:array\(\s*)?(?P<list>\[\s*)?\{\s*["'](?:role|from|content|value|messages)["']\s*:"""
)
_FIRST = frozenset("[{a \n\r\t")
"""What a text may begin with that holds messages; most texts begin otherwise."""
_COUPLES = (
    ("chosen", "rejected"),
    ("response_j", "response_k"),
    *(
        (f"{stem}{a}", f"{stem}{b}")
        for stem in ("response", "output", "answer", "completion")
        for a, b in (("_a", "_b"), ("_A", "_B"), ("_1", "_2"), ("_0", "_1"), ("1", "2"))
    ),
)
"""Columns of two responses, of which both or none hold messages as text."""


def structured(row: Json) -> Json:
    """Return a row in which texts that hold messages are lists of messages.

    Args:
        row: A raw row; it is not changed.

    Raises:
        RowError: A text begins like messages and cannot be read, or only one of two responses
            holds messages as text.
    """
    found = {key: turns for key, value in row.items() if (turns := _held(value, key)) is not None}
    if not found:
        return row
    for one, other in _COUPLES:
        for key, partner in ((one, other), (other, one)):
            if key in found and partner not in found and isinstance(row.get(partner), str):
                detail = f"`{key}` holds messages as JSON text and `{partner}` does not"
                raise RowError(Reason.MESSAGES_AS_TEXT, detail)
    return {**row, **found}


def _held(value: object, key: str) -> list[Any] | None:
    """Return the messages that a column holds as text, or as a list of texts; else null."""
    if isinstance(value, str):
        return _messages(value, key) if value[:1] in _FIRST else None
    if is_array(value) and value and all(isinstance(item, str) for item in value):
        read = [_messages(str(item), key) for item in value]
        if None not in read:
            return read
    return None


def _messages(value: str, key: str) -> list[Any] | None:
    """Return the messages that a text holds; null if it is anything else.

    Raises:
        RowError: It begins like a list of messages, and is not one that can be read.
    """
    begins = _BEGINNING.match(value)
    if begins is None or len(value) > _MAX_CHARS:
        return None
    found = parsed_text(value)
    if found is None and (begins["list"] or value.lstrip().startswith("array")):
        detail = f"`{key}` begins like messages written as text, and cannot be read as JSON"
        raise RowError(Reason.MESSAGES_AS_TEXT, detail)
    if is_object(found):
        held: object = found["messages"] if set(found) == {"messages"} else [found]
    else:
        held = found
    is_read = is_array(held) and bool(held) and all(map(_is_message, held))
    return held if is_read and is_array(held) else None


def _is_message(turn: object) -> bool:
    if not is_object(turn) or role_of(turn) is None:
        return False
    return bool({"content", "value", "tool_calls"} & turn.keys())
