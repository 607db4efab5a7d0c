"""A layout from outside the package: a question with a loud and a quiet answer."""

from typing import ClassVar, Literal

from prefine.ingest.labels import pair_label
from prefine.ingest.layout import Context, Layout
from prefine.ingest.messages import prompt_of, response_of
from prefine.ingest.record import Candidate, Record
from prefine.ingest.values import required
from prefine.schema import Winner
from prefine.settings.json import Json


class Shouted(Layout):
    """``ask``, ``loud`` and ``quiet``: the quiet answer is preferred."""

    version: ClassVar[int] = 1

    format: Literal["shouted"] = "shouted"
    upper: bool = False
    """Whether the loud answer is written in capitals."""

    @classmethod
    def detect(cls, row: Json) -> str | None:
        return "`ask`, `loud` and `quiet`" if {"ask", "loud", "quiet"} <= row.keys() else None

    def parse(self, row: Json, context: Context) -> Record:
        loud = required(row, "loud")
        sides = [row.get("quiet"), loud.upper() if self.upper else loud]
        candidates = [Candidate(response_of(side, "quiet")) for side in sides]
        prompt = prompt_of(required(row, "ask"), "ask")
        return Record(prompt, candidates, [pair_label(Winner.A, label="quiet")])
