"""Split prompts and conversations that are written as one text."""

import re

from prefine.ingest.record import Reason, RowError
from prefine.ingest.values import text
from prefine.schema import Message

_MARK = re.compile(r"(?:^|\n\n)(?:## )?(Human|Assistant):[ \n]?")
_ROLES = {"Human": "user", "Assistant": "assistant"}
_FLATTENED = re.compile(r"\n?<extra_id_1>(User|Assistant)\n")


def transcript(value: object, what: str) -> list[Message]:
    """Split a transcript at its ``Human:`` and ``Assistant:`` marks."""
    whole = text(value, what)
    marks = list(_MARK.finditer(whole))
    if not marks or whole[: marks[0].start()].strip():
        raise RowError(Reason.NOT_A_TRANSCRIPT, f"`{what}` does not start with a Human mark")
    ends = [mark.start() for mark in marks[1:]] + [len(whole)]
    return [
        Message(role=_ROLES[mark[1]], content=whole[mark.end() : end].rstrip("\n"))
        for mark, end in zip(marks, ends, strict=True)
    ]


def flattened_prompt(value: object) -> list[Message]:
    """Split a prompt whose turns were joined with ``<extra_id_1>User`` and ``Assistant`` marks."""
    first, *rest = _FLATTENED.split(text(value, "prompt"))
    turns = [Message(role="user", content=first)]
    for role, content in zip(rest[::2], rest[1::2], strict=True):
        turns.append(Message(role=role.lower(), content=content))
    return turns
