"""Content ids of prompts, responses and pairs: 24 hex digits (96 bits) of a SHA-256.

They do not depend on a file, a row number or the order of rows.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import NotRequired, TypedDict

import orjson

ID_DIGITS = 24
"""Length of an id in hex digits; at 10^9 rows two ids collide with a chance below 10^-10."""


class Message(TypedDict):
    """One turn of a conversation."""

    role: str
    content: str
    tool_calls: NotRequired[str | None]
    """JSON text of the calls of an assistant turn: a list of objects ``id``, ``type``, and
    ``function`` with ``name`` and ``arguments``, which are a text."""
    tool_call_id: NotRequired[str | None]
    """Which call a tool turn is the result of."""
    name: NotRequired[str | None]
    """Which tool a tool turn is the result of."""


TOOL_PARTS = ("tool_calls", "tool_call_id", "name")
"""What a message may have of tools beside its content."""


def _digest(parts: Iterable[object]) -> str:
    return sha256(orjson.dumps(list(parts))).hexdigest()[:ID_DIGITS]


def tool_parts(message: Message) -> dict[str, str]:
    """Return what a message has of tools beside its content: nothing for most."""
    if len(message) == 2:  # noqa: PLR2004 - a role and a content, as almost all have
        return {}
    parts = {
        "tool_calls": message.get("tool_calls"),
        "tool_call_id": message.get("tool_call_id"),
        "name": message.get("name"),
    }
    return {key: value for key, value in parts.items() if value is not None}


def _canonical(messages: Sequence[Message]) -> list[list[object]]:
    """Return what is hashed of messages: those without tools have the ids that they always had."""
    return [
        [message["role"], message["content"], *([parts] if (parts := tool_parts(message)) else [])]
        for message in messages
    ]


def prompt_id(messages: Sequence[Message], tools: str | None = None) -> str:
    """Name a prompt by its messages, with roles, contents and tool calls, and by its tools.

    Args:
        messages: The turns.
        tools: JSON text of a list of tools; two tasks with different ones are two prompts.
    """
    return _digest(["prompt", _canonical(messages), *([] if tools is None else [tools])])


def response_id(prompt: str, completion: Sequence[Message]) -> str:
    """Name a response by the id of its prompt and its own messages."""
    return _digest(["response", prompt, _canonical(completion)])


def pair_id(first: str, second: str) -> str:
    """Name an unordered couple of responses: swapping the two response ids changes nothing."""
    return _digest(["pair", *sorted((first, second))])


def hash_unit(seed: int, purpose: str, key: str) -> float:
    """Return a number in [0, 1) that depends on nothing but its arguments.

    Shuffles, splits and folds draw their randomness here, so that they are the same in any order,
    on any machine, under any number of workers.
    """
    digest = sha256(f"{seed}/{purpose}/{key}".encode()).digest()
    return int.from_bytes(digest[:7], "big") / (1 << 56)


def shard_of(prompt: str, num_shards: int) -> int:
    """Return the shard in which all rows of a prompt lie."""
    return int(prompt[:12], 16) % num_shards


def text_of(messages: Sequence[Message]) -> str:
    """Join the contents of messages, one blank line between two turns; tool calls are left out."""
    return "\n\n".join(message["content"] for message in messages)
