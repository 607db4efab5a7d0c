"""Chatbot Arena in its three published shapes: 33k, 55k, 140k.

What comes in: two whole conversations, or JSON lists of turns, with a winner. What goes out: one
label; ``tie`` and ``both bad`` stay apart. What never happens: turns that are shared by both sides
counted as a response.
"""

from typing import Any

import orjson

from prefine.ingest.record import (
    Candidate,
    Context,
    Label,
    Reason,
    Record,
    RowError,
    couple,
    get,
    listed,
    messages,
    number,
    optional,
    part,
    text,
)
from prefine.schema import Message, Winner
from prefine.schema.json import Json, is_array

_WINNERS = {
    "model_a": Winner.A,
    "model_b": Winner.B,
    "tie": Winner.TIE,
    "tie (bothbad)": Winner.BOTH_BAD,
    "both_bad": Winner.BOTH_BAD,
}


def detect_33k(row: Json) -> str | None:
    """Tell whether two whole conversations carry a winner and a judge."""
    if {"conversation_a", "conversation_b", "winner", "judge"} <= row.keys():
        return "`conversation_a`, `conversation_b`, `winner` and `judge`"
    return None


def detect_140k(row: Json) -> str | None:
    """Tell whether two whole conversations carry a winner and an evaluation session."""
    wanted = {"conversation_a", "conversation_b", "winner", "evaluation_session_id"}
    if wanted <= row.keys():
        return "`conversation_a`, `conversation_b`, `winner` and `evaluation_session_id`"
    return None


def parse(row: Json, _: Context) -> Record:
    """Read two conversations; their common beginning is the prompt."""
    winner = listed(_WINNERS, get(row, "winner"), "winner")
    sides = [messages(get(row, f"conversation_{s}"), f"conversation_{s}") for s in "ab"]
    label = couple(winner, label=str(row["winner"]), annotator=optional(row, "judge"))
    return _record(row, sides, label)


def _record(row: Json, sides: list[list[Message]], label: Label) -> Record:
    length, mismatch = part(*sides)
    candidates = [
        Candidate(side[length:], optional(row, f"model_{name}"))
        for side, name in zip(sides, "ab", strict=True)
    ]
    return Record(
        sides[0][:length],
        candidates,
        [label],
        group=optional(row, "category"),
        language=optional(row, "language"),
        context_mismatch=mismatch,
    )


def detect_55k(row: Json) -> str | None:
    """Tell whether turns stand as JSON in texts, beside one-hot winners."""
    if {"prompt", "response_a", "response_b", "winner_model_a", "winner_tie"} <= row.keys():
        return "`prompt` and responses as JSON lists, with one-hot `winner_*`"
    return None


def parse_55k(row: Json, _: Context) -> Record:
    """Read JSON lists of turns and the one winner column that is set."""
    keys = ("winner_model_a", "winner_model_b", "winner_tie")
    set_ = [key for key in keys if number(row.get(key), key) == 1]
    if len(set_) != 1:
        raise RowError(Reason.UNKNOWN_LABEL, f"{len(set_)} of the one-hot winners are set")
    winner = {"winner_model_a": Winner.A, "winner_model_b": Winner.B}.get(set_[0], Winner.TIE)
    asked = _json_list(row, "prompt")
    sides = [_turns(asked, _json_list(row, f"response_{s}")) for s in "ab"]
    return _record(row, sides, couple(winner, label=set_[0]))


def _json_list(row: Json, key: str) -> list[Any]:
    try:
        found = orjson.loads(text(get(row, key), key))
    except orjson.JSONDecodeError:
        raise RowError(Reason.WRONG_TYPE, f"`{key}` is not a JSON list") from None
    if not is_array(found):
        raise RowError(Reason.WRONG_TYPE, f"`{key}` is not a JSON list")
    return found


def _turns(asked: list[Any], answered: list[Any]) -> list[Message]:
    if len(asked) != len(answered):
        raise RowError(Reason.TURNS_DIFFER, f"{len(asked)} questions, {len(answered)} answers")
    turns: list[Message] = []
    for question, answer in zip(asked, answered, strict=True):
        turns.append(Message(role="user", content=text(question, "prompt")))
        said = text(answer, "response", Reason.RESPONSE_NOT_TEXT)
        turns.append(Message(role="assistant", content=said))
    return turns
