"""Read choices between responses by a column map: sides, numbers, models, texts and ids."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from prefine.ingest.labels import signed_preference
from prefine.ingest.layouts.columns.annotators import annotators
from prefine.ingest.layouts.columns.columnmap import LabelColumn
from prefine.ingest.layouts.columns.spelling import is_blank, listed, spelled
from prefine.ingest.messages import response_of
from prefine.ingest.paths import values_at
from prefine.ingest.record import Candidate, Label, Reason, RowError
from prefine.ingest.values import number
from prefine.schema import Kind, Winner, text_of
from prefine.settings.json import Json

_PAIR = 2


@dataclass(frozen=True, slots=True)
class Answers:
    """The responses of a row, and the ids by which labels may name them."""

    candidates: Sequence[Candidate]
    ids: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.candidates)


def choices(
    row: Json, column: LabelColumn, answers: Answers, shared: str | None, aspect: str | None
) -> list[Label]:
    """Read the labels in a column.

    Args:
        row: The raw row.
        column: How the column is read.
        answers: What the labels choose from.
        shared: The annotator where the entry names none.
        aspect: What was judged.
    """
    best_of_several = column.names is not None or column.first is not None
    if len(answers) < _PAIR or (len(answers) > _PAIR and not best_of_several):
        detail = f"`{column.column}` names a side, but the row has not two"
        raise RowError(Reason.WRONG_TYPE, detail)
    values = values_at(row, column.column)
    names = annotators(row, column, shared, column.column, len(values))
    return [
        label
        for value, name in zip(values, names, strict=True)
        for label in _choice(value, column, answers, {"aspect": aspect, "annotator": name})
    ]


def unlisted(column: str, value: object, known: Sequence[str]) -> RowError:
    """Return the error of a value that a map does not list."""
    shown = f"{spelled(value)[:40]!r}, not one of {', '.join(known)}"
    return RowError(Reason.UNKNOWN_LABEL, f"`{column}` is {shown}")


def _choice(
    value: Any, column: LabelColumn, answers: Answers, facts: Mapping[str, Any]
) -> list[Label]:
    """Read one value; a null one is a label that names no side."""
    if is_blank(value) and listed(value, tuple(column.values)) is None:
        return _all(answers, Winner.INVALID, facts)
    said = "" if column.names == "response" else spelled(value)
    facts = {**facts, "label": said or None}
    try:
        return _read(value, column, answers, facts)
    except RowError as error:
        if column.otherwise is None or error.reason is not Reason.UNKNOWN_LABEL:
            raise
        return _all(answers, Winner.INVALID, {**facts, "label": said or "unknown"})


def _read(
    value: Any, column: LabelColumn, answers: Answers, facts: Mapping[str, Any]
) -> list[Label]:
    if column.negative is not None:
        return _signed(value, column, facts)
    key = listed(value, tuple(column.values))
    if key is not None:
        return _meant(Winner(column.values[key]), column, answers, facts)
    if column.first is not None:
        return _best([_numbered(value, column, answers)], answers, facts)
    if column.names is None:
        raise unlisted(column.column, value, tuple(column.values))
    if column.names == "response":
        best = _written(value, column, answers)
        said = {"label": " and ".join(f"response {position + 1}" for position in best)}
        return _best(best, answers, {**facts, **said})
    return _best([_named(value, column, answers)], answers, facts)


def _signed(value: Any, column: LabelColumn, facts: Mapping[str, Any]) -> list[Label]:
    strength = number(value, column.column)
    if strength is None:
        return [Label(Kind.PAIR, 0, 1, Winner.INVALID, **facts)]
    sign = 1 if column.negative == "a" else -1
    winner, strength = signed_preference(sign * strength)
    unit = column.column
    return [Label(Kind.PAIR, 0, 1, winner, strength=strength, strength_unit=unit, **facts)]


def _meant(
    winner: Winner, column: LabelColumn, answers: Answers, facts: Mapping[str, Any]
) -> list[Label]:
    if winner in {Winner.A, Winner.B} and len(answers) != _PAIR:
        detail = f"`{column.column}` names a side, but the row has not two"
        raise RowError(Reason.WRONG_TYPE, detail)
    return _all(answers, winner, facts)


def _numbered(value: Any, column: LabelColumn, answers: Answers) -> int:
    """Return the position of the response that a number names."""
    assert column.first is not None, "the column holds the number of a response"
    found = number(value, column.column)
    position = -1 if found is None or not found.is_integer() else int(found) - column.first
    if not 0 <= position < len(answers):
        last = column.first + len(answers) - 1
        detail = f"`{column.column}` is {spelled(value)[:40]}, not one of {column.first} to {last}"
        raise RowError(Reason.UNKNOWN_LABEL, detail)
    return position


def _named(value: Any, column: LabelColumn, answers: Answers) -> int:
    """Return the position of the response of a model, or with an id."""
    by_model = [candidate.model or "" for candidate in answers.candidates]
    names = by_model if column.names == "model" else answers.ids
    known = tuple(dict.fromkeys(name for name in names if name))
    key = listed(value, known)
    if key is None:
        raise unlisted(column.column, value, known)
    positions = [position for position, name in enumerate(names) if name == key]
    if len(positions) > 1:
        detail = (
            f"`{column.column}` is {key[:40]!r}, the {column.names} of {len(positions)} responses"
        )
        raise RowError(Reason.UNKNOWN_LABEL, detail)
    return positions[0]


def _written(value: Any, column: LabelColumn, answers: Answers) -> list[int]:
    """Return the positions of the responses that have a text, or these turns."""
    turns = response_of(value, column.column)
    held = [candidate.messages for candidate in answers.candidates]
    same = [
        i for i, messages in enumerate(held) if messages and turns[-len(messages) :] == messages
    ]
    text = text_of(turns).strip()
    same = same or [i for i, messages in enumerate(held) if text == text_of(messages).strip()]
    if not same:
        detail = f"`{column.column}` is the text of no response"
        raise RowError(Reason.UNKNOWN_LABEL, detail)
    return same


def _best(best: Sequence[int], answers: Answers, facts: Mapping[str, Any]) -> list[Label]:
    """Prefer the best response, and those equal to it, to every other one."""
    return [
        Label(Kind.PAIR, a, b, Winner.A if a in best else Winner.B, **facts)
        for a, b in combinations(range(len(answers)), 2)
        if (a in best) != (b in best)
    ]


def _all(answers: Answers, winner: Winner, facts: Mapping[str, Any]) -> list[Label]:
    """Say the same of every two responses."""
    return [
        Label(Kind.PAIR, a, b, winner, **facts) for a, b in combinations(range(len(answers)), 2)
    ]
