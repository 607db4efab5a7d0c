"""Argilla's judged copy of orca_dpo_pairs: two generations in a random order, and their ratings."""

from typing import ClassVar, Literal

from prefine.ingest.labels import pair_label, rating_label
from prefine.ingest.layout import Context, Layout
from prefine.ingest.messages import prompt_of, response_of
from prefine.ingest.pairs import SIDES
from prefine.ingest.record import Candidate, Label, Record
from prefine.ingest.values import as_list, optional, required, spelling
from prefine.schema import Winner
from prefine.settings.json import Json


class ArgillaOrca(Layout):
    """Argilla's distilabel-intel-orca-dpo-pairs: a pair and its ratings by an LLM judge.

    ``chosen`` is preferred to ``rejected`` unless ``status`` is ``tie``; the ratings of both are
    further labels.
    """

    reads_beside: ClassVar = ("input",)
    keys: ClassVar = ("input", "chosen", "rejected", "generations", "rating", "status")
    because: ClassVar = "`chosen` and `rejected` with `generations`, `rating` and `status`"

    format: Literal["argilla_orca"] = "argilla_orca"
    """Name of the layout."""

    def parse(self, row: Json, context: Context) -> Record:
        """Parse the pair in the judge's direction, and its ratings."""
        status = required(row, "status")
        winner = Winner.TIE if spelling(status) == "tie" else Winner.A
        return Record(
            prompt_of(required(row, "input"), "input"),
            [Candidate(response_of(row.get(side), side)) for side in SIDES],
            [
                pair_label(winner, label=str(status), annotator=optional(row, "labelling_model")),
                *_ratings(row),
            ],
        )


def _ratings(row: Json) -> list[Label]:
    """Return the ratings of both sides, which are in the order of ``generations``."""
    generations, ratings = as_list(row.get("generations")), as_list(row.get("rating"))
    if generations is None or ratings is None or len(generations) != len(ratings):
        return []
    judge = optional(row, "labelling_model")
    rated = dict(zip(map(str, generations), ratings, strict=True))
    if len(rated) != len(ratings) or any(str(row.get(side)) not in rated for side in SIDES):
        return []
    return [rating_label(i, rated[row[side]], "overall", judge) for i, side in enumerate(SIDES)]
