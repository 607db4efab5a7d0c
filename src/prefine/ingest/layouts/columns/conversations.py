"""Read prompts and responses by a column map, also where the responses are whole conversations."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from prefine.ingest.beside import history_turns
from prefine.ingest.layouts.columns.columnmap import ColumnMap
from prefine.ingest.layouts.columns.spelling import is_blank, is_null
from prefine.ingest.literals import as_list
from prefine.ingest.messages import common_prompt, messages, prompt_of, response_of
from prefine.ingest.paths import LIST, OPTIONAL, value_at, values_at
from prefine.ingest.record import Reason, RowError
from prefine.ingest.templates import conversation, is_rendered
from prefine.ingest.transcripts import transcript
from prefine.ingest.values import text, type_name
from prefine.schema import Message
from prefine.settings.json import Json, is_array, is_object


@dataclass(frozen=True, slots=True)
class Task:
    """A prompt and the responses to it; a response that is null has no message."""

    prompt: list[Message]
    responses: list[list[Message]]
    mismatch: bool = False
    """Whether the responses do not all answer the same context."""


def task_of(row: Json, columns: ColumnMap) -> Task:
    """Read the prompt and the responses of a row.

    Raises:
        RowError: They cannot be read, or the prompt is not what the responses answer.
    """
    values = _response_values(row, columns)
    system = None if columns.system is None else value_at(row, columns.system)
    if not is_blank(system):
        system = text(system, columns.system or "")
    stated = _stated_prompt(row, columns)
    whole = {_is_conversation(value) for _, value in values if value is not None}
    if columns.prompt is not None and whole == {True, False}:
        detail = "some responses are whole conversations, others are not"
        raise RowError(Reason.NO_COMMON_PROMPT, detail)
    if columns.prompt is None or True in whole:
        task = _split([_conversation(value, what) for what, value in values])
        _require_within(stated, task.prompt)
    else:
        task = Task(stated, [[] if v is None else response_of(v, what) for what, v in values])
    prompt = task.prompt if is_blank(system) else _with_system(str(system), task.prompt)
    return Task(prompt, task.responses, task.mismatch)


def _response_values(row: Json, columns: ColumnMap) -> list[tuple[str, Any]]:
    """Return the responses with their names for messages: one per path, or those of a list."""
    paths = columns.responses or (columns.chosen or "", columns.rejected or "")
    values = [(path, value) for path in paths for value in values_at(row, path)]
    values = [(path, None if is_null(value) else value) for path, value in values]
    if not columns.responses or len(values) != 1:
        return values
    [(path, value)] = values
    several = columns.labels or columns.ranks or columns.ranking
    held = as_list(value) if several else value
    if not is_array(held) or _is_conversation(held):
        return values
    items = [None if is_null(item) else item for item in held]
    return [(f"{path}[{position}]", item) for position, item in enumerate(items)]


def _is_conversation(value: object) -> bool:
    """Tell whether a value is a list of messages that does not begin with a response."""
    if not is_array(value) or not all(is_object(item) for item in value):
        return False
    if not value or not {"role", "from"} & value[0].keys():
        return False
    return messages(value[:1], "response")[0]["role"] != "assistant"


def _conversation(value: object, what: str) -> list[Message]:
    """Read a whole conversation: messages, also written as text, or a transcript."""
    if value is None:
        return []
    held = as_list(value)
    if is_array(held):
        return messages(held, what)
    if not isinstance(value, str):
        detail = f"`{what}` is {type_name(value)}, not a conversation, and the map has no `prompt`"
        raise RowError(Reason.WRONG_TYPE, detail)
    if is_rendered(value):
        return conversation(value)[0]
    try:
        return transcript(value, what)
    except RowError as error:
        if error.reason is not Reason.NOT_A_TRANSCRIPT:
            raise
        detail = f"`{what}` is a text without turns, and the map has no `prompt`"
        raise RowError(Reason.NOT_A_TRANSCRIPT, detail) from None


def _split(conversations: Sequence[list[Message]]) -> Task:
    """Part conversations where they diverge; a single one before its last turn."""
    held = [turns for turns in conversations if turns]
    if not held:
        return Task([], list(conversations))
    first, *others = held
    if not others:
        if len(first) < 2 or first[-1]["role"] != "assistant":  # noqa: PLR2004 - prompt, response
            detail = "the conversation does not end on a response to a prompt"
            raise RowError(Reason.NO_COMMON_PROMPT, detail)
        length, mismatch = len(first) - 1, False
    else:
        length = min(common_prompt(first, other)[0] for other in others)
        mismatch = any(len(turns) - length > 1 for turns in held)
    return Task(first[:length], [turns[length:] for turns in conversations], mismatch)


def _stated_prompt(row: Json, columns: ColumnMap) -> list[Message]:
    """Read what the map names as history and prompt; nothing where it names neither."""
    if columns.prompt is None:
        return []
    turns = _prompt(row, columns)
    if columns.history is None:
        return turns
    history = _history(value_at(row, columns.history), columns.history)
    return turns if turns[: len(history)] == history else [*history, *turns]


def _prompt(row: Json, columns: ColumnMap) -> list[Message]:
    if isinstance(columns.prompt, str) and LIST not in columns.prompt:
        value = value_at(row, columns.prompt)
        if is_null(value):
            raise RowError(Reason.PROMPT_EMPTY, f"`{columns.prompt}` is null")
        return prompt_of(value, columns.prompt)
    parts = [(path, part) for path in columns.prompt_columns for part in _parts(row, path)]
    texts = [_part(value, path) for path, value in parts if not is_blank(value)]
    return [Message(role="user", content="\n\n".join(texts))]


def _parts(row: Json, path: str) -> list[Any]:
    try:
        return values_at(row, path)
    except RowError as error:
        if error.reason is not Reason.MISSING_VALUE:
            raise
        detail = f"{error.detail}; write `{path}{OPTIONAL}` if a row may lack it"
        raise RowError(error.reason, detail) from None


def _part(value: object, path: str) -> str:
    if is_array(value) or is_object(value):
        detail = f"`{path}` is {type_name(value)}; only texts are joined to one prompt"
        raise RowError(Reason.WRONG_TYPE, detail)
    return text(value, path)


def _history(value: Any, what: str) -> list[Message]:
    """Read earlier turns, also written as text; nothing where there are none."""
    held = as_list(value)
    if is_blank(held) or held == []:
        return []
    try:
        return history_turns(held, what)
    except RowError as error:
        if error.reason is not Reason.PROMPT_PART_UNREAD:
            raise
        detail = f"`{what}` holds neither messages nor texts of the user and the assistant in turn"
        raise RowError(Reason.WRONG_TYPE, detail) from None


def _require_within(stated: Sequence[Message], prompt: Sequence[Message]) -> None:
    """Refuse conversations that do not hold the prompt that stands beside them."""
    wanted, found = _stripped(stated), _stripped(prompt)
    starts = range(len(found) - len(wanted) + 1)
    if prompt and not any(found[start : start + len(wanted)] == wanted for start in starts):
        detail = "`prompt` is not part of what the responses have in common"
        raise RowError(Reason.PROMPT_DIFFERS, detail)


def _stripped(turns: Sequence[Message]) -> list[tuple[str, str]]:
    return [(turn["role"], turn["content"].strip()) for turn in turns]


def _with_system(system: str, prompt: list[Message]) -> list[Message]:
    """Put a system turn before a prompt, unless the prompt has the same one."""
    own = [turn["content"].strip() for turn in prompt if turn["role"] == "system"]
    if not own:
        return [Message(role="system", content=system), *prompt]
    if own != [system.strip()]:
        raise RowError(Reason.PROMPT_DIFFERS, "the system text differs from the prompt's own")
    return prompt
