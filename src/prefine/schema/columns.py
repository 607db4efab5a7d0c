"""What a column of a pair means, and how its value changes when the pair is flipped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import numpy as np
import polars as pl
import pyarrow as pa

ValueType = Literal["text", "number", "integer", "truth"]
"""The type of a column that comes from the user."""

VALUE_TYPES: Mapping[ValueType, pa.DataType] = {
    "text": pa.large_string(),
    "number": pa.float64(),
    "integer": pa.int64(),
    "truth": pa.bool_(),
}


UNKNOWN = pa.null()
"""The type of a kept column before the files of its source are looked at."""


SHARE = (0.0, 1.0)
"""The range of a share or a probability."""
COUNT = (0.0, float("inf"))
"""The range of a count."""


class Flip(StrEnum):
    """How a column's value changes when chosen and rejected swap places."""

    SAME = "same"
    """The value does not depend on the direction of the pair."""
    NEGATE = "negate"
    """The value changes its sign: a margin."""
    COMPLEMENT = "complement"
    """The value v becomes 1 - v: a probability."""
    SWAP = "swap"
    """The value is exchanged with that of the column named in ``partner``."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table whose rows are pairs."""

    name: str
    type: pa.DataType
    about: str
    """A sentence for the data set card: what it is, its unit and its range."""
    flip: Flip = Flip.SAME
    partner: str | None = None
    """The column whose value this one takes in a flipped pair; only with ``Flip.SWAP``."""
    cluster: str | None = None
    """For a truth value that says whether a row represents its cluster: the column of the cluster.
    Rules read the column as "has the lowest ``rank`` of its cluster among the pairs still in"."""
    rank: str | None = None
    """The column of a row's place in its cluster, 1 the best; given together with ``cluster``."""
    range: tuple[float, float] | None = None
    """The smallest and the largest value that is possible; either may be infinite."""

    @property
    def known_range(self) -> tuple[float, float] | None:
        """The range of the values: as stated, or of a truth value or a probability."""
        if self.range is None and (pa.types.is_boolean(self.type) or self.flip is Flip.COMPLEMENT):
            return SHARE
        return self.range

    @property
    def numeric(self) -> bool:
        """Whether bounds, quantiles and orders make sense for this column."""
        return bool(
            pa.types.is_integer(self.type)
            or pa.types.is_floating(self.type)
            or pa.types.is_boolean(self.type)
        )

    def seen(self, flipped: pl.Expr) -> pl.Expr:
        """Return the value in a pair's present direction.

        Args:
            flipped: True in the rows whose chosen and rejected have changed places.
        """
        own = pl.col(self.name)
        turned = {
            Flip.SAME: own,
            Flip.NEGATE: -own if self.flip is Flip.NEGATE else own,
            Flip.COMPLEMENT: 1 - own if self.flip is Flip.COMPLEMENT else own,
            Flip.SWAP: pl.col(self.partner or self.name),
        }[self.flip]
        return pl.when(flipped).then(turned).otherwise(own).alias(self.name)

    def needs(self) -> tuple[str, ...]:
        """Return the columns that the value in either direction, or of a cluster, depends on."""
        others = (self.partner, self.cluster, self.rank)
        return (self.name, *(name for name in others if name is not None))


def flat_schema(key: str, columns: tuple[Column, ...]) -> pa.Schema:
    """Return the schema of a measure table: its id and one nullable field a column."""
    fields = [pa.field(key, pa.large_string(), nullable=False)]
    return pa.schema(fields + [pa.field(column.name, column.type) for column in columns])


def sides(
    stem: str, type_: pa.DataType, about: str, *, within: tuple[float, float] | None = None
) -> tuple[Column, Column]:
    """Return the ``chosen_`` and ``rejected_`` columns of a fact about one response.

    Args:
        stem: The end of both names.
        type_: The type of both.
        about: What the fact is.
        within: The range of both, where it is known.
    """
    chosen, rejected = f"chosen_{stem}", f"rejected_{stem}"
    return (
        Column(chosen, type_, f"{about} of the chosen response", Flip.SWAP, rejected, range=within),
        Column(
            rejected, type_, f"{about} of the rejected response", Flip.SWAP, chosen, range=within
        ),
    )


def kept_column(name: str, type_: pa.DataType) -> Column:
    """Return a column that sources keep, whose rows are about pairs."""
    return Column(name, type_, f"kept column `{name}` of the raw row behind the pair")


def ratio(part: pl.Expr, whole: pl.Expr) -> pl.Expr:
    """Divide two columns of numbers, each quotient rounded correctly; null where either is.

    polars divides by a column that holds one value throughout by multiplying with its reciprocal,
    so that 3/5 is 0.6 or the next number above it, by what the other rows of the frame are. A share
    must not depend on those.
    """

    def divide(columns: Sequence[pl.Series]) -> pl.Series:
        missing = columns[0].is_null() | columns[1].is_null()
        over, under = (column.cast(pl.Float64).to_numpy() for column in columns)
        with np.errstate(divide="ignore", invalid="ignore"):
            found = pl.Series(over / under)
        return found.zip_with(~missing, pl.Series([None], dtype=pl.Float64))

    return pl.map_batches([part, whole], divide, return_dtype=pl.Float64, is_elementwise=True)
