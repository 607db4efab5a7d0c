"""FastChat's layouts: judgements that refer to questions and answers in other files.

What comes in: reviews with two answers and a score, pairwise judgements by model names, single
grades; lookup tables ``questions`` and ``answers``. What goes out: records with the conversation
each answer belongs to. What never happens: a judgement that is joined by position.
"""

from collections.abc import Mapping
from typing import Any

from prefine.errors import DataError
from prefine.ingest.record import (
    Candidate,
    Context,
    Label,
    Reason,
    Record,
    RowError,
    choose,
    couple,
    get,
    number,
    optional,
    rating,
    text,
)
from prefine.schema import Message, Winner
from prefine.schema.json import Json, is_array, is_object

_SIDES = ("a", "b")
_CLASSES = {1: Winner.A, 2: Winner.B, 3: Winner.TIE}
"""What a three-class reviewer answers; anything else, such as -1, names no side."""


def index_questions(rows: list[tuple[Json, Mapping[str, str]]]) -> dict[Any, Json]:
    """Index question rows by their id."""
    found: dict[Any, Json] = {}
    for row, _ in rows:
        _enter(found, _key(get(row, "question_id")), row)
    return found


def index_answers(rows: list[tuple[Json, Mapping[str, str]]]) -> dict[Any, Json]:
    """Index answer rows by answer id, and by model and question id.

    The model is the one that the path names, and otherwise the row's own.
    """
    found: dict[Any, Json] = {}
    for row, fields in rows:
        if "answer_id" in row:
            _enter(found, _key(row["answer_id"]), row)
        for model in (fields.get("model"), row.get("model_id")):
            if model is not None:
                _enter(found, (_spell(model), _key(row.get("question_id"))), row)
    return found


def _enter(found: dict[Any, Json], key: Any, row: Json) -> None:
    if found.setdefault(key, row) != row:
        raise DataError(f"two rows of a lookup table are for {key!s:.80}, and they differ")


def _key(value: object) -> Any:
    """Return a value that may be a key of a lookup table."""
    if not isinstance(value, str | int | float):
        raise RowError(Reason.WRONG_TYPE, "an id is neither a text nor a number")
    return value


def _spell(model: object) -> str:
    return str(model).replace("_", "-")


def detect(row: Json) -> str | None:
    """Tell whether a judgement refers to a question and to answers by ids or model names."""
    if "question_id" not in row:
        return None
    if {"answer1_id", "answer2_id", "score"} <= row.keys():
        return "`answer1_id`, `answer2_id` and `score`: answers lie in other files"
    if {"model_a", "model_b", "winner", "judge_id"} <= row.keys():
        return "`model_a`, `model_b` and `winner`: answers lie in other files"
    if "judgment" in row and "model" in row:
        return "`model`, `judgment` and `score`: answers lie in other files"
    if {"model_id", "score_turn1"} <= row.keys():
        return "`model_id` and `score_turn1`: answers lie in other files"
    return None


def parse(row: Json, context: Context) -> Record:
    """Read one judgement and the conversation that it is about."""
    question = _lookup(context, "questions", _key(get(row, "question_id")))
    asked = _asked(question)
    couples = "model_a" in row or "answer1_id" in row or "model_a" in context.fields
    answers = (
        [_answer(row, context, side) for side in _SIDES] if couples else [_single(row, context)]
    )
    candidates = [_candidate(asked, answer, name) for answer, name in answers]
    labels = [_preference(row)] if couples else _grades(row)
    prompt = [Message(role="user", content=asked[0])]
    return Record(prompt, candidates, labels, group=optional(question, "category"))


def _asked(question: Json) -> list[str]:
    turns = question.get("turns")
    return (
        [text(turn, "turns") for turn in turns]
        if is_array(turns) and turns
        else [text(question.get("text"), "text")]
    )


def _lookup(context: Context, table: str, key: Any) -> Json:
    found = context.tables.get(table, {}).get(key)
    if found is None:
        raise RowError(Reason.LOOKUP_MISSING, f"no row of `{table}` for {key!s:.80}")
    return found


def _answer(row: Json, context: Context, side: str) -> tuple[Json, str | None]:
    """Find one side's answer: by the path's model, the row's model, or the answer id."""
    name = context.fields.get(f"model_{side}") or optional(row, f"model_{side}")
    if name is not None:
        return _lookup(context, "answers", (_spell(name), _key(row["question_id"]))), name
    found = _lookup(context, "answers", _key(get(row, f"answer{_SIDES.index(side) + 1}_id")))
    return found, optional(found, "model_id")


def _single(row: Json, context: Context) -> tuple[Json, str | None]:
    name = optional(row, "model") or optional(row, "model_id")
    return _lookup(context, "answers", (_spell(name), _key(row["question_id"]))), name


def _candidate(asked: list[str], answer: Json, name: str | None) -> Candidate:
    said = _said(answer)
    if len(said) != len(asked):
        raise RowError(Reason.TURNS_DIFFER, f"{len(asked)} questions, {len(said)} answers")
    turns = [Message(role="assistant", content=said[0])]
    for question, reply in zip(asked[1:], said[1:], strict=True):
        turns.append(Message(role="user", content=question))
        turns.append(Message(role="assistant", content=reply))
    return Candidate(turns, name)


def _said(answer: Json) -> list[str]:
    choices = answer.get("choices")
    if is_array(choices) and choices and is_object(choices[0]):
        turns = choices[0].get("turns")
        return (
            [text(t, "turns", Reason.RESPONSE_NOT_TEXT) for t in turns] if is_array(turns) else []
        )
    found = answer.get("generation_truncated", answer.get("text"))
    return [text(found, "text", Reason.RESPONSE_NOT_TEXT)]


def _preference(row: Json) -> Label:
    score = row.get("score")
    if is_array(score):
        values = [number(value, "score") for value in score]
        if len(values) != 2 or None in values or min(v or 0 for v in values) < 0:  # noqa: PLR2004
            return couple(Winner.INVALID, label=str(score), annotator=_judge(row))
        winner, size = choose((values[1] or 0) - (values[0] or 0))
        facts = {"strength": size, "strength_unit": "score", "annotator": _judge(row)}
        return couple(winner, label=str(score), **facts)
    if score is not None:
        winner = _CLASSES.get(_key(score), Winner.INVALID)
        return couple(winner, label=str(score), annotator=_judge(row))
    return couple(_named(row), label=str(row.get("winner")), annotator=_judge(row))


def _named(row: Json) -> Winner:
    """Read the winner's name; ``inconsistent`` and ``error`` name no side."""
    names = {
        _key(row.get("model_a", "")): Winner.A,
        _key(row.get("model_b", "")): Winner.B,
        "tie": Winner.TIE,
        "inconsistent": Winner.INVALID,
        "error": Winner.INVALID,
    }
    found = names.get(_key(row.get("winner")))
    if found is None:
        raise RowError(Reason.UNKNOWN_LABEL, "`winner` is neither model, nor tie")
    return found


def _judge(row: Json) -> str | None:
    return optional(row, "judge_id") or optional(row, "reviewer_id")


def _grades(row: Json) -> list[Label]:
    if "score_turn1" in row:
        turns = ("turn1", "turn2")
        grades = [rating(0, row.get(f"score_{turn}"), turn, _judge(row)) for turn in turns]
        return [*grades, rating(0, row.get("avg_score"), "overall", _judge(row))]
    return [rating(0, row.get("score"), "overall", _judge(row))]
