"""Content ids of prompts, responses and pairs: the first 24 hex digits (96 bits) of a SHA-256.

Ids depend on content only, not on files, row numbers or the order of rows.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import NotRequired, TypedDict

import orjson

ID_DIGITS = 24
"""Length of an id in hex digits; among 10^9 ids the probability of a collision is below 10^-10."""


class Message(TypedDict):
    """One turn of a conversation."""

    role: str
    content: str
    tool_calls: NotRequired[str | None]
    """JSON text of the tool calls of an assistant turn: a list of objects with ``id``, ``type`` and
    ``function`` (``name``, and ``arguments`` as text)."""
    tool_call_id: NotRequired[str | None]
    """Id of the call whose result a tool turn holds."""
    name: NotRequired[str | None]
    """Name of the tool whose result a tool turn holds."""


TOOL_PARTS = ("tool_calls", "tool_call_id", "name")
"""Optional fields of a message that concern tools."""


def _digest(parts: Iterable[object]) -> str:
    return sha256(orjson.dumps(list(parts))).hexdigest()[:ID_DIGITS]


def tool_parts(message: Message) -> dict[str, str]:
    """Return the fields of a message that concern tools and are not null; empty for most."""
    if len(message) == 2:  # noqa: PLR2004 - a role and a content, as almost all have
        return {}
    parts = {
        "tool_calls": message.get("tool_calls"),
        "tool_call_id": message.get("tool_call_id"),
        "name": message.get("name"),
    }
    return {key: value for key, value in parts.items() if value is not None}


def _canonical(messages: Sequence[Message]) -> list[list[object]]:
    """Return what is hashed; messages without tools hash as they did before tools were read."""
    return [
        [message["role"], message["content"], *([parts] if (parts := tool_parts(message)) else [])]
        for message in messages
    ]


def prompt_id(messages: Sequence[Message], tools: str | None = None) -> str:
    """Return the id of a prompt: a hash of its messages and of the tools that it offers.

    Args:
        messages: The turns; roles, contents and tool calls are hashed.
        tools: JSON text of a list of tools; null where there are none.
    """
    return _digest(["prompt", _canonical(messages), *([] if tools is None else [tools])])


def response_id(prompt: str, completion: Sequence[Message]) -> str:
    """Return the id of a response: a hash of its prompt's id and its own messages."""
    return _digest(["response", prompt, _canonical(completion)])


def pair_id(first: str, second: str) -> str:
    """Return the id of an unordered pair of responses; the order of the arguments has no effect."""
    return _digest(["pair", *sorted((first, second))])


def hash_unit(seed: int, purpose: str, key: str) -> float:
    """Return a pseudo-random number in [0, 1) that depends on the arguments only.

    Shuffles, splits and folds use it, so that they are the same for any order of the rows, on any
    machine and with any number of workers.
    """
    digest = sha256(f"{seed}/{purpose}/{key}".encode()).digest()
    return int.from_bytes(digest[:7], "big") / (1 << 56)


def shard_of(prompt: str, num_shards: int) -> int:
    """Return the number of the shard that holds all rows of a prompt."""
    return int(prompt[:12], 16) % num_shards


def text_of(messages: Sequence[Message]) -> str:
    """Return the contents of messages, separated by blank lines; tool calls are left out."""
    return "\n\n".join(message["content"] for message in messages)
