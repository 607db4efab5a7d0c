"""A measure from outside the package: how many exclamation marks each side has."""

from typing import ClassVar, Literal

import polars as pl
import pyarrow as pa

from prefine.measure.base import Measure
from prefine.schema import Column
from prefine.schema.columns import sides
from prefine.step import Counts, Work
from prefine.tables.texts import join_sides, texts


class Exclamations(Measure):
    """Exclamation marks of both responses."""

    version: ClassVar[int] = 1
    tables: ClassVar = ("pairs", "responses")

    kind: Literal["exclamations"]
    mark: str = "!"
    """What is counted."""

    def columns(self) -> tuple[Column, ...]:
        return sides("exclamations", pa.int64(), "number of exclamation marks")

    def run(self, work: Work) -> Counts:
        pairs = work.read("pairs", ["pair_id", "chosen_id", "rejected_id"])
        ids, found = texts(work, "responses", "response_id")
        counts = [text.count(self.mark) for text in found]
        schema = {"response_id": pl.String, "exclamations": pl.Int64}  # a shard may be empty
        marks = pl.DataFrame([ids, counts], schema=schema)
        work.emit(self.table, join_sides(pairs, marks, "exclamations"))
        return Counts(pairs.height, pairs.height)
