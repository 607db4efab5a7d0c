"""Columns beside a layout that belong to the prompt: they are read, or they refuse the row.

Two tasks that differ in such a column must never become one prompt.
"""

from collections.abc import Collection, Iterator
from dataclasses import replace

from prefine.ingest.messages import messages, with_content
from prefine.ingest.record import Reason, Record, RowError
from prefine.ingest.tools import tools_of
from prefine.ingest.values import type_name
from prefine.schema import Message, tool_parts
from prefine.settings.json import Json, is_array, is_object

SYSTEM = ("system", "system_prompt", "system_message", "system_instruction", "sys_prompt")
"""Columns with a system text."""
HISTORY = ("history", "chat_history", "conversation_history")
"""Columns with earlier turns."""
INPUT = ("input", "inputs")
"""Columns with what an instruction is about."""
PARTS = (
    *("context", "contexts", "passage", "passages", "document", "documents", "docs", "article"),
    *("background", "knowledge", "reference_text", "source_text", "evidence", "table", "schema"),
    *("name", "chat_template_kwargs"),
)
"""Columns with further parts of a prompt."""
BEYOND_TEXT = (
    *("images", "image", "image_url", "video", "videos", "audio", "audios"),
    "functions",
)
"""Columns with what a text cannot hold."""
TOOLS = ("tools",)
"""Columns with the tools that a task offers; a source may keep them."""
PROMPT_LIKE = (*SYSTEM, *HISTORY, *INPUT, *PARTS, *BEYOND_TEXT, *TOOLS)
"""Every column that belongs to the prompt, whatever the layout."""

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
    for key in _unread(row, INPUT, known):
        prompt = _with_input(prompt, row, key)
    for key in _unread(row, HISTORY, known):
        prompt = _with_history(prompt, row[key], key)
    for key in _unread(row, SYSTEM, known):
        prompt = with_system(prompt, row[key], key)
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


def history_turns(value: object, key: str) -> list[Message]:
    """Read earlier turns: pairs of a question and its response, messages, or texts in turn.

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
    if len(texts) % 2 or not all(isinstance(text, str) for text in texts):
        raise _unreadable(key, value)
    roles = ("user", "assistant")
    return [Message(role=roles[n % 2], content=str(text)) for n, text in enumerate(texts)]


def _with_history(prompt: list[Message], value: object, key: str) -> list[Message]:
    turns = history_turns(value, key)
    start = 1 if prompt[0]["role"] == "system" else 0
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
    if isinstance(value, str) and last["content"] == row.get("instruction"):
        joined = with_content(last, f"{last['content']}\n\n{value}")
        return [*prompt[:-1], joined]
    _require_within(prompt, value, key)
    return prompt


def _require_within(prompt: list[Message], value: object, key: str) -> None:
    """Refuse a part of the prompt whose texts do not stand in it already."""
    whole = "\n\n".join(turn["content"] for turn in prompt)
    texts = list(_texts(value))
    if not texts or any(text.strip() not in whole for text in texts):
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
        content = value.get("content", value.get("value", value.get("text")))
        yield from _texts(content)


def _unread(row: Json, names: tuple[str, ...], known: Collection[str]) -> list[str]:
    """Return the columns of a row that have one of the names, hold something and are not known."""
    present = row.keys() & set(names) if row.keys() & set(names) else None
    keys = present or {key for key in row if key.lower() in names}
    return sorted(key for key in keys if key not in known and not _is_empty(row[key]))


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
    if key.lower() in TOOLS:
        return "`tools: keep` of the source carries tools and tool calls along"
    return f"name it in a map (`format: columns`), or in `ignore: [{key}]` if it is no part of it"
