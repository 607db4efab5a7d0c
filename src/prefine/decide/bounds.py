"""The base class of bounds and quantiles: the test between a lower and an upper bound."""

from abc import ABC
from collections.abc import Iterator

import numpy as np
import polars as pl
from pydantic import Field

from prefine.decide.arrays import Floats
from prefine.decide.columns import numeric_problems
from prefine.decide.explain import is_missing, number_texts, value_of
from prefine.decide.rule import ColumnRule, Hit
from prefine.schema import Column
from prefine.settings import Problem


class Bounded(ColumnRule, ABC):
    """A test that a value is between two bounds, one of which may be missing."""

    placeholder_pairs: int | None = Field(default=50, ge=2)
    """Number of pairs of a source from which a constant label column (``rating_gap``,
    ``chosen_rating``, ``rejected_rating``, ``strength``) counts as a placeholder, which is an
    error; null disables the check."""

    def column_problems(self, column: Column) -> Iterator[Problem]:
        """Yield an error if the column is not numeric."""
        yield from numeric_problems(column)

    def between(self, value: Floats, low: Floats | float, high: Floats | float) -> Hit:
        """Return a hit for values outside [low, high]; NaN is a missing bound."""
        below, above = value < low, value > high
        threshold = np.where(below | np.isnan(high), low, high)
        return Hit(below | above, np.isnan(value), value, threshold)

    def because_outside(self, origin: str = "") -> pl.Expr:
        """Return the explanation of a hit.

        Args:
            origin: The origin of the bound, appended to the sentence.
        """
        below = pl.col("value") < pl.col("threshold")
        side = pl.when(below).then(pl.lit(", below ")).otherwise(pl.lit(", above "))
        outside = pl.concat_str(side, number_texts().threshold, pl.lit(origin))
        missing = pl.lit(", and a missing value does not pass a bound")
        end = pl.when(is_missing()).then(missing).otherwise(outside)
        return pl.concat_str(value_of(self.column), end)
