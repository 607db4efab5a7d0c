"""Column names that published data sets use for the prompt and for the two sides of a pair."""

import re

from prefine.ingest.messages import is_conversation, prompt_of, response_of, role_of
from prefine.ingest.pointers import referenced_column
from prefine.ingest.prompt_parts import PROMPT_LIKE
from prefine.ingest.record import Reason, RowError
from prefine.ingest.values import required
from prefine.schema import Message
from prefine.settings.json import Json, is_array, is_object

_TEXTS = ("instruction", "question", "query", "problem", "user_prompt", "prompt_text", "user_input")
PROMPTS = (
    *("prompt", *_TEXTS),
    *("conversation", "trajectory", "dialogue", "dialog", "messages", "input"),
)
"""Columns with a prompt (text or a list of messages); the first one in a row is used."""

SIDE_COLUMNS = (
    *(("chosen", "rejected"), ("chosen", "reject"), ("accepted", "rejected")),
    *(("preferred", "rejected"), ("preferred", "dispreferred")),
    *(("preferred", "non_preferred"),),
    *(("chosen_response", "rejected_response"), ("response_chosen", "response_rejected")),
    *(("chosen_answer", "rejected_answer"), ("answer_chosen", "answer_rejected")),
    *(("chosen_completion", "rejected_completion"), ("chosen_output", "rejected_output")),
    *(("preferred_response", "dispreferred_response"), ("preferred_response", "rejected_response")),
    *(("response", "rejected_response"), ("response_j", "response_k")),
    *(("better_response", "worse_response"), ("winning_response", "losing_response")),
    *(("good_response", "bad_response"), ("better", "worse"), ("good", "bad"), ("win", "lose")),
)
"""Columns with the chosen and the rejected response of a labelled pair."""

COMPARED_COLUMNS = (
    *(("response_a", "response_b"), ("response_A", "response_B"), ("answer_a", "answer_b")),
    *(("completion_a", "completion_b"), ("output_a", "output_b")),
    *(("response_1", "response_2"), ("answer_1", "answer_2"), ("output_1", "output_2")),
    *(("response1", "response2"), ("answer1", "answer2"), ("completion_1", "completion_2")),
)
"""Columns with two responses that are compared in a further column."""

_LISTS = (
    *("responses", "completions", "candidates", "answers", "generations", "outputs", "options"),
    *("choices", "response_0", "response_1", "response_a", "answer_a", "output_1", "answer_1"),
)
"""Columns with responses that a short string in another column may refer to."""
_SINGLE = ("response", "completion", "output")
"""Columns with a response that a boolean in another column may label."""
_REFERENCE = re.compile(
    r"\s*((response|answer|output|completion|candidate|option|model)[ _-]?)?"
    r"([+-]?\d+(\.\d+)?|[A-Za-z])\s*"
)
_BOOLEAN = re.compile(r"\s*(true|false)\s*", re.IGNORECASE)


def prompt_column(row: Json) -> str | None:
    """Return the column that holds the prompt by its name, or None if there is none."""
    first = next((name for name in PROMPTS if row.get(name) is not None), None)
    return first if _is_prompt(row.get(first or "")) else None


def _is_prompt(value: object) -> bool:
    return (isinstance(value, str) and bool(value.strip())) or _is_messages(value)


def _is_messages(value: object) -> bool:
    return is_array(value) and bool(value) and is_object(value[0])


def read_prompt(row: Json, column: str) -> list[Message]:
    """Parse a prompt column: text or a list of messages.

    Raises:
        RowError: The column is not a prompt, it ends with an assistant turn, or another column may
            be the prompt as well.
    """
    turns = prompt_of(required(row, column), column)
    require_one_prompt(row, column, turns)
    if column != "prompt" and turns[-1]["role"] == "assistant":
        raise RowError(Reason.WRONG_TYPE, f"`{column}` ends with an assistant turn")
    return turns


def require_one_prompt(row: Json, column: str, turns: list[Message]) -> None:
    """Require that no other column of a row may be the prompt.

    Raises:
        RowError: Another prompt column has text that is not part of the prompt.
    """
    whole = "\n\n".join(turn["content"] for turn in turns)
    for name in _TEXTS:
        value = row.get(name)
        if name != column and isinstance(value, str) and value.strip() not in whole:
            raise RowError(
                Reason.PROMPT_PART_UNREAD,
                f"`{column}` and `{name}` may both be the prompt and differ; "
                "name the right one in a column map (`format: columns`)",
            )


def side_columns(row: Json) -> list[tuple[str, str]]:
    """Return the known (chosen, rejected) column names that a row has."""
    return [sides for sides in SIDE_COLUMNS if all(_is_response(row.get(name)) for name in sides)]


def compared_columns(row: Json) -> list[tuple[str, str]]:
    """Return the known column names of two compared responses that a row has."""
    return [
        names for names in COMPARED_COLUMNS if all(_is_response(row.get(name)) for name in names)
    ]


def _is_response(value: object) -> bool:
    return isinstance(value, str) or is_object(value) or _is_messages(value)


def are_conversations(row: Json, sides: tuple[str, str]) -> bool:
    """Return whether both sides are conversations that begin with a prompt."""
    values = [row.get(name) for name in sides]
    return all(is_conversation(value) and not _is_reply(value) for value in values)


def _is_reply(value: object) -> bool:
    """Return whether a list of messages begins with an assistant turn."""
    first: object = value[0] if is_array(value) and value else None
    return is_object(first) and role_of(first) == "assistant"


def read_sides(row: Json, sides: tuple[str, str]) -> list[list[Message]]:
    """Parse both sides of a pair.

    Raises:
        RowError: A side is not a response, or refers to a response in another column.
    """
    for column in sides:
        _require_no_reference(row, column)
    if target := referenced_column(row, sides, (*PROMPTS, *PROMPT_LIKE)):
        values = " and ".join(f"`{name}` {str(row.get(name))[:40]!r}" for name in sides)
        raise _reference_error(f"{values} seem to refer to `{target}`")
    return [response_of(row.get(column), column) for column in sides]


def _require_no_reference(row: Json, column: str) -> None:
    """Refuse a short string that names one of the responses in other columns."""
    value = row.get(column)
    if not isinstance(value, str):
        return
    for pattern, names in ((_REFERENCE, _LISTS), (_BOOLEAN, (*_LISTS, *_SINGLE))):
        if not pattern.fullmatch(value):
            continue
        others = [name for name in names if row.get(name) and name != column]
        if others:
            raise _reference_error(
                f"`{column}` is {value[:40]!r} and seems to refer to `{others[0]}`"
            )


def _reference_error(detail: str) -> RowError:
    remedy = "read the row with a column map (`format: columns`)"
    return RowError(Reason.RESPONSE_NOT_TEXT, f"{detail}; {remedy}")
