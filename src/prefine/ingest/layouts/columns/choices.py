"""Parse choices between responses with a column map: sides, numbers, models, texts and ids."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from prefine.ingest.labels import signed_preference
from prefine.ingest.layouts.columns.annotators import annotators
from prefine.ingest.layouts.columns.columnmap import LabelColumn
from prefine.ingest.layouts.columns.spelling import find_spelling, is_blank, spelled
from prefine.ingest.messages import response_of
from prefine.ingest.paths import values_at
from prefine.ingest.record import Candidate, Label, Reason, RowError
from prefine.ingest.values import number
from prefine.schema import Kind, Winner, text_of
from prefine.settings.json import Json

_PAIR = 2


@dataclass(frozen=True, slots=True)
class Answers:
    """The responses of a row and their ids."""

    candidates: Sequence[Candidate]
    """The responses."""
    ids: Sequence[str] = ()
    """Their ids, which labels with ``names: id`` refer to; empty without ids."""

    def __len__(self) -> int:
        return len(self.candidates)


def choices(
    row: Json, column: LabelColumn, answers: Answers, shared: str | None, aspect: str | None
) -> list[Label]:
    """Parse the labels in a column.

    Args:
        row: The raw row.
        column: How the column is parsed.
        answers: The responses that the labels choose from.
        shared: The annotator if the entry names none.
        aspect: The aspect that was judged.

    Raises:
        RowError: A label cannot be parsed, or the row does not have two responses.
    """
    best_of_several = column.names is not None or column.first is not None
    if len(answers) < _PAIR or (len(answers) > _PAIR and not best_of_several):
        raise _not_two(column, answers)
    values = values_at(row, column.column)
    names = annotators(row, column, shared, column.column, len(values))
    return [
        label
        for value, name in zip(values, names, strict=True)
        for label in _choice(value, column, answers, {"aspect": aspect, "annotator": name})
    ]


def _not_two(column: LabelColumn, answers: Answers) -> RowError:
    detail = f"`{column.column}` names a side, but the row has {len(answers)} responses, not 2"
    return RowError(Reason.WRONG_TYPE, detail)


def unlisted_value(column: str, value: object, known: Sequence[str]) -> RowError:
    """Return the error for a value that is not in the column map."""
    shown = f"{spelled(value)[:40]!r}, not one of {', '.join(known)}"
    return RowError(Reason.UNKNOWN_LABEL, f"`{column}` is {shown}")


def _choice(
    value: Any, column: LabelColumn, answers: Answers, facts: Mapping[str, Any]
) -> list[Label]:
    """Parse one value; a missing value becomes an invalid label."""
    if is_blank(value) and find_spelling(value, tuple(column.values)) is None:
        return _all_pairs(answers, Winner.INVALID, facts)
    raw = "" if column.names == "response" else spelled(value)
    facts = {**facts, "label": raw or None}
    try:
        return _parse_value(value, column, answers, facts)
    except RowError as error:
        if column.otherwise is None or error.reason is not Reason.UNKNOWN_LABEL:
            raise
        return _all_pairs(answers, Winner.INVALID, {**facts, "label": raw or "unknown"})


def _parse_value(
    value: Any, column: LabelColumn, answers: Answers, facts: Mapping[str, Any]
) -> list[Label]:
    if column.negative is not None:
        return _signed(value, column, facts)
    key = find_spelling(value, tuple(column.values))
    if key is not None:
        return _listed_winner(Winner(column.values[key]), column, answers, facts)
    if column.first is not None:
        return _best([_position_of_number(value, column, answers)], answers, facts)
    if column.names is None:
        raise unlisted_value(column.column, value, tuple(column.values))
    if column.names == "response":
        best = _positions_of_text(value, column, answers)
        numbers = {"label": " and ".join(f"response {position + 1}" for position in best)}
        return _best(best, answers, {**facts, **numbers})
    return _best([_position_of_name(value, column, answers)], answers, facts)


def _signed(value: Any, column: LabelColumn, facts: Mapping[str, Any]) -> list[Label]:
    strength = number(value, column.column)
    if strength is None:
        return [Label(Kind.PAIR, 0, 1, Winner.INVALID, **facts)]
    sign = 1 if column.negative == "a" else -1
    winner, strength = signed_preference(sign * strength)
    unit = column.column
    return [Label(Kind.PAIR, 0, 1, winner, strength=strength, strength_unit=unit, **facts)]


def _listed_winner(
    winner: Winner, column: LabelColumn, answers: Answers, facts: Mapping[str, Any]
) -> list[Label]:
    if winner in {Winner.A, Winner.B} and len(answers) != _PAIR:
        raise _not_two(column, answers)
    return _all_pairs(answers, winner, facts)


def _position_of_number(value: Any, column: LabelColumn, answers: Answers) -> int:
    """Return the index of the response with a number."""
    assert column.first is not None, "the column has the number of a response"
    raw = number(value, column.column)
    position = -1 if raw is None or not raw.is_integer() else int(raw) - column.first
    if not 0 <= position < len(answers):
        last = column.first + len(answers) - 1
        detail = f"`{column.column}` is {spelled(value)[:40]}, not one of {column.first} to {last}"
        raise RowError(Reason.UNKNOWN_LABEL, detail)
    return position


def _position_of_name(value: Any, column: LabelColumn, answers: Answers) -> int:
    """Return the index of the response with a model or id."""
    models = [candidate.model or "" for candidate in answers.candidates]
    names = models if column.names == "model" else answers.ids
    known = tuple(dict.fromkeys(name for name in names if name))
    key = find_spelling(value, known)
    if key is None:
        raise unlisted_value(column.column, value, known)
    positions = [position for position, name in enumerate(names) if name == key]
    if len(positions) > 1:
        detail = (
            f"`{column.column}` is {key[:40]!r}, the {column.names} of {len(positions)} responses"
        )
        raise RowError(Reason.UNKNOWN_LABEL, detail)
    return positions[0]


def _positions_of_text(value: Any, column: LabelColumn, answers: Answers) -> list[int]:
    """Return the indexes of the responses with these turns or this text."""
    turns = response_of(value, column.column)
    responses = [candidate.messages for candidate in answers.candidates]
    same = [
        index
        for index, messages in enumerate(responses)
        if messages and turns[-len(messages) :] == messages
    ]
    text = text_of(turns).strip()
    same = same or [i for i, messages in enumerate(responses) if text == text_of(messages).strip()]
    if not same:
        detail = f"`{column.column}` does not equal any response"
        raise RowError(Reason.UNKNOWN_LABEL, detail)
    return same


def _best(best: Sequence[int], answers: Answers, facts: Mapping[str, Any]) -> list[Label]:
    """Return labels that prefer the best response, and its duplicates, to every other response."""
    return [
        Label(Kind.PAIR, a, b, Winner.A if a in best else Winner.B, **facts)
        for a, b in combinations(range(len(answers)), 2)
        if (a in best) != (b in best)
    ]


def _all_pairs(answers: Answers, winner: Winner, facts: Mapping[str, Any]) -> list[Label]:
    """Return the same label for every two responses."""
    return [
        Label(Kind.PAIR, a, b, winner, **facts) for a, b in combinations(range(len(answers)), 2)
    ]
