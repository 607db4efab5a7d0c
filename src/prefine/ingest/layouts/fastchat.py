"""FastChat (Vicuna, MT-Bench): judgements that refer to questions and answers in other files."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from prefine.errors import DataError
from prefine.ingest.labels import compared_scores, pair_label, rating_label
from prefine.ingest.layout import Context, Layout
from prefine.ingest.record import Candidate, Label, Reason, Record, RowError
from prefine.ingest.values import number, optional, required, text, type_name
from prefine.schema import Message, Winner
from prefine.settings import FileSet, Part, Pattern, Where
from prefine.settings.json import Json, is_array, is_object

_SIDES = ("a", "b")
_CLASSES = {1: Winner.A, 2: Winner.B, 3: Winner.TIE}
"""Winners by the answer of a three-class reviewer; other answers, such as -1, are invalid."""


class Table(Part):
    """Files of questions or answers that the rows of a source refer to."""

    files: Annotated[tuple[str, ...], Where]
    """Paths or globs relative to the data folder, or fsspec URLs."""
    path_fields: Annotated[Pattern | None, Where] = None
    """Regular expression that is searched in each file path; its named group ``model`` is the model
    that wrote the answers."""


class FastChat(Layout):
    """FastChat judgements: reviews of two answers, pairwise judgements, or grades of one answer.

    Pairwise judgements become labels, grades become ratings; the texts come from ``tables``.
    """

    version: ClassVar = 3
    format: Literal["fastchat"] = "fastchat"
    """Name of the layout."""
    tables: dict[str, Table] = Field(min_length=1)
    """Files of the lookup tables ``questions`` and ``answers``."""

    def lookups(self) -> Mapping[str, FileSet]:
        """Return the file sets of the questions and of the answers."""
        return {
            name: FileSet(f"{self.key}, table {name}", table.files, table.path_fields)
            for name, table in self.tables.items()
        }

    @classmethod
    def index(
        cls, table: str, rows: Iterable[tuple[Json, Mapping[str, str]]]
    ) -> Mapping[Any, Json]:
        """Index questions by id, and answers by answer id and by (model, question id)."""
        return _questions(rows) if table == "questions" else _answers(rows)

    @classmethod
    def detect(cls, row: Json) -> str | None:
        """Detect a judgement that refers to a question, and to answers by id or model name."""
        if "question_id" not in row:
            return None
        if {"answer1_id", "answer2_id", "score"} <= row.keys():
            return "`answer1_id`, `answer2_id` and `score`, with answers in other files"
        if {"model_a", "model_b", "winner", "judge_id"} <= row.keys():
            return "`model_a`, `model_b` and `winner`, with answers in other files"
        if "judgment" in row and "model" in row:
            return "`model`, `judgment` and `score`, with answers in other files"
        if {"model_id", "score_turn1"} <= row.keys():
            return "`model_id` and `score_turn1`, with answers in other files"
        return None

    def parse(self, row: Json, context: Context) -> Record:
        """Parse one judgement and look up the conversation that it is about."""
        question = _lookup(context, "questions", _key(required(row, "question_id")))
        questions = _questions_of(question)
        judged = _num_judged(row, len(questions))
        paired = "model_a" in row or "answer1_id" in row or "model_a" in context.fields
        answers = (
            [_answer(row, context, side) for side in _SIDES] if paired else [_single(row, context)]
        )
        candidates = [_candidate(questions, answer, model, judged) for answer, model in answers]
        labels = [_preference(row)] if paired else _grades(row)
        prompt = [Message(role="user", content=questions[0])]
        return Record(prompt, candidates, labels, group=optional(question, "category"))


def _questions(rows: Iterable[tuple[Json, Mapping[str, str]]]) -> dict[Any, Json]:
    index: dict[Any, Json] = {}
    for row, _ in rows:
        _enter(index, _key(required(row, "question_id")), row)
    return index


def _answers(rows: Iterable[tuple[Json, Mapping[str, str]]]) -> dict[Any, Json]:
    """Index answers by answer id, and by (model, question id) with the model of path and row."""
    index: dict[Any, Json] = {}
    for row, fields in rows:
        if "answer_id" in row:
            _enter(index, _key(row["answer_id"]), row)
        for model in (fields.get("model"), row.get("model_id")):
            if model is not None:
                _enter(index, (_spelling(model), _key(row.get("question_id"))), row)
    return index


def _enter(index: dict[Any, Json], key: Any, row: Json) -> None:
    if index.setdefault(key, row) != row:
        detail = f"two different rows of a lookup table have the key {key!s:.80}"
        raise DataError(f"{detail}; remove one of them")


def _key(value: object) -> Any:
    """Return a value that can be the key of a lookup table."""
    if not isinstance(value, str | int | float):
        raise RowError(Reason.WRONG_TYPE, f"an id is {type_name(value)}, not a string or a number")
    return value


def _spelling(model: object) -> str:
    return str(model).replace("_", "-")


def _lookup(context: Context, table: str, key: Any) -> Json:
    row = context.tables.get(table, {}).get(key)
    if row is None:
        detail = f"the lookup table `{table}` has no row with the key {key!s:.80}"
        raise RowError(Reason.LOOKUP_MISSING, detail)
    return row


def _questions_of(question: Json) -> list[str]:
    turns = question.get("turns")
    return (
        [text(turn, "turns") for turn in turns]
        if is_array(turns) and turns
        else [text(question.get("text"), "text")]
    )


def _answer(row: Json, context: Context, side: str) -> tuple[Json, str | None]:
    """Return the answer of a side and its model, looked up by model or answer id."""
    model = context.fields.get(f"model_{side}") or optional(row, f"model_{side}")
    if model is not None:
        return _lookup(context, "answers", (_spelling(model), _key(row["question_id"]))), model
    answer_id = _key(required(row, f"answer{_SIDES.index(side) + 1}_id"))
    answer = _lookup(context, "answers", answer_id)
    return answer, optional(answer, "model_id")


def _single(row: Json, context: Context) -> tuple[Json, str | None]:
    model = optional(row, "model") or optional(row, "model_id")
    return _lookup(context, "answers", (_spelling(model), _key(row["question_id"]))), model


def _num_judged(row: Json, count: int) -> int:
    """Return the number of turns that a judgement is about: up to its ``turn``, or all."""
    turn = number(row.get("turn"), "turn")
    if turn is None:
        return count
    if turn not in range(1, count + 1):
        raise RowError(Reason.TURNS_DIFFER, f"`turn` is {turn:g}, but there are {count} questions")
    return int(turn)


def _candidate(questions: list[str], answer: Json, model: str | None, num_judged: int) -> Candidate:
    replies = _replies(answer)
    if len(replies) != len(questions):
        detail = f"{len(questions)} questions but {len(replies)} answers"
        raise RowError(Reason.TURNS_DIFFER, detail)
    turns = [Message(role="assistant", content=replies[0])]
    for question, reply in zip(questions[1:num_judged], replies[1:num_judged], strict=True):
        turns.append(Message(role="user", content=question))
        turns.append(Message(role="assistant", content=reply))
    return Candidate(turns, model)


def _replies(answer: Json) -> list[str]:
    choices = answer.get("choices")
    if is_array(choices) and choices and is_object(choices[0]):
        turns = choices[0].get("turns")
        return (
            [text(t, "turns", Reason.RESPONSE_NOT_TEXT) for t in turns] if is_array(turns) else []
        )
    reply = answer.get("generation_truncated", answer.get("text"))
    return [text(reply, "text", Reason.RESPONSE_NOT_TEXT)]


def _preference(row: Json) -> Label:
    score, judge = row.get("score"), _judge(row)
    if is_array(score):
        values = [number(value, "score") for value in score]
        if len(values) != 2 or None in values or min(v or 0 for v in values) < 0:  # noqa: PLR2004
            return pair_label(Winner.INVALID, label=str(score), annotator=judge)
        winner, strength = compared_scores(values[0] or 0.0, values[1] or 0.0)
        facts = {"strength": strength, "strength_unit": "score", "annotator": judge}
        return pair_label(winner, label=str(score), **facts)
    if score is not None:
        winner = _CLASSES.get(_key(score), Winner.INVALID)
        return pair_label(winner, label=str(score), annotator=judge)
    return pair_label(_named_winner(row), label=str(row.get("winner")), annotator=judge)


def _named_winner(row: Json) -> Winner:
    """Return the winner by model name; ``inconsistent`` and ``error`` are invalid labels."""
    names = {
        _key(row.get("model_a", "")): Winner.A,
        _key(row.get("model_b", "")): Winner.B,
        "tie": Winner.TIE,
        "inconsistent": Winner.INVALID,
        "error": Winner.INVALID,
    }
    winner = names.get(_key(row.get("winner")))
    if winner is None:
        known = ", ".join(map(str, names))
        detail = f"`winner` is {row.get('winner')!s:.40}, not one of {known:.200}"
        raise RowError(Reason.UNKNOWN_LABEL, detail)
    return winner


def _judge(row: Json) -> str | None:
    return optional(row, "judge_id") or optional(row, "reviewer_id")


def _grades(row: Json) -> list[Label]:
    if "score_turn1" in row:
        turns = ("turn1", "turn2")
        grades = [rating_label(0, row.get(f"score_{turn}"), turn, _judge(row)) for turn in turns]
        return [*grades, rating_label(0, row.get("avg_score"), "overall", _judge(row))]
    return [rating_label(0, row.get("score"), "overall", _judge(row))]
