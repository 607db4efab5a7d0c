"""Distilabel's ratings: a list of generations and a list of numbers."""

from typing import ClassVar, Literal

from prefine.ingest.labels import rating_label
from prefine.ingest.layout import Context, Layout
from prefine.ingest.messages import prompt_of
from prefine.ingest.pairs import listed_candidate
from prefine.ingest.record import Reason, Record, RowError
from prefine.ingest.values import as_list, nonempty_list, optional, required
from prefine.settings.json import Json


class Distilabel(Layout):
    """Distilabel: a list of ``generations`` and their ``ratings``, by one LLM judge."""

    version: ClassVar = 2
    keys: ClassVar = ("instruction", "generations", "ratings")
    because: ClassVar = "`instruction`, `generations` and `ratings`"

    format: Literal["distilabel"] = "distilabel"
    """Name of the layout."""

    def parse(self, row: Json, context: Context) -> Record:
        """Parse generations with ratings; both may contain nulls."""
        generations, ratings = nonempty_list(row, "generations"), nonempty_list(row, "ratings")
        names = as_list(row.get("generation_models")) or [None] * len(generations)
        if not len(generations) == len(ratings) == len(names):
            raise RowError(Reason.WRONG_TYPE, "`generations` and `ratings` have different lengths")
        candidates = [
            listed_candidate(value, "generations", name)
            for value, name in zip(generations, names, strict=True)
        ]
        judge = optional(row, "model_name")
        labels = [rating_label(i, value, "overall", judge) for i, value in enumerate(ratings)]
        prompt = prompt_of(required(row, "instruction"), "instruction")
        return Record(prompt, candidates, labels)
