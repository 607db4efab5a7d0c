"""Parse prompts and responses with a column map, whole conversations included."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from prefine.ingest.layouts.columns.columnmap import ColumnMap
from prefine.ingest.layouts.columns.spelling import is_blank, is_null
from prefine.ingest.literals import as_list
from prefine.ingest.messages import common_prompt, messages, prompt_of, response_of
from prefine.ingest.paths import LIST, OPTIONAL, value_at, values_at
from prefine.ingest.prompt_parts import history_turns
from prefine.ingest.record import Reason, RowError
from prefine.ingest.templates import conversation, is_rendered
from prefine.ingest.transcripts import transcript
from prefine.ingest.values import text, type_name
from prefine.schema import Message
from prefine.settings.json import Json, is_array, is_object


@dataclass(frozen=True, slots=True)
class Task:
    """A prompt and the responses to it."""

    prompt: list[Message]
    """The turns of the prompt."""
    responses: list[list[Message]]
    """The turns of each response; empty for a null response."""
    mismatch: bool = False
    """Whether the responses have different contexts."""


def task_of(row: Json, columns: ColumnMap) -> Task:
    """Parse the prompt and the responses of a row.

    Raises:
        RowError: The prompt or a response cannot be parsed, or conversations do not contain the
            prompt.
    """
    values = _response_values(row, columns)
    system = None if columns.system is None else value_at(row, columns.system)
    if not is_blank(system):
        system = text(system, columns.system or "")
    stated = _stated_prompt(row, columns)
    whole = {_is_conversation(value) for _, value in values if value is not None}
    if columns.prompt is not None and whole == {True, False}:
        detail = "some responses are whole conversations, but others are not"
        raise RowError(Reason.NO_COMMON_PROMPT, detail)
    if columns.prompt is None or True in whole:
        task = _split([_conversation(value, what) for what, value in values])
        _require_within(stated, task.prompt)
    else:
        task = Task(stated, [[] if v is None else response_of(v, what) for what, v in values])
    prompt = task.prompt if is_blank(system) else _with_system(str(system), task.prompt)
    return Task(prompt, task.responses, task.mismatch)


def _response_values(row: Json, columns: ColumnMap) -> list[tuple[str, Any]]:
    """Return (name for messages, value) of each response: one per path, or the items of a list."""
    paths = columns.responses or (columns.chosen or "", columns.rejected or "")
    values = [(path, value) for path in paths for value in values_at(row, path)]
    values = [(path, None if is_null(value) else value) for path, value in values]
    if not columns.responses or len(values) != 1:
        return values
    [(path, value)] = values
    several = columns.labels or columns.ranks or columns.ranking
    parsed = as_list(value) if several else value
    if not is_array(parsed) or _is_conversation(parsed):
        return values
    items = [None if is_null(item) else item for item in parsed]
    return [(f"{path}[{position}]", item) for position, item in enumerate(items)]


def _is_conversation(value: object) -> bool:
    """Return whether a value is a list of messages that does not begin with a response."""
    if not is_array(value) or not all(is_object(item) for item in value):
        return False
    if not value or not {"role", "from"} & value[0].keys():
        return False
    return messages(value[:1], "response")[0]["role"] != "assistant"


def _conversation(value: object, what: str) -> list[Message]:
    """Parse a whole conversation: messages, which may be written as text, or a transcript."""
    if value is None:
        return []
    parsed = as_list(value)
    if is_array(parsed):
        return messages(parsed, what)
    if not isinstance(value, str):
        kind = type_name(value)
        detail = f"`{what}` is {kind}, not a conversation; name the prompt column with `prompt`"
        raise RowError(Reason.WRONG_TYPE, detail)
    if is_rendered(value):
        return conversation(value)[0]
    try:
        return transcript(value, what)
    except RowError as error:
        if error.reason is not Reason.NOT_A_TRANSCRIPT:
            raise
        detail = f"`{what}` is text without turns; name the prompt column with `prompt`"
        raise RowError(Reason.NOT_A_TRANSCRIPT, detail) from None


def _split(conversations: Sequence[list[Message]]) -> Task:
    """Split conversations where they diverge; a single conversation before its last turn."""
    present = [turns for turns in conversations if turns]
    if not present:
        return Task([], list(conversations))
    first, *others = present
    if not others:
        if len(first) < 2 or first[-1]["role"] != "assistant":  # noqa: PLR2004 - prompt, response
            detail = "the conversation does not end with a response to a prompt"
            raise RowError(Reason.NO_COMMON_PROMPT, detail)
        length, mismatch = len(first) - 1, False
    else:
        length = min(common_prompt(first, other)[0] for other in others)
        mismatch = any(len(turns) - length > 1 for turns in present)
    return Task(first[:length], [turns[length:] for turns in conversations], mismatch)


def _stated_prompt(row: Json, columns: ColumnMap) -> list[Message]:
    """Return the turns of ``history`` and ``prompt``; empty without ``prompt``."""
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
        detail = f"{error.detail}; write `{path}{OPTIONAL}` if it is optional"
        raise RowError(error.reason, detail) from None


def _part(value: object, path: str) -> str:
    if is_array(value) or is_object(value):
        detail = f"`{path}` is {type_name(value)}; only strings can be joined to one prompt"
        raise RowError(Reason.WRONG_TYPE, detail)
    return text(value, path)


def _history(value: Any, what: str) -> list[Message]:
    """Parse earlier turns, which may be written as text; empty if there are none."""
    parsed = as_list(value)
    if is_blank(parsed) or parsed == []:
        return []
    try:
        return history_turns(parsed, what)
    except RowError as error:
        if error.reason is not Reason.PROMPT_PART_UNREAD:
            raise
        detail = (
            f"`{what}` is neither a list of messages, nor of (user, assistant) pairs, nor of "
            "alternating user and assistant strings"
        )
        raise RowError(Reason.WRONG_TYPE, detail) from None


def _require_within(stated: Sequence[Message], prompt: Sequence[Message]) -> None:
    """Refuse conversations whose common prompt does not contain the stated prompt."""
    wanted, common = _stripped(stated), _stripped(prompt)
    starts = range(len(common) - len(wanted) + 1)
    if prompt and not any(common[start : start + len(wanted)] == wanted for start in starts):
        detail = "`prompt` is not part of the common beginning of the responses"
        raise RowError(Reason.PROMPT_DIFFERS, detail)


def _stripped(turns: Sequence[Message]) -> list[tuple[str, str]]:
    return [(turn["role"], turn["content"].strip()) for turn in turns]


def _with_system(system: str, prompt: list[Message]) -> list[Message]:
    """Return a prompt with a system turn, unless it has the same one already."""
    own = [turn["content"].strip() for turn in prompt if turn["role"] == "system"]
    if not own:
        return [Message(role="system", content=system), *prompt]
    if own != [system.strip()]:
        raise RowError(Reason.PROMPT_DIFFERS, "`system` differs from the system turn of the prompt")
    return prompt
