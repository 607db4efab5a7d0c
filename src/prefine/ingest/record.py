"""What an adapter makes of one raw row: a prompt, its candidates, and labels about them.

What comes in: parsed values of a raw row. What goes out: a ``Record``, or a ``RowError`` that says
which rule of reading the row broke. What never happens: text that is changed, cut or guessed.
"""

import html
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from prefine.recipe import Source
from prefine.schema import Kind, Message, Winner
from prefine.schema.json import Json, is_array, is_object


class Reason(StrEnum):
    """Why a raw row is in quarantine."""

    NOT_JSON = "not_json"
    INVALID_UTF8 = "invalid_utf8"
    ROW_TOO_LARGE = "row_too_large"
    NOT_AN_OBJECT = "not_an_object"
    WRONG_COLUMNS = "wrong_columns"
    MISSING_VALUE = "missing_value"
    WRONG_TYPE = "wrong_type"
    PROMPT_EMPTY = "prompt_empty"
    RESPONSE_NOT_TEXT = "response_not_text"
    RESPONSE_MISSING = "response_missing"
    RESPONSE_NOT_ASSISTANT = "response_not_assistant"
    NOT_TEXT_CONTENT = "not_text_content"
    UNKNOWN_ROLE = "unknown_role"
    NOT_A_TRANSCRIPT = "not_a_transcript"
    NO_COMMON_PROMPT = "no_common_prompt"
    PROMPT_DIFFERS = "prompt_differs"
    UNKNOWN_LABEL = "unknown_label"
    LABEL_MISSING = "label_missing"
    LOOKUP_MISSING = "lookup_missing"
    TURNS_DIFFER = "turns_differ"


class RowError(Exception):
    """Say why a raw row cannot be read; it becomes a quarantine row, never a crash."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Candidate:
    """One response to the record's prompt."""

    messages: list[Message]
    model: str | None = None
    meta: Json | None = None


@dataclass(frozen=True, slots=True)
class Label:
    """One raw label about one candidate, or about two."""

    kind: Kind
    a: int
    """Index of a candidate."""
    b: int | None = None
    """Index of the other one, for labels of kind ``pair``."""
    winner: Winner | None = None
    strength: float | None = None
    strength_unit: str | None = None
    rating: float | None = None
    rank: float | None = None
    aspect: str | None = None
    annotator: str | None = None
    label: str | None = None
    """The raw value, as text."""


@dataclass(frozen=True, slots=True)
class Record:
    """Everything that one raw row says."""

    prompt: list[Message]
    candidates: list[Candidate]
    labels: list[Label]
    group: str | None = None
    language: str | None = None
    split: str | None = None
    context_mismatch: bool = False
    meta: Json | None = None


@dataclass(frozen=True)
class Context:
    """What an adapter may look at beside the row: its source, its file, the lookup tables."""

    source: Source
    fields: Mapping[str, str] = field(default_factory=dict[str, str])
    """What ``path_fields`` took from the file's path."""
    tables: Mapping[str, Mapping[Any, Json]] = field(default_factory=dict[str, Any])


_ROLES = {
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "llm": "assistant",
    "system": "system",
    "developer": "system",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
}


_BEYOND_TEXT = (
    *("tool_calls", "function_call", "thinking", "reasoning_content", "images", "audio", "video"),
)
"""Parts of a message that a text cannot hold: without them, two responses may look the same."""


def get(row: Json, key: str) -> Any:
    """Return a value that must be there and not be null."""
    value = row.get(key)
    if value is None:
        raise RowError(Reason.MISSING_VALUE, f"`{key}` is missing or null")
    return value


def text(value: object, what: str, reason: Reason = Reason.WRONG_TYPE) -> str:
    """Return a value that must be a text."""
    if not isinstance(value, str):
        raise RowError(reason, f"`{what}` is {_type(value)}, not a text")
    return value


def number(value: object, what: str) -> float | None:
    """Return a number, also one written as text; null and ``N/A`` are no number."""
    if value is None or (isinstance(value, str) and value.strip().lower() in {"", "n/a", "na"}):
        return None
    try:
        found = float("" if isinstance(value, bool) else value)  # pyright: ignore[reportArgumentType]
    except (TypeError, ValueError):
        raise RowError(Reason.UNKNOWN_LABEL, f"`{what}` is not a number") from None
    return found if math.isfinite(found) else None


def optional(row: Json, key: str) -> str | None:
    """Return a text that may be missing; numbers become text, lists their items."""
    value = row.get(key)
    if value is None or value == "":
        return None
    if is_array(value):
        return ",".join(str(item) for item in value) or None
    return str(value)


def _type(value: object) -> str:
    names = {"NoneType": "null", "bool": "a truth value", "dict": "an object", "list": "a list"}
    name = type(value).__name__
    return names.get(name, f"of type {name}")


def messages(value: object, what: str) -> list[Message]:
    """Read a list of turns in any of the usual spellings.

    Accepts ``role``/``content``, ``from``/``value``, contents made of typed text parts. Refuses
    images, tool calls without content, unknown roles and null contents.
    """
    if not is_array(value) or not value:
        raise RowError(Reason.WRONG_TYPE, f"`{what}` is {_type(value)}, not a list of messages")
    return [_message(item, f"{what}[{index}]") for index, item in enumerate(value)]


def _message(value: object, what: str) -> Message:
    if not is_object(value):
        raise RowError(Reason.WRONG_TYPE, f"`{what}` is {_type(value)}, not a message")
    raw = value.get("role", value.get("from"))
    role = _ROLES.get(raw.lower()) if isinstance(raw, str) else None
    if role is None:
        raise RowError(Reason.UNKNOWN_ROLE, f"`{what}` has the role {str(raw)[:40]!r}")
    lost = [key for key in _BEYOND_TEXT if value.get(key)]
    if lost:
        raise RowError(Reason.NOT_TEXT_CONTENT, f"`{what}` has {', '.join(lost)} beside its text")
    return {"role": role, "content": content(value.get("content", value.get("value")), what)}


def content(value: object, what: str) -> str:
    """Read the content of a turn: a text, or text parts, which are joined."""
    if is_array(value):
        return "".join(_text_part(item, what) for item in value)
    if is_object(value):
        return _text_part(value, what)
    return text(value, what, Reason.NOT_TEXT_CONTENT)


def _text_part(value: object, what: str) -> str:
    if isinstance(value, str):
        return value
    if not is_object(value) or value.get("type", "text") != "text":
        kind = value.get("type") if is_object(value) else _type(value)
        raise RowError(Reason.NOT_TEXT_CONTENT, f"`{what}` has a part that is {kind!s:.40}")
    found = value.get("text")
    return text(value.get("value") if found is None else found, what, Reason.NOT_TEXT_CONTENT)


def only_text(row: Json) -> None:
    """Refuse a row whose images or tools belong to it: its texts alone are another row."""
    for key in ("images", "image", "videos", "audios", "tools"):
        if row.get(key) not in (None, "", "[]", "null", [], {}):
            raise RowError(Reason.NOT_TEXT_CONTENT, f"the row has `{key}` beside its texts")


def prompt_of(value: object, what: str, system: str | None = None) -> list[Message]:
    """Read a prompt: a text becomes one user turn; a system text goes before it."""
    turns = messages(value, what) if is_array(value) else None
    if turns is None:
        turns = [Message(role="user", content=text(value, what))]
    if system:
        turns = [Message(role="system", content=system), *turns]
    return turns


def response_of(value: object, what: str) -> list[Message]:
    """Read a response: a text, one message, a list of messages, or an object with ``answer``."""
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


def part(a: Sequence[Message], b: Sequence[Message]) -> tuple[int, bool]:
    """Find where two conversations part.

    Returns:
        The length of the common prompt, which ends before an assistant turn of both, and whether
        they part before the last turn, so that the two sides do not answer the same context.

    Raises:
        RowError: They share no turn that could be a prompt.
    """
    length = 0
    limit = min(len(a), len(b)) - 1
    while length < limit and a[length] == b[length]:
        length += 1
    while length and not a[length]["role"] == b[length]["role"] == "assistant":
        length -= 1
    if not length:
        raise RowError(Reason.NO_COMMON_PROMPT, "the two sides share no turn to answer")
    return length, max(len(a), len(b)) - length > 1


def couple(winner: Winner, **facts: Any) -> Label:
    """Return a label on candidates 0 and 1."""
    return Label(Kind.PAIR, 0, 1, winner, **facts)


def choose(value: float, *, strength: float | None = None) -> tuple[Winner, float]:
    """Read a signed preference: negative prefers side a, positive side b, zero is a tie."""
    size = abs(value) if strength is None else strength
    if value == 0:
        return Winner.TIE, size
    return (Winner.A if value < 0 else Winner.B), size


def listed(table: dict[Any, Winner], value: object, what: str) -> Winner:
    """Look a raw value up among the known ones; anything else is no label."""
    found = table.get(value) if isinstance(value, str | int | float | bool) else None
    if found is None:
        known = ", ".join(str(key) for key in table)
        raise RowError(Reason.UNKNOWN_LABEL, f"`{what}` is {value!s:.40}, not one of {known}")
    return found


def rating(index: int, value: object, aspect: str, annotator: str | None = None) -> Label:
    """Return a rating; a missing number is kept as a label that says nothing."""
    found = number(value, aspect)
    raw = None if value is None else str(value)
    winner = Winner.INVALID if found is None else None
    return Label(
        Kind.RATING,
        index,
        None,
        winner,
        rating=found,
        aspect=aspect,
        annotator=annotator,
        label=raw,
    )


def items(row: Json, key: str) -> list[object]:
    """Return a list that must be there and not be empty."""
    found = get(row, key)
    if not is_array(found) or not found:
        raise RowError(Reason.WRONG_TYPE, f"`{key}` is not a list with items")
    return found


def check(record: Record) -> Record:
    """Refuse a record that no trainer could use, whatever its labels say."""
    if not any(message["content"].strip() for message in record.prompt):
        raise RowError(Reason.PROMPT_EMPTY, "the prompt has no text")
    for candidate in record.candidates:
        if not candidate.messages or candidate.messages[0]["role"] != "assistant":
            raise RowError(Reason.RESPONSE_NOT_ASSISTANT, "a response is not an assistant turn")
        if candidate.messages[-1]["role"] != "assistant":
            raise RowError(Reason.RESPONSE_NOT_ASSISTANT, "a response ends on another role")
    if not record.labels:
        raise RowError(Reason.LABEL_MISSING, "the row has no label")
    return record


def translate(record: Record, mode: str, from_html: Callable[[str], str]) -> Record:
    """Apply a source's ``text`` setting to every turn of a record."""
    change = html.unescape if mode == "escaped" else from_html

    def turned(turns: Sequence[Message]) -> list[Message]:
        return [Message(role=t["role"], content=change(t["content"])) for t in turns]

    candidates = [replace(c, messages=turned(c.messages)) for c in record.candidates]
    return replace(record, prompt=turned(record.prompt), candidates=candidates)
