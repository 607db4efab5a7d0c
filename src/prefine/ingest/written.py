"""Read messages that a row holds as text: JSON, or the Python ``repr`` of a list."""

from typing import Any

from prefine.ingest.literals import parsed_text
from prefine.ingest.record import Reason, RowError
from prefine.settings.json import Json, is_array, is_object

_SPELLINGS = (("role", "content"), ("from", "value"))
_PARTNERS = (("chosen", "rejected"), ("rejected", "chosen"))
_MAX_CHARS = 2**24
"""A longer text is not tried: parsing Python's spelling takes many times its size."""


def structured(row: Json) -> Json:
    """Return a row in which texts that hold messages are lists of messages.

    Args:
        row: A raw row; it is not changed.

    Raises:
        RowError: Only one of ``chosen`` and ``rejected`` holds messages as text.
    """
    found = {key: turns for key, value in row.items() if (turns := _messages(value)) is not None}
    if not found:
        return row
    for key, partner in _PARTNERS:
        if key in found and partner not in found and isinstance(row.get(partner), str):
            detail = f"`{key}` holds messages as JSON text and `{partner}` does not"
            raise RowError(Reason.MESSAGES_AS_TEXT, detail)
    return {**row, **found}


def parsed_list(value: object) -> list[Any] | None:
    """Return the list that a text holds as JSON or in Python's spelling; null if it holds none."""
    if not isinstance(value, str) or len(value) > _MAX_CHARS:
        return None
    found = parsed_text(value)
    return found if is_array(found) else None


def _messages(value: object) -> list[Any] | None:
    """Return the messages that a text holds; null if it is anything else."""
    if not isinstance(value, str) or value[:200].lstrip()[:1] != "[" or "{" not in value[:200]:
        return None
    turns = parsed_list(value)
    return turns if turns and all(_is_message(turn) for turn in turns) else None


def _is_message(turn: object) -> bool:
    return is_object(turn) and any(
        isinstance(turn.get(role), str) and (content in turn or "tool_calls" in turn)
        for role, content in _SPELLINGS
    )
