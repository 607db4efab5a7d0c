"""Nectar: up to seven answers to a transcript, ranked.

What comes in: answers with ranks. What goes out: one rank an answer; rank 1 is the best. What never
happens: ranks of two rows that are compared.
"""

from prefine.ingest.hh import transcript
from prefine.ingest.record import (
    Candidate,
    Context,
    Label,
    Reason,
    Record,
    RowError,
    get,
    items,
    number,
    optional,
    response_of,
)
from prefine.schema import Kind, Winner
from prefine.schema.json import Json, is_array, is_object


def detect(row: Json) -> str | None:
    """Tell whether answers carry ranks."""
    found = row.get("answers")
    if "prompt" in row and is_array(found) and found and is_object(found[0]) and "rank" in found[0]:
        return "`answers` with `rank`"
    return None


def parse(row: Json, _: Context) -> Record:
    """Read ranked answers to a transcript; rank 1 is the best."""
    turns = transcript(get(row, "prompt"), "prompt")
    if turns[-1]["role"] == "assistant" and not turns[-1]["content"].strip():
        turns = turns[:-1]
    candidates: list[Candidate] = []
    labels: list[Label] = []
    for index, item in enumerate(items(row, "answers")):
        if not is_object(item):
            raise RowError(Reason.WRONG_TYPE, f"`answers[{index}]` is not an object")
        turn = response_of(item.get("answer"), f"answers[{index}].answer")
        candidates.append(Candidate(turn, optional(item, "model")))
        rank = number(item.get("rank"), "rank")
        labels.append(
            Label(Kind.RANK, index, rank=rank, label=str(item.get("rank")))
            if rank is not None
            else Label(Kind.RANK, index, winner=Winner.INVALID, label=str(item.get("rank")))
        )
    return Record(turns, candidates, labels, group=optional(row, "source"))
