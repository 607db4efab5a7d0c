"""RM-Bench: chosen and rejected responses, each in several styles."""

from typing import ClassVar, Literal

from prefine.ingest.layout import Context, Layout
from prefine.ingest.pairs import SIDES, listed_pairs
from prefine.ingest.record import Reason, Record, RowError
from prefine.ingest.values import as_list, nonempty_list
from prefine.settings.json import Json


class RmBench(Layout):
    """RM-Bench: lists ``chosen`` and ``rejected`` in the same order of styles, paired by style."""

    version: ClassVar = 2
    aspects: ClassVar = ("overall",)

    format: Literal["rm_bench"] = "rm_bench"
    """Name of the layout."""

    @classmethod
    def detect(cls, row: Json) -> str | None:
        """Detect a text prompt and two lists of strings."""
        if "num_correct" in row or not isinstance(row.get("prompt"), str):
            return None
        sides = [as_list(row.get(side)) for side in SIDES]
        if all(side and isinstance(side[0], str) for side in sides):
            return "`chosen` and `rejected` are lists of strings"
        return None

    def parse(self, row: Json, context: Context) -> Record:
        """Parse each chosen response as better than the rejected one of the same style."""
        chosen, rejected = (nonempty_list(row, side) for side in SIDES)
        if len(chosen) != len(rejected):
            raise RowError(Reason.WRONG_TYPE, "`chosen` and `rejected` have different lengths")
        pairs = [(index, len(chosen) + index) for index in range(len(chosen))]
        return listed_pairs(row, [*chosen, *rejected], pairs)
