"""Nectar: up to seven ranked answers to a transcript."""

from typing import ClassVar, Literal

from prefine.ingest.labels import rank_label
from prefine.ingest.layout import Context, Layout
from prefine.ingest.pairs import listed_candidate
from prefine.ingest.record import Candidate, Label, Record
from prefine.ingest.transcripts import transcript
from prefine.ingest.values import as_list, item_object, nonempty_list, optional, required
from prefine.settings.json import Json, is_object


class Nectar(Layout):
    """Nectar: a transcript as ``prompt``, and up to seven ``answers`` with a ``rank`` from 1."""

    version: ClassVar = 2
    format: Literal["nectar"] = "nectar"
    """Name of the layout."""

    @classmethod
    def detect(cls, row: Json) -> str | None:
        """Detect answers with ranks."""
        answers = as_list(row.get("answers"))
        if "prompt" not in row or not answers:
            return None
        return "`answers` with `rank`" if is_object(answers[0]) and "rank" in answers[0] else None

    def parse(self, row: Json, context: Context) -> Record:
        """Parse ranked answers to a transcript; rank 1 is the best."""
        turns = transcript(required(row, "prompt"), "prompt")
        if turns[-1]["role"] == "assistant" and not turns[-1]["content"].strip():
            turns = turns[:-1]
        candidates: list[Candidate] = []
        labels: list[Label] = []
        for index, item in enumerate(nonempty_list(row, "answers")):
            what = f"answers[{index}]"
            answer = item_object(item, what)
            candidates.append(
                listed_candidate(answer.get("answer"), f"{what}.answer", optional(answer, "model"))
            )
            labels.append(rank_label(index, answer.get("rank")))
        return Record(turns, candidates, labels, group=optional(row, "source"))
