"""Split transcripts with ``Human:`` and ``Assistant:`` markers into turns."""

import re

from prefine.ingest.record import Reason, RowError
from prefine.ingest.values import text
from prefine.schema import Message

_SIGN = r"(?:## )?(?:Human|Assistant):"
_MARK = re.compile(rf"(?:^|\n\n)(?:## )?(Human|Assistant):(?: |\n(?!\n{_SIGN}))?")
_ROLES = {"Human": "user", "Assistant": "assistant"}
_FLATTENED = re.compile(r"\n?<extra_id_1>(User|Assistant)\n")
_STARTS = re.compile(r"\s*(?:#{2,3} ?)?<?(?:Human|User|\u7528\u6237)>?[:\uff1a]", re.IGNORECASE)
_ANSWERS = re.compile(
    r"\n\s*(?:#{2,3} ?)?<?(?:Assistant|AI|Bot|Chatbot|\u52a9\u624b)>?[:\uff1a]", re.IGNORECASE
)
_SPLITTABLE = re.compile(r"(?:\n\n)?(?:## )?Human:")
_OPENING = re.compile(r"\n\n(?:## )?Human:")
_ASKS = re.compile(r"\n\n(?:## )?Assistant:[ \n]?\Z")


def is_transcript(text: str) -> bool:
    """Return whether a text is a transcript with ``Human:`` and ``Assistant:`` markers."""
    return bool(_SPLITTABLE.match(text)) and "\n\nAssistant:" in text


def transcript(value: object, what: str) -> list[Message]:
    """Split a transcript at its ``Human:`` and ``Assistant:`` markers.

    One blank or line break after a marker belongs to the marker; other text is unchanged.

    Args:
        value: The raw value.
        what: Name of the value for messages.

    Raises:
        RowError: The value is not a transcript.
    """
    whole = text(value, what)
    marks = list(_MARK.finditer(whole))
    if not marks or whole[: marks[0].start()].strip():
        raise RowError(Reason.NOT_A_TRANSCRIPT, f"`{what}` does not start with `Human:`")
    ends = [mark.start() for mark in marks[1:]] + [len(whole)]
    return [
        Message(role=_ROLES[mark[1]], content=whole[mark.end() : end])
        for mark, end in zip(marks, ends, strict=True)
    ]


def transcript_prompt(prompt: str) -> list[Message] | None:
    """Split a prompt that is a transcript and ends where the assistant responds.

    Returns:
        The turns before the response, or None if the prompt is not a transcript.

    Raises:
        RowError: The prompt looks like a transcript and cannot be split unambiguously.
    """
    asks = bool(_ASKS.search(prompt[-40:]))
    if _OPENING.match(prompt) or (_SPLITTABLE.match(prompt) and asks):
        turns = transcript(prompt, "prompt")
        turns = turns[:-1] if asks else turns
        roles = [turn["role"] for turn in turns]
        if roles == [("user", "assistant")[n % 2] for n in range(len(turns))] and len(turns) % 2:
            return turns
    opened = _OPENING.search(prompt) if asks else None
    # "Continue the dialogue:" asks about a dialogue; any other text may be a system prompt
    has_head = opened is not None and not prompt[: opened.start()].rstrip().endswith(":")
    if has_head or (_STARTS.match(prompt) and _ANSWERS.search(prompt)):
        raise RowError(
            Reason.TRANSCRIPT_IN_PROMPT,
            "`prompt` is a transcript (Human: ... Assistant:) that cannot be split into turns",
        )
    return None


def flattened_prompt(value: object) -> list[Message]:
    """Split a prompt whose turns are joined with ``<extra_id_1>User`` and ``Assistant`` markers."""
    first, *others = _FLATTENED.split(text(value, "prompt"))
    turns = [Message(role="user", content=first)]
    for role, content in zip(others[::2], others[1::2], strict=True):
        turns.append(Message(role=role.lower(), content=content))
    return turns
