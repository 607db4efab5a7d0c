"""How much text both sides of a pair share at their beginning and their end."""

from typing import ClassVar, Literal, NamedTuple

import polars as pl
import pyarrow as pa

from prefine.measure.base import Measure
from prefine.schema import COUNT, SHARE, Column
from prefine.step import Counts, Work
from prefine.tables.texts import texts
from prefine.text.common import common_prefix, common_suffix

_SCHEMA = {
    "shared_prefix_chars": pl.Int64,
    "shared_suffix_chars": pl.Int64,
    "shared_chars": pl.Int64,
    "shared_chars_ratio": pl.Float64,
}


class Shared(NamedTuple):
    """What two texts share."""

    shared_prefix_chars: int
    shared_suffix_chars: int
    shared_chars: int
    shared_chars_ratio: float


class SharedChars(Measure):
    """How many characters both sides share at the beginning and at the end.

    The turns of a side are joined by a blank line.
    """

    version: ClassVar[int] = 1
    tables: ClassVar = ("pairs", "responses")

    kind: Literal["shared_chars"]

    def columns(self) -> tuple[Column, ...]:
        """Return the columns of this measure."""
        return (
            Column(
                "shared_prefix_chars",
                pa.int64(),
                "characters with which both sides begin",
                range=COUNT,
            ),
            Column(
                "shared_suffix_chars",
                pa.int64(),
                "characters with which both sides end, those of the beginning left out",
                range=COUNT,
            ),
            Column("shared_chars", pa.int64(), "the sum of both", range=COUNT),
            Column(
                "shared_chars_ratio",
                pa.float64(),
                "the sum over the length of the longer side, in [0, 1]; 1 for equal texts",
                range=SHARE,
            ),
        )

    def run(self, work: Work) -> Counts:
        """Compare both sides of all pairs of a shard."""
        pairs = work.read("pairs", ["pair_id", "chosen_id", "rejected_id"])
        text_of = dict(zip(*texts(work, "responses", "response_id"), strict=True))
        sides = pairs.select("chosen_id", "rejected_id").iter_rows()
        found = [shared(text_of[chosen], text_of[rejected]) for chosen, rejected in sides]
        columns = pl.DataFrame(found, schema=_SCHEMA, orient="row")
        work.emit(self.table, pl.concat([pairs.select("pair_id"), columns], how="horizontal"))
        return Counts(pairs.height, pairs.height)


def shared(a: str, b: str) -> Shared:
    """Return what two texts share; no character counts as beginning and end at once."""
    prefix = common_prefix(a, b)
    suffix = common_suffix(a, b, min(len(a), len(b)) - prefix)
    longer = max(len(a), len(b))
    return Shared(prefix, suffix, prefix + suffix, (prefix + suffix) / longer if longer else 1.0)
