"""Parse prompts and responses: strings, messages, and contents made of typed text parts."""

from collections.abc import Sequence

from prefine.ingest.record import Reason, RowError
from prefine.ingest.tools import calls_of
from prefine.ingest.values import text, type_name
from prefine.schema import Message
from prefine.settings.json import Json, is_array, is_object

_ROLES = {
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "chatbot": "assistant",
    "model": "assistant",
    "llm": "assistant",
    "system": "system",
    "developer": "system",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
}
_BEYOND_TEXT = (
    *("function_call", "thinking", "reasoning", "reasoning_content"),
    *("images", "image", "image_url"),
    *("audio", "audios", "video", "videos", "tools", "functions", "documents", "attachments"),
)
"""Parts of a message that are not text: without them, two responses may look the same."""
_PLAIN = frozenset({"role", "content", "from", "value"})
_OF_TOOLS = {"tool_calls": "assistant", "tool_call_id": "tool", "name": "tool"}
"""Parts of a message about tools, and the role that may have each."""


def messages(value: object, what: str) -> list[Message]:
    """Parse a list of messages with ``role`` and ``content``, or with ``from`` and ``value``.

    Tool calls are parsed in any case; ``require_no_tools`` refuses them if the source does not
    keep them.

    Args:
        value: The raw value.
        what: Name of the value for messages.

    Raises:
        RowError: The value is not a list of messages, or a message has an unknown role, content
            that is not text, or neither content nor tool calls.
    """
    if not is_array(value) or not value:
        raise RowError(Reason.WRONG_TYPE, f"`{what}` is {type_name(value)}, not a list of messages")
    return [_message(item, f"{what}[{index}]") for index, item in enumerate(value)]


def role_of(message: Json) -> str | None:
    """Return the role of a message as stored in tables, or None if it is unknown."""
    raw = message.get("role", message.get("from"))
    return _ROLES.get(raw.strip().lower()) if isinstance(raw, str) else None


def _message(value: object, what: str) -> Message:
    if not is_object(value):
        raise RowError(Reason.WRONG_TYPE, f"`{what}` is {type_name(value)}, not a message")
    role = role_of(value)
    if role is None:
        raw = value.get("role", value.get("from"))
        detail = f"`{what}` has the unknown role {str(raw)[:40]!r}"
        raise RowError(Reason.UNKNOWN_ROLE, detail)
    message: Message = {"role": role, "content": ""}
    if not value.keys() <= _PLAIN:
        _require_text(value, role, what)
        _add_tool_parts(message, value, what)
    raw = value.get("content", value.get("value"))
    if raw is not None or "tool_calls" not in message:
        message["content"] = content(raw, what)
    return message


def _require_text(value: Json, role: str, what: str) -> None:
    """Refuse a message with parts that are not text."""
    parts = [key for key in _BEYOND_TEXT if value.get(key)]
    parts += [key for key, owner in _OF_TOOLS.items() if value.get(key) and role != owner]
    if parts:
        raise _not_text(what, parts)


def _not_text(what: str, parts: Sequence[str]) -> RowError:
    detail = f"`{what}` has content that is not text: {', '.join(parts)}"
    return RowError(Reason.NOT_TEXT_CONTENT, detail)


def _add_tool_parts(message: Message, value: Json, what: str) -> None:
    """Add the tool calls of an assistant turn, or the id and name of a tool result."""
    role = message["role"]
    if role == "assistant" and (calls := calls_of(value.get("tool_calls"), f"{what}.tool_calls")):
        message["tool_calls"] = calls
    if role == "tool" and value.get("tool_call_id"):
        message["tool_call_id"] = text(value["tool_call_id"], f"{what}.tool_call_id")
    if role == "tool" and value.get("name"):
        message["name"] = text(value["name"], f"{what}.name")


def with_content(message: Message, content: str) -> Message:
    """Return a copy of a message with another content."""
    changed = message.copy()
    changed["content"] = content
    return changed


def content(value: object, what: str) -> str:
    """Parse the content of a message: a string, or text parts, which are joined.

    Args:
        value: The raw value.
        what: Name of the message for error messages.

    Raises:
        RowError: The content is not text.
    """
    if is_array(value):
        return "".join(_text_part(item, what) for item in value)
    if is_object(value):
        return _text_part(value, what)
    return text(value, what, Reason.NOT_TEXT_CONTENT)


def _text_part(value: object, what: str) -> str:
    if isinstance(value, str):
        return value
    if not is_object(value) or value.get("type", "text") != "text":
        kind = value.get("type") if is_object(value) else type_name(value)
        detail = f"`{what}` has a content part of type {kind!s:.40}, not text"
        raise RowError(Reason.NOT_TEXT_CONTENT, detail)
    if parts := [key for key in _BEYOND_TEXT if value.get(key)]:
        raise _not_text(what, parts)
    raw = value.get("text")
    return text(value.get("value") if raw is None else raw, what, Reason.NOT_TEXT_CONTENT)


def is_conversation(value: object) -> bool:
    """Return whether a value looks like a list of at least two messages."""
    return is_array(value) and len(value) > 1 and is_object(value[0])


def prompt_of(value: object, what: str, system: str | None = None) -> list[Message]:
    """Parse a prompt: a string, which becomes a user turn, or a list of messages.

    Args:
        value: The raw value.
        what: Name of the value for messages.
        system: A system prompt that is put before the turns.

    Raises:
        RowError: The value is not a prompt.
    """
    turns = messages(value, what) if is_array(value) else None
    if turns is None:
        turns = [Message(role="user", content=text(value, what))]
    if system:
        turns = [Message(role="system", content=system), *turns]
    return turns


def response_of(value: object, what: str) -> list[Message]:
    """Parse a response: a string, a message, a list of messages, or an object with ``answer``.

    Args:
        value: The raw value.
        what: Name of the value for messages.

    Raises:
        RowError: The value is null or not a response.
    """
    if value is None:
        raise RowError(Reason.RESPONSE_MISSING, f"`{what}` is missing or null")
    if is_array(value):
        return messages(value, what)
    if is_object(value):
        if "answer" in value:
            answer = text(value["answer"], f"{what}.answer", Reason.RESPONSE_NOT_TEXT)
            return [Message(role="assistant", content=answer)]
        return [_message(value, what)]
    return [Message(role="assistant", content=text(value, what, Reason.RESPONSE_NOT_TEXT))]


def common_prompt(a: Sequence[Message], b: Sequence[Message]) -> tuple[int, bool]:
    """Find the common prompt of two conversations.

    Returns:
        The number of turns of the common prompt, which ends before an assistant turn of both; and
        whether the conversations diverge before their last turn, so that the last responses have
        different contexts.

    Raises:
        RowError: The conversations have no common prompt.
    """
    length = 0
    limit = min(len(a), len(b)) - 1
    while length < limit and a[length] == b[length]:
        length += 1
    while length and not a[length]["role"] == b[length]["role"] == "assistant":
        length -= 1
    if not length:
        raise RowError(Reason.NO_COMMON_PROMPT, "the two conversations have no common prompt")
    return length, max(len(a), len(b)) - length > 1
