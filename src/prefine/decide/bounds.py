"""What bounds and quantiles share: the test between a low and a high end, and its explanation."""

from abc import ABC
from collections.abc import Iterator
from typing import ClassVar

import polars as pl

from prefine.decide.columns import numeric_problems
from prefine.decide.explain import is_missing, number_texts, value_of
from prefine.decide.rule import ColumnRule, Hit
from prefine.schema import Column
from prefine.settings import Problem


class Bounded(ColumnRule, ABC):
    """A test that a value lies between two ends, of which one may be open."""

    is_bound: ClassVar[bool] = True

    def column_problems(self, column: Column) -> Iterator[Problem]:
        """Yield why the column has no order."""
        yield from numeric_problems(column)

    def between(self, value: pl.Expr, low: pl.Expr, high: pl.Expr) -> Hit:
        """Fail values outside [low, high]; a null end is open, a null value fails."""
        below = (value < low).fill_null(value=False)
        above = (value > high).fill_null(value=False)
        threshold = pl.when(below | high.is_null()).then(low).otherwise(high)
        fails = value.is_null() | below | above
        return Hit(fails, value, threshold, self.drop_or_missing(value))

    def because_outside(self, origin: str = "") -> pl.Expr:
        """Return the explanation of a hit.

        Args:
            origin: Where the bound comes from, for the end of the sentence.
        """
        below = pl.col("value") < pl.col("threshold")
        side = pl.when(below).then(pl.lit(", below ")).otherwise(pl.lit(", above "))
        outside = pl.concat_str(side, number_texts().threshold, pl.lit(origin))
        missing = pl.lit(", which passes no bound")
        end = pl.when(is_missing()).then(missing).otherwise(outside)
        return pl.concat_str(value_of(self.column), end)
