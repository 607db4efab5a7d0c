"""Columns beside a layout that belong to the prompt: they are read, or they refuse the row.

Two tasks that differ in such a column must never become one prompt.
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
"""Columns with a system text."""
HISTORY = (
    *("history", "chat_history", "conversation_history", "previous_turns", "past_messages"),
    *("prior_turns", "context_messages", "dialogue_history", "dialog_history"),
)
"""Columns with earlier turns."""
CONVERSATIONS = (
    *("messages", "conversation", "conversations", "dialogue", "dialog", "trajectory"),
    *("turns", "utterances"),
)
"""Columns with the conversation that a prompt ends, or with that of a whole row."""
INPUT = ("input", "inputs")
"""Columns with what an instruction is about."""
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
"""Columns with what a text cannot hold."""
TOOLS = ("tools", "tool_definitions", "available_tools")
"""Columns with the tools that a task offers; a source may keep them."""
PROMPT_LIKE = (*SYSTEM, *HISTORY, *CONVERSATIONS, *INPUT, *PARTS, *BEYOND_TEXT, *TOOLS)
"""Every column that belongs to the prompt, whatever the layout."""

_COUNTED = frozenset(
    (
        *(*HISTORY, *CONVERSATIONS, "contexts", "passages", "documents", "docs", "premises"),
        *("search_results", "retrieved_documents", "source_documents", "options", "choices"),
        *("evidence", "table", "schema", "few_shot", "few_shot_examples"),
    )
)
"""Columns in which a number is a count and no text."""
_MIN_CHARS = 20
"""A text of this length does not stand in a prompt by chance."""
_EMPTY = ("", "[]", "{}", "null", "none", "nan", "n/a")


def require_only_text(row: Json, known: Collection[str], *, tools: bool = False) -> None:
    """Refuse a row whose images or tools belong to it: its texts alone are another row.

    Args:
        row: The raw row.
        known: Columns that the layout reads, or that the source ignores.
        tools: Whether tools are read.
    """
    for key in _unread(row, BEYOND_TEXT if tools else (*BEYOND_TEXT, *TOOLS), known):
        raise RowError(
            Reason.NOT_TEXT_CONTENT,
            f"the row has `{key}` beside its texts; {_way_out(key)}",
        )


def with_tools(record: Record, row: Json, known: Collection[str]) -> Record:
    """Return a record with the tools that stand beside its layout.

    Args:
        record: What the layout read.
        row: The raw row.
        known: Columns that the layout reads, or that the source ignores.

    Raises:
        RowError: They cannot be read, or are others than those that the layout read.
    """
    for key in _unread(row, TOOLS, known):
        found = tools_of(row[key], key)
        if record.tools not in {None, found}:
            detail = f"`{key}` stands beside other tools; {_way_out(key)}"
            raise RowError(Reason.PROMPT_PART_UNREAD, detail)
        record = replace(record, tools=found)
    return record


def require_no_tools(record: Record) -> None:
    """Refuse a record with tools or tool calls, of a source that does not keep them."""
    turns = [*record.prompt, *(turn for one in record.candidates for turn in one.messages)]
    found = {key for turn in turns for key in tool_parts(turn)}
    if found or record.tools is not None:
        names = ", ".join(sorted(found)) or "tools"
        detail = f"the row has {names} beside its texts; {_way_out(TOOLS[0])}"
        raise RowError(Reason.NOT_TEXT_CONTENT, detail)


def with_prompt_parts(record: Record, row: Json, known: Collection[str]) -> Record:
    """Return a record with the prompt's parts that stand beside its layout.

    Args:
        record: What the layout read.
        row: The raw row.
        known: Columns that the layout reads, or that the source ignores.

    Raises:
        RowError: A column belongs to the prompt and cannot be joined with it without doubt.
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
    responses = [turn for one in record.candidates for turn in one.messages]
    for key in _unread(row, CONVERSATIONS, known):
        if not _is_within([*prompt, *responses], row[key]):
            prompt = _with_history(prompt, row[key], key, ends_with_prompt=True)
    for key in _unread(row, PARTS, known):
        _require_within(prompt, row[key], key)
    return record if prompt is record.prompt else replace(record, prompt=prompt)


def with_system(prompt: list[Message], value: object, key: str) -> list[Message]:
    """Return a prompt that begins with a system text; one that has it already is unchanged."""
    if not isinstance(value, str):
        raise _unreadable(key, value)
    if prompt[0]["role"] != "system":
        return [Message(role="system", content=value), *prompt]
    if prompt[0]["content"].strip() != value.strip():
        raise RowError(
            Reason.PROMPT_PART_UNREAD,
            f"`{key}` and the system turn of the prompt differ; {_way_out(key)}",
        )
    return prompt


def history_turns(value: object, key: str, *, ends_with_user: bool = False) -> list[Message]:
    """Read earlier turns: pairs of a question and its response, messages, or texts in turn.

    Args:
        value: The turns.
        key: Where they stand.
        ends_with_user: Whether texts in turn may end with the user's.

    Raises:
        RowError: They are none of these.
    """
    if not is_array(value):
        raise _unreadable(key, value)
    if all(is_object(item) for item in value):
        return messages(value, key)
    texts: list[object] = []
    for item in value:
        if is_array(item) and len(item) == 2:  # noqa: PLR2004 - a question and its response
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
    """Put earlier turns before the prompt, which may be the last of them, or must be."""
    turns = history_turns(value, key, ends_with_user=True)
    start = 1 if prompt[0]["role"] == "system" else 0
    if turns[-1]["role"] == "user" or ends_with_prompt:
        if turns[-1]["content"].strip() != prompt[-1]["content"].strip():
            detail = f"`{key}` does not end with the prompt"
            raise RowError(Reason.PROMPT_PART_UNREAD, f"{detail}; {_way_out(key)}")
        turns = turns[:-1]
    if start and turns and turns[0]["role"] == "system":
        with_system(turns, prompt[0]["content"], key)
        turns = turns[1:]
    if prompt[start : start + len(turns)] == turns:
        return prompt
    if len(prompt) - start != 1:
        raise RowError(
            Reason.PROMPT_PART_UNREAD,
            f"`{key}` stands beside a prompt of several turns; {_way_out(key)}",
        )
    return [*prompt[:start], *turns, *prompt[start:]]


def _with_input(prompt: list[Message], row: Json, key: str) -> list[Message]:
    """Join an instruction with its input by a blank line, as Alpaca's template has it."""
    value, last = row[key], prompt[-1]
    value = str(value) if isinstance(value, int | float) else value
    if isinstance(value, str) and last["content"] == row.get("instruction"):
        joined = with_content(last, f"{last['content']}\n\n{value}")
        return [*prompt[:-1], joined]
    _require_within(prompt, value, key)
    return prompt


def _is_within(turns: list[Message], value: object) -> bool:
    """Tell whether the texts of a value stand in some turns already.

    A short text must be a line or a turn of its own: it may stand within another by chance.
    """
    whole = "\n\n".join(turn["content"] for turn in turns)
    lines = {line.strip() for line in whole.splitlines()}
    lines |= {turn["content"].strip() for turn in turns}
    texts = [text.strip() for text in _texts(value)]
    return bool(texts) and all(
        text in lines or (len(text) >= _MIN_CHARS and text in whole) for text in texts
    )


def _require_within(prompt: list[Message], value: object, key: str) -> None:
    """Refuse a part of the prompt whose texts do not stand in it already."""
    if not _is_within(prompt, value):
        raise RowError(
            Reason.PROMPT_PART_UNREAD,
            f"`{key}` belongs to the prompt and this layout does not read it; {_way_out(key)}",
        )


def _texts(value: object) -> Iterator[str]:
    """Yield the texts of a value; nothing for one that holds anything else."""
    if isinstance(value, str):
        yield value
    elif is_array(value):
        for item in value:
            yield from _texts(item)
    elif is_object(value):
        content = value.get("content", value.get("value"))
        yield from _texts(list(value.values()) if content is None else content)


def _unread(row: Json, names: Collection[str], known: Collection[str]) -> list[str]:
    """Return the columns of a row that have one of the names, hold something and are not known."""
    return [
        key
        for key, spelled in _prompt_like(tuple(row))
        if spelled in names and key not in known and not _is_empty(row[key])
        if spelled not in _COUNTED or not isinstance(row[key], int | float)
    ]


@lru_cache(maxsize=1024)
def _prompt_like(keys: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Return the columns that belong to a prompt by their names, with the names as listed here."""
    spelled = ((key, _spelling(key)) for key in sorted(keys))
    return tuple((key, name) for key, name in spelled if name in PROMPT_LIKE)


def _spelling(key: str) -> str:
    """Return a column's name in lower case with underscores."""
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
    detail = f"`{key}` belongs to the prompt and is {type_name(value)} of no known form"
    return RowError(Reason.PROMPT_PART_UNREAD, f"{detail}; {_way_out(key)}")


def _way_out(key: str) -> str:
    if _spelling(key) in TOOLS:
        return "`tools: keep` of the source carries tools and tool calls along"
    return (
        f"make it a part of the prompt with a map (`format: columns`, `columns: {{prompt: [{key}, "
        f"...], ...}}`), or write `ignore: [{key}]` if it is none"
    )
