"""Columns beside a layout that belong to the prompt: they are read, or they refuse the row.

Two tasks that differ in such a column must never become one prompt.
"""

from collections.abc import Collection, Iterator
from dataclasses import replace

from prefine.ingest.messages import messages
from prefine.ingest.record import Reason, Record, RowError
from prefine.ingest.values import type_name
from prefine.schema import Message
from prefine.settings.json import Json, is_array, is_object

SYSTEM = ("system", "system_prompt", "system_message", "system_instruction", "sys_prompt")
"""Columns with a system text."""
HISTORY = (
    *("history", "chat_history", "conversation_history", "previous_turns", "past_messages"),
    "dialogue_history",
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
    *("preamble", "instructions", "post", "options", "choices", "name", "chat_template_kwargs"),
)
"""Columns with further parts of a prompt."""
BEYOND_TEXT = (
    *("images", "image", "image_url", "image_path", "image_paths", "video", "videos"),
    *("audio", "audios", "tools", "tool", "functions", "function"),
)
"""Columns with what a text cannot hold."""
PROMPT_LIKE = (*SYSTEM, *HISTORY, *CONVERSATIONS, *INPUT, *PARTS, *BEYOND_TEXT)
"""Every column that belongs to the prompt, whatever the layout."""

_EMPTY = ("", "[]", "{}", "null", "none", "nan", "n/a")


def require_only_text(row: Json, known: Collection[str]) -> None:
    """Refuse a row whose images or tools belong to it: its texts alone are another row.

    Args:
        row: The raw row.
        known: Columns that the layout reads, or that the source ignores.
    """
    for key in _unread(row, BEYOND_TEXT, known):
        raise RowError(
            Reason.NOT_TEXT_CONTENT,
            f"the row has `{key}` beside its texts; {_way_out(key)}",
        )


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
    responses = [turn for one in record.candidates for turn in one.messages]
    for key in _unread(row, CONVERSATIONS, known):
        if not _is_within([*prompt, *responses], row[key]):
            prompt = _as_conversation(prompt, row[key], key)
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
        joined = Message(role=last["role"], content=f"{last['content']}\n\n{value}")
        return [*prompt[:-1], joined]
    _require_within(prompt, value, key)
    return prompt


def _as_conversation(prompt: list[Message], value: object, key: str) -> list[Message]:
    """Return the turns of a conversation that the prompt ends, or that goes before the prompt."""
    turns = history_turns(value, key, ends_with_user=True)
    last = turns[-1]
    if last["role"] == "user" and len(prompt) == 1:
        if last["content"].strip() == prompt[0]["content"].strip():
            return [*turns[:-1], prompt[0]]
        raise RowError(
            Reason.PROMPT_PART_UNREAD, f"`{key}` does not end with the prompt; {_way_out(key)}"
        )
    return _with_history(prompt, value, key)


def _is_within(turns: list[Message], value: object) -> bool:
    """Tell whether the texts of a value stand in some turns already."""
    whole = "\n\n".join(turn["content"] for turn in turns)
    texts = list(_texts(value))
    return bool(texts) and all(text.strip() in whole for text in texts)


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
        content = value.get("content", value.get("value", value.get("text")))
        yield from _texts(list(value.values()) if content is None else content)


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
    return value is None or isinstance(value, bool | int | float)  # a count, an index, a flag


def _unreadable(key: str, value: object) -> RowError:
    detail = f"`{key}` belongs to the prompt and is {type_name(value)} of no known form"
    return RowError(Reason.PROMPT_PART_UNREAD, f"{detail}; {_way_out(key)}")


def _way_out(key: str) -> str:
    return f"name it in a map (`format: columns`), or in `ignore: [{key}]` if it is no part of it"
