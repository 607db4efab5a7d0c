"""SHP and SHP-2: two comments on a Reddit post and their votes."""

from typing import ClassVar, Literal

from prefine.ingest.labels import pair_label, rating_label, winner_of
from prefine.ingest.layout import Context, Layout
from prefine.ingest.messages import prompt_of, response_of
from prefine.ingest.record import Candidate, Record
from prefine.ingest.values import number, optional, required
from prefine.schema import Winner
from prefine.settings.json import Json

_WINNERS = {1: Winner.A, 0: Winner.B}


class Shp(Layout):
    """SHP and SHP-2: two comments on a Reddit post; ``labels`` is 1 if A is preferred, 0 if B.

    ``score_ratio`` is the strength, and the votes of both comments are ratings.
    """

    reads_beside: ClassVar = ("history",)
    keys: ClassVar = ("history", "human_ref_A", "human_ref_B", "labels")
    because: ClassVar = "`human_ref_A`, `human_ref_B` and `labels`"

    format: Literal["shp"] = "shp"
    """Name of the layout."""

    def parse(self, row: Json, context: Context) -> Record:
        """Parse the preferred comment; the strength is the ratio of their votes."""
        names = ("human_ref_A", "human_ref_B")
        raw = required(row, "labels")
        label = pair_label(
            winner_of(raw, _WINNERS, "labels"),
            label=str(raw),
            strength=number(row.get("score_ratio"), "score_ratio"),
            strength_unit="score_ratio",
        )
        scores = [
            rating_label(index, row[key], "overall")
            for index, key in enumerate(("score_A", "score_B"))
            if row.get(key) is not None
        ]
        return Record(
            prompt_of(required(row, "history"), "history"),
            [Candidate(response_of(row.get(name), name)) for name in names],
            [label, *scores],
            group=optional(row, "domain"),
        )
