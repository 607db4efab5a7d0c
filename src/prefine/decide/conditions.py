"""Conditions on one value: bounds or equality, alone or as an exemption from a rule."""

from collections.abc import Iterator
from typing import NamedTuple, Self

import polars as pl
from pydantic import model_validator

from prefine.decide.columns import numeric_problems, value_problems
from prefine.schema import Column
from prefine.settings import Part, Problem

Value = bool | float | str
"""What a column may be compared with."""


class Match(NamedTuple):
    """The result of a condition; expressions over the working frame."""

    holds: pl.Expr
    threshold: pl.Expr
    """The value or bound that is recorded beside the pair's value."""


class Condition(Part):
    """A test on one value; with both bounds given, both must hold."""

    minimum: float | None = None
    maximum: float | None = None
    equals: Value | None = None

    @model_validator(mode="after")
    def _check_test(self) -> Self:
        bounds = self.minimum is not None or self.maximum is not None
        if bounds == (self.equals is not None):
            raise ValueError("give `minimum` and/or `maximum`, or `equals`")
        require_order(self.minimum, self.maximum)
        return self

    def match(self, value: pl.Expr) -> Match:
        """Return where the condition holds; it is undefined for a null."""
        if self.equals is not None:
            expected = literal(self.equals)
            return Match(value.eq_missing(expected), expected)
        low, high = (pl.lit(bound, pl.Float64) for bound in (self.minimum, self.maximum))
        present = value.is_not_null()
        inside = (value >= low).fill_null(present) & (value <= high).fill_null(present)
        return Match(inside, pl.coalesce(low, high))

    def column_problems(self, column: Column) -> Iterator[Problem]:
        """Yield why the condition cannot be tested on a column."""
        if self.equals is None:
            yield from numeric_problems(column)
        else:
            yield from value_problems(self.equals, column)

    def describe(self) -> str:
        """Return the end of a sentence about a value that meets the condition."""
        if self.equals is not None:
            return f"which the rule looks for ({plain(self.equals)})"
        bounds = [
            f"at least {self.minimum:g}" if self.minimum is not None else "",
            f"at most {self.maximum:g}" if self.maximum is not None else "",
        ]
        return "which is " + " and ".join(bound for bound in bounds if bound)


class Exemption(Condition):
    """A test on another column than the rule's own."""

    column: str


def require_order(low: float | None, high: float | None) -> None:
    """Refuse a minimum above the maximum."""
    if low is not None and high is not None and low > high:
        raise ValueError(f"the minimum {low:g} is above the maximum {high:g}, so nothing passes")


def literal(value: Value) -> pl.Expr:
    """Return a value of a recipe as an expression; numbers and truth values are floats."""
    return pl.lit(value) if isinstance(value, str) else pl.lit(value, pl.Float64)


def plain(value: Value) -> str:
    """Return a value as a recipe writes it."""
    return str(value).lower() if isinstance(value, bool) else f"{value}"
