"""A bound: the value must lie between a minimum and a maximum."""

from typing import ClassVar, Self

import polars as pl
from pydantic import model_validator

from prefine.decide.bounds import Bounded
from prefine.decide.conditions import require_order
from prefine.decide.rule import Hit


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

    def hit(self, value: pl.Expr) -> Hit:
        """Fail values outside the bounds."""
        low, high = (pl.lit(bound, pl.Float64) for bound in (self.minimum, self.maximum))
        return self.between(value, low, high)

    def because(self) -> pl.Expr:
        """Explain which bound the value is outside."""
        return self.because_outside()
