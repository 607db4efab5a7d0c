"""Bounds: the value must lie between a minimum and a maximum."""

from collections.abc import Iterator
from math import nan
from typing import ClassVar, Self

import polars as pl
from pydantic import model_validator

from prefine.decide.bounds import Bounded
from prefine.decide.columns import bound_problems
from prefine.decide.conditions import require_order
from prefine.decide.rule import Hit
from prefine.decide.tested import TestedPairs
from prefine.schema import Column
from prefine.settings import Problem


class Bound(Bounded):
    """Drop pairs whose value is below a minimum or above a maximum; a missing value fails."""

    test: ClassVar[str] = "bound"
    keys: ClassVar[tuple[str, ...]] = ("minimum", "maximum")

    minimum: float | None = None
    """The smallest value that passes."""
    maximum: float | None = None
    """The largest value that passes."""

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        require_order(self.minimum, self.maximum)
        return self

    def column_problems(self, column: Column) -> Iterator[Problem]:
        """Yield why the bounds do not fit the column."""
        yield from bound_problems(self.minimum, self.maximum, column)

    def hit(self, pairs: TestedPairs) -> Hit:
        """Act on values outside the bounds."""
        low, high = (nan if bound is None else bound for bound in (self.minimum, self.maximum))
        return self.between(pairs.numbers(self.column), low, high)

    def because(self) -> pl.Expr:
        """Explain which bound is violated."""
        return self.because_outside()
