"""A measure from outside the package: how many exclamation marks each side has."""

from typing import ClassVar, Literal

import polars as pl
import pyarrow as pa

from prefine.measure import Measure
from prefine.measure.base import RecipeView
from prefine.schema import Column
from prefine.schema.columns import sides
from prefine.step import Counts, Work
from prefine.tables.texts import beside, texts


class Exclamations(Measure):
    """Exclamation marks of both responses."""

    version: ClassVar[int] = 1

    kind: Literal["exclamations"]
    mark: str = "!"
    """What is counted."""

    def columns(self) -> tuple[Column, ...]:
        return sides("exclamations", pa.int64(), "number of exclamation marks")

    def reads(self, recipe: RecipeView) -> tuple[str, ...]:
        return ("pairs", "responses")

    def run(self, work: Work) -> Counts:
        pairs = work.read("pairs", ["pair_id", "chosen_id", "rejected_id"])
        ids, found = texts(work, "responses", "response_id")
        counts = [text.count(self.mark) for text in found]
        marks = pl.DataFrame({"response_id": ids, "exclamations": counts})
        work.emit(self.table, beside(pairs, marks, "exclamations"))
        return Counts(pairs.height, pairs.height)
