"""Number of characters in the common prefix and the common suffix of both responses."""

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
    """The common prefix and suffix of two texts."""

    shared_prefix_chars: int
    """Length of the common prefix in characters."""
    shared_suffix_chars: int
    """Length of the common suffix of what follows the prefix, in characters."""
    shared_chars: int
    """Sum of both lengths."""
    shared_chars_ratio: float
    """That sum divided by the length of the longer text, in [0, 1]; 1 for equal texts."""


class SharedChars(Measure):
    """Length of the common prefix and the common suffix of both responses, in characters.

    Use it to find pairs that differ in a few characters only. The turns of a response are joined
    by a blank line.
    """

    version: ClassVar[int] = 1
    tables: ClassVar = ("pairs", "responses")

    kind: Literal["shared_chars"]
    """Selects this measure."""

    def columns(self) -> tuple[Column, ...]:
        """Return the columns of this measure."""
        return (
            Column(
                "shared_prefix_chars",
                pa.int64(),
                "length of the common prefix of both responses, in characters",
                range=COUNT,
            ),
            Column(
                "shared_suffix_chars",
                pa.int64(),
                "length of the common suffix of both responses without their common prefix, in "
                "characters",
                range=COUNT,
            ),
            Column(
                "shared_chars",
                pa.int64(),
                "length of the common prefix plus length of the common suffix, in characters",
                range=COUNT,
            ),
            Column(
                "shared_chars_ratio",
                pa.float64(),
                "shared characters divided by the length of the longer response, in [0, 1]; 1 for "
                "equal texts",
                range=SHARE,
            ),
        )

    def run(self, work: Work) -> Counts:
        """Compare both responses of all pairs of a shard."""
        pairs = work.read("pairs", ["pair_id", "chosen_id", "rejected_id"])
        text_of = dict(zip(*texts(work, "responses", "response_id"), strict=True))
        sides = pairs.select("chosen_id", "rejected_id").iter_rows()
        rows = [shared(text_of[chosen], text_of[rejected]) for chosen, rejected in sides]
        columns = pl.DataFrame(rows, schema=_SCHEMA, orient="row")
        work.emit(self.table, pl.concat([pairs.select("pair_id"), columns], how="horizontal"))
        return Counts(pairs.height, pairs.height)


def shared(a: str, b: str) -> Shared:
    """Measure the common prefix and suffix of two texts; they never overlap."""
    prefix = common_prefix(a, b)
    suffix = common_suffix(a, b, min(len(a), len(b)) - prefix)
    longer = max(len(a), len(b))
    return Shared(prefix, suffix, prefix + suffix, (prefix + suffix) / longer if longer else 1.0)
