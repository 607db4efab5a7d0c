"""Columns of pairs: type, meaning, range, and how the value changes when a pair is flipped."""

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
"""Type of a kept column before the files of its source have been read."""


SHARE = (0.0, 1.0)
"""Range of a share or a probability."""
COUNT = (0.0, float("inf"))
"""Range of a count."""


class Flip(StrEnum):
    """How the value of a column changes when chosen and rejected are swapped."""

    SAME = "same"
    """The value does not depend on the direction of the pair."""
    NEGATE = "negate"
    """The value changes its sign, as a margin does."""
    COMPLEMENT = "complement"
    """The value v becomes 1 - v, as a probability does."""
    SWAP = "swap"
    """The value becomes that of the column named in ``partner``."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table whose rows are pairs."""

    name: str
    type: pa.DataType
    about: str
    """Meaning, unit and range in one sentence, for the reference and the data set card."""
    flip: Flip = Flip.SAME
    partner: str | None = None
    """Column whose value this one takes in a flipped pair; only with ``Flip.SWAP``."""
    cluster: str | None = None
    """Column of the cluster, for a truth value that marks the representative of a cluster. Rules
    read it as "has the lowest ``rank`` of its cluster among the pairs that are still kept"."""
    rank: str | None = None
    """Column of the rank within the cluster, 1 the best; given together with ``cluster``."""
    range: tuple[float, float] | None = None
    """Smallest and largest possible value; either may be infinite."""

    @property
    def known_range(self) -> tuple[float, float] | None:
        """Range of the values: as stated, else [0, 1] for truth values and probabilities."""
        if self.range is None and (pa.types.is_boolean(self.type) or self.flip is Flip.COMPLEMENT):
            return SHARE
        return self.range

    @property
    def numeric(self) -> bool:
        """Whether bounds, quantiles and orderings apply to this column."""
        return bool(
            pa.types.is_integer(self.type)
            or pa.types.is_floating(self.type)
            or pa.types.is_boolean(self.type)
        )

    def in_direction(self, flipped: pl.Expr) -> pl.Expr:
        """Return the value in the current direction of each pair.

        Args:
            flipped: True in rows whose chosen and rejected are swapped.
        """
        own = pl.col(self.name)
        flipped_value = {
            Flip.SAME: own,
            Flip.NEGATE: -own if self.flip is Flip.NEGATE else own,
            Flip.COMPLEMENT: 1 - own if self.flip is Flip.COMPLEMENT else own,
            Flip.SWAP: pl.col(self.partner or self.name),
        }[self.flip]
        return pl.when(flipped).then(flipped_value).otherwise(own).alias(self.name)

    def needs(self) -> tuple[str, ...]:
        """Return the columns needed to read this one in either direction."""
        others = (self.partner, self.cluster, self.rank)
        return (self.name, *(name for name in others if name is not None))


def flat_schema(key: str, columns: tuple[Column, ...]) -> pa.Schema:
    """Return the schema of a measure table: the id and one nullable field for each column."""
    fields = [pa.field(key, pa.large_string(), nullable=False)]
    return pa.schema(fields + [pa.field(column.name, column.type) for column in columns])


def sides(
    stem: str, type_: pa.DataType, about: str, *, within: tuple[float, float] | None = None
) -> tuple[Column, Column]:
    """Return the ``chosen_`` and ``rejected_`` columns of a fact about one response.

    Args:
        stem: End of both names.
        type_: Type of both.
        about: Meaning of the fact.
        within: Range of both, where it is known.
    """
    chosen, rejected = f"chosen_{stem}", f"rejected_{stem}"
    return (
        Column(chosen, type_, f"{about} of the chosen response", Flip.SWAP, rejected, range=within),
        Column(
            rejected, type_, f"{about} of the rejected response", Flip.SWAP, chosen, range=within
        ),
    )


def kept_column(name: str, type_: pa.DataType) -> Column:
    """Return the column of pairs for a kept column of a source."""
    return Column(name, type_, f"kept column `{name}` of the source row of the pair")


def divide(part: pl.Expr, whole: pl.Expr) -> pl.Expr:
    """Divide two numeric columns with correctly rounded quotients; null where either is null.

    polars multiplies by the reciprocal where the divisor is the same in all rows, so that 3/5 may
    be 0.6 or the next float above, depending on other rows. A share must not depend on them.
    """

    def quotients(columns: Sequence[pl.Series]) -> pl.Series:
        missing = columns[0].is_null() | columns[1].is_null()
        over, under = (column.cast(pl.Float64).to_numpy() for column in columns)
        with np.errstate(divide="ignore", invalid="ignore"):
            quotients = pl.Series(over / under)
        return quotients.zip_with(~missing, pl.Series([None], dtype=pl.Float64))

    return pl.map_batches([part, whole], quotients, return_dtype=pl.Float64, is_elementwise=True)
