"""Nectar: up to seven answers to a transcript, ranked."""

from typing import Literal

from prefine.ingest.layout import Context, Layout
from prefine.ingest.messages import response_of
from prefine.ingest.record import Candidate, Label, Reason, Record, RowError
from prefine.ingest.transcripts import transcript
from prefine.ingest.values import nonempty_list, number, optional, required
from prefine.schema import Kind, Winner
from prefine.settings.json import Json, is_array, is_object


class Nectar(Layout):
    """``prompt``, a transcript, and ``answers`` with ``rank``."""

    format: Literal["nectar"] = "nectar"

    @classmethod
    def detect(cls, row: Json) -> str | None:
        """Recognise answers that carry ranks."""
        answers = row.get("answers")
        if "prompt" not in row or not is_array(answers) or not answers:
            return None
        return "`answers` with `rank`" if is_object(answers[0]) and "rank" in answers[0] else None

    def parse(self, row: Json, context: Context) -> Record:
        """Read ranked answers to a transcript; rank 1 is the best."""
        turns = transcript(required(row, "prompt"), "prompt")
        if turns[-1]["role"] == "assistant" and not turns[-1]["content"].strip():
            turns = turns[:-1]
        candidates: list[Candidate] = []
        labels: list[Label] = []
        for index, item in enumerate(nonempty_list(row, "answers")):
            if not is_object(item):
                raise RowError(Reason.WRONG_TYPE, f"`answers[{index}]` is not an object")
            answer = response_of(item.get("answer"), f"answers[{index}].answer")
            candidates.append(Candidate(answer, optional(item, "model")))
            labels.append(_rank(index, item.get("rank")))
        return Record(turns, candidates, labels, group=optional(row, "source"))


def _rank(index: int, value: object) -> Label:
    rank = number(value, "rank")
    winner = Winner.INVALID if rank is None else None
    return Label(Kind.RANK, index, winner=winner, rank=rank, label=str(value))
