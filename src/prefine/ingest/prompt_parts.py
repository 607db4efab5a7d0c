"""Prompt columns that a layout does not read: they are added to the prompt, or the row is refused.

Two tasks that differ in such a column must not become the same prompt.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import replace
from functools import lru_cache

from prefine.ingest.messages import messages, with_content
from prefine.ingest.record import Reason, Record, RowError
from prefine.ingest.tools import tools_of
from prefine.ingest.values import type_name
from prefine.schema import Message, tool_parts
from prefine.settings.json import Json, is_array, is_object

SYSTEM = (
    *("system", "system_prompt", "system_message", "system_instruction", "system_msg"),
    *("sys", "sys_prompt", "developer", "developer_message", "developer_prompt"),
)
"""Columns with a system prompt."""
HISTORY = (
    *("history", "chat_history", "conversation_history", "previous_turns", "past_messages"),
    *("prior_turns", "context_messages", "dialogue_history", "dialog_history"),
)
"""Columns with earlier turns."""
CONVERSATIONS = (
    *("messages", "conversation", "conversations", "dialogue", "dialog", "trajectory"),
    *("turns", "utterances"),
)
"""Columns with a conversation: the turns up to the prompt, or all turns of the row."""
INPUT = ("input", "inputs")
"""Columns with the input of an instruction."""
PARTS = (
    *("context", "contexts", "passage", "passages", "document", "documents", "docs", "article"),
    *("background", "knowledge", "reference_text", "source_text", "evidence", "table", "schema"),
    *("story", "paragraph", "premise", "premises", "search_results", "retrieved_context"),
    *("retrieved_documents", "source_document", "source_documents", "question_context", "persona"),
    *("context_text", "retrieved_docs", "excerpt", "few_shot", "few_shot_examples"),
    *("preamble", "instructions", "post", "options", "choices", "name", "chat_template_kwargs"),
)
"""Columns with further parts of a prompt."""
BEYOND_TEXT = (
    *("images", "image", "image_url", "image_path", "image_paths", "video", "videos"),
    *("audio", "audios", "tool", "functions", "function", "attachments", "pixel_values"),
)
"""Columns with content that is not text."""
TOOLS = ("tools", "tool_definitions", "available_tools")
"""Columns with tool definitions, which a source may keep."""
PROMPT_LIKE = (*SYSTEM, *HISTORY, *CONVERSATIONS, *INPUT, *PARTS, *BEYOND_TEXT, *TOOLS)
"""All columns that belong to the prompt in any layout."""

_COUNTED = frozenset(
    (
        *(*HISTORY, *CONVERSATIONS, "contexts", "passages", "documents", "docs", "premises"),
        *("search_results", "retrieved_documents", "source_documents", "options", "choices"),
        *("evidence", "table", "schema", "few_shot", "few_shot_examples"),
    )
)
"""Columns in which a number is a count and not content."""
_MIN_CHARS = 20
"""Minimum length of a text that is taken as part of a prompt if the prompt contains it."""
_EMPTY = ("", "[]", "{}", "null", "none", "nan", "n/a")


def require_only_text(row: Json, known: Collection[str], *, tools: bool = False) -> None:
    """Require that a row has no images, audio or tools, which would change the task.

    Args:
        row: The raw row.
        known: Columns that the layout reads, or that the source ignores.
        tools: Whether tools are allowed.

    Raises:
        RowError: The row has such a column.
    """
    for key in _unread(row, BEYOND_TEXT if tools else (*BEYOND_TEXT, *TOOLS), known):
        raise RowError(
            Reason.NOT_TEXT_CONTENT,
            f"the row has `{key}`, content that is not text; {_remedy(key)}",
        )


def with_tools(record: Record, row: Json, known: Collection[str]) -> Record:
    """Return a record with the tools of a column that the layout does not read.

    Args:
        record: The record as the layout parsed it.
        row: The raw row.
        known: Columns that the layout reads, or that the source ignores.

    Raises:
        RowError: The tools cannot be parsed, or differ from those that the layout parsed.
    """
    for key in _unread(row, TOOLS, known):
        tools = tools_of(row[key], key)
        if record.tools not in {None, tools}:
            detail = (
                f"`{key}` differs from the tools that the layout reads; "
                f"remove one, or set `ignore: [{key}]` on the source"
            )
            raise RowError(Reason.PROMPT_PART_UNREAD, detail)
        record = replace(record, tools=tools)
    return record


def require_no_tools(record: Record) -> None:
    """Require that a record has no tools and no tool calls.

    Raises:
        RowError: It has some.
    """
    responses = (candidate.messages for candidate in record.candidates)
    turns = [*record.prompt, *(turn for response in responses for turn in response)]
    parts = {key for turn in turns for key in tool_parts(turn)}
    if parts or record.tools is not None:
        names = ", ".join(sorted(parts)) or "tools"
        detail = f"the row has {names}; {_remedy(TOOLS[0])}"
        raise RowError(Reason.NOT_TEXT_CONTENT, detail)


def with_prompt_parts(record: Record, row: Json, known: Collection[str]) -> Record:
    """Return a record with the parts of the prompt that the layout does not read.

    Args:
        record: The record as the layout parsed it.
        row: The raw row.
        known: Columns that the layout reads, or that the source ignores.

    Raises:
        RowError: A column belongs to the prompt and cannot be added to it unambiguously.
    """
    prompt = record.prompt
    if not _prompt_like(tuple(row)):
        return record
    for key in _unread(row, INPUT, known):
        prompt = _with_input(prompt, row, key)
    for key in _unread(row, HISTORY, known):
        prompt = _with_history(prompt, row[key], key)
    for key in _unread(row, SYSTEM, known):
        prompt = with_system(prompt, row[key], key)
    responses = [turn for candidate in record.candidates for turn in candidate.messages]
    for key in _unread(row, CONVERSATIONS, known):
        if not _is_within([*prompt, *responses], row[key]):
            prompt = _with_history(prompt, row[key], key, ends_with_prompt=True)
    for key in _unread(row, PARTS, known):
        _require_within(prompt, row[key], key)
    return record if prompt is record.prompt else replace(record, prompt=prompt)


def with_system(prompt: list[Message], value: object, key: str) -> list[Message]:
    """Return a prompt that begins with a system turn.

    Raises:
        RowError: The prompt has a different system turn, or the value is not a string.
    """
    if not isinstance(value, str):
        raise _unreadable(key, value)
    if prompt[0]["role"] != "system":
        return [Message(role="system", content=value), *prompt]
    if prompt[0]["content"].strip() != value.strip():
        raise RowError(
            Reason.PROMPT_PART_UNREAD,
            f"`{key}` and the system turn of the prompt differ; {_remedy(key)}",
        )
    return prompt


def history_turns(value: object, key: str, *, ends_with_user: bool = False) -> list[Message]:
    """Parse earlier turns: messages, (user, assistant) pairs, or alternating strings.

    Args:
        value: The turns.
        key: Name of the column for messages.
        ends_with_user: Whether alternating strings may end with a user turn.

    Raises:
        RowError: The value has none of these forms.
    """
    if not is_array(value):
        raise _unreadable(key, value)
    if all(is_object(item) for item in value):
        return messages(value, key)
    texts: list[object] = []
    for item in value:
        if is_array(item) and len(item) == 2:  # noqa: PLR2004 - user and assistant
            texts += item
        elif isinstance(item, str):
            texts.append(item)
        else:
            raise _unreadable(key, value)
    if (len(texts) % 2 and not ends_with_user) or not all(isinstance(text, str) for text in texts):
        raise _unreadable(key, value)
    roles = ("user", "assistant")
    return [Message(role=roles[n % 2], content=str(text)) for n, text in enumerate(texts)]


def _with_history(
    prompt: list[Message], value: object, key: str, *, ends_with_prompt: bool = False
) -> list[Message]:
    """Put earlier turns before the prompt, which may be (or must be) the last of them."""
    turns = history_turns(value, key, ends_with_user=True)
    start = 1 if prompt[0]["role"] == "system" else 0
    if turns[-1]["role"] == "user" or ends_with_prompt:
        if turns[-1]["content"].strip() != prompt[-1]["content"].strip():
            detail = f"`{key}` does not end with the prompt"
            raise RowError(Reason.PROMPT_PART_UNREAD, f"{detail}; {_remedy(key)}")
        turns = turns[:-1]
    if start and turns and turns[0]["role"] == "system":
        with_system(turns, prompt[0]["content"], key)
        turns = turns[1:]
    if prompt[start : start + len(turns)] == turns:
        return prompt
    if len(prompt) - start != 1:
        raise RowError(
            Reason.PROMPT_PART_UNREAD,
            f"`{key}` cannot be put before a prompt of several turns; {_remedy(key)}",
        )
    return [*prompt[:start], *turns, *prompt[start:]]


def _with_input(prompt: list[Message], row: Json, key: str) -> list[Message]:
    """Join an instruction and its input with a blank line, as the Alpaca template does."""
    value, last = row[key], prompt[-1]
    value = str(value) if isinstance(value, int | float) else value
    if isinstance(value, str) and last["content"] == row.get("instruction"):
        joined = with_content(last, f"{last['content']}\n\n{value}")
        return [*prompt[:-1], joined]
    _require_within(prompt, value, key)
    return prompt


def _is_within(turns: list[Message], value: object) -> bool:
    """Return whether some turns already contain the texts of a value.

    A short text must be a whole line or turn, because a longer one may contain it by chance.
    """
    whole = "\n\n".join(turn["content"] for turn in turns)
    lines = {line.strip() for line in whole.splitlines()}
    lines |= {turn["content"].strip() for turn in turns}
    texts = [text.strip() for text in _texts(value)]
    return bool(texts) and all(
        text in lines or (len(text) >= _MIN_CHARS and text in whole) for text in texts
    )


def _require_within(prompt: list[Message], value: object, key: str) -> None:
    """Refuse a part of the prompt whose texts the prompt does not contain."""
    if not _is_within(prompt, value):
        raise RowError(
            Reason.PROMPT_PART_UNREAD,
            f"`{key}` belongs to the prompt, but this layout does not read it; {_remedy(key)}",
        )


def _texts(value: object) -> Iterator[str]:
    """Yield the strings in a value, and of messages only the content."""
    if isinstance(value, str):
        yield value
    elif is_array(value):
        for item in value:
            yield from _texts(item)
    elif is_object(value):
        content = value.get("content", value.get("value"))
        yield from _texts(list(value.values()) if content is None else content)


def _unread(row: Json, names: Collection[str], known: Collection[str]) -> list[str]:
    """Return the non-empty columns of a row that have one of the names and are not known."""
    return [
        key
        for key, spelled in _prompt_like(tuple(row))
        if spelled in names and key not in known and not _is_empty(row[key])
        if spelled not in _COUNTED or not isinstance(row[key], int | float)
    ]


@lru_cache(maxsize=1024)
def _prompt_like(keys: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Return the columns that belong to a prompt by their names, each with its listed name."""
    spelled = ((key, _spelling(key)) for key in sorted(keys))
    return tuple((key, name) for key, name in spelled if name in PROMPT_LIKE)


def _spelling(key: str) -> str:
    """Return the name of a column in snake case."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[- ]+", "_", key).lower()


def _is_empty(value: object) -> bool:
    if isinstance(value, str):
        return value.strip().lower() in _EMPTY
    if is_array(value):
        return all(_is_empty(item) for item in value)
    if is_object(value):
        return all(_is_empty(item) for item in value.values())
    return value is None or value is False or value != value  # noqa: PLR0124 - NaN


def _unreadable(key: str, value: object) -> RowError:
    detail = f"`{key}` belongs to the prompt, but is {type_name(value)} of an unknown form"
    return RowError(Reason.PROMPT_PART_UNREAD, f"{detail}; {_remedy(key)}")


def _remedy(key: str) -> str:
    """Return the remedy for a column that is not read."""
    if _spelling(key) in TOOLS:
        return "set `tools: keep` on the source to keep tools and tool calls"
    return (
        f"add it to the prompt with a column map (`format: columns`, `columns: {{prompt: [{key}, "
        f"...], ...}}`), or set `ignore: [{key}]` on the source if it is not part of the prompt"
    )
