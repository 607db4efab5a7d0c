"""Conditions on one value: bounds or equality, alone or as an exemption from a rule."""

import math
from collections.abc import Iterator
from typing import NamedTuple, Self

import numpy as np
from pydantic import model_validator

from prefine.decide.arrays import Bools, Floats
from prefine.decide.columns import bound_problems, plain, value_problems
from prefine.decide.tested import TestedPairs, Value
from prefine.schema import Column
from prefine.settings import Part, Problem


class Match(NamedTuple):
    """The result of a condition for the pairs that a rule tests."""

    value: Floats
    """The column in the current direction, NaN for null."""
    holds: Bools
    """Whether the condition holds; false for null."""
    threshold: float
    """The value or bound that is recorded with the value of the pair."""


class Condition(Part):
    """A condition on one value; with both bounds, both must hold."""

    minimum: float | None = None
    """The smallest value that meets the condition."""
    maximum: float | None = None
    """The largest value that meets the condition."""
    equals: Value | None = None
    """The value that meets the condition; not together with bounds."""

    @model_validator(mode="after")
    def _check_test(self) -> Self:
        bounds = self.minimum is not None or self.maximum is not None
        if bounds == (self.equals is not None):
            found = "bounds and `equals`" if bounds else "no test"
            raise ValueError(f"found {found}; expected `minimum` and/or `maximum`, or `equals`")
        require_order(self.minimum, self.maximum)
        return self

    def match(self, pairs: TestedPairs, column: str) -> Match:
        """Test the condition on a column."""
        value = pairs.numbers(column)
        if self.equals is not None:
            expected = pairs.number_of(column, self.equals)
            return Match(value, value == expected, expected)
        low, high = (math.nan if bound is None else bound for bound in (self.minimum, self.maximum))
        outside = np.isnan(value) | (value < low) | (value > high)
        return Match(value, ~outside, high if math.isnan(low) else low)

    def column_problems(self, column: Column) -> Iterator[Problem]:
        """Yield why the condition cannot be tested on a column."""
        if self.equals is None:
            yield from bound_problems(self.minimum, self.maximum, column)
        else:
            yield from value_problems(self.equals, column)

    def describe(self) -> str:
        """Return the condition as the end of a sentence about a value."""
        if self.equals is not None:
            return f"which the rule looks for ({plain(self.equals)})"
        bounds = [
            f"at least {plain(self.minimum)}" if self.minimum is not None else "",
            f"at most {plain(self.maximum)}" if self.maximum is not None else "",
        ]
        return "which is " + " and ".join(bound for bound in bounds if bound)


class Exemption(Condition):
    """A condition on any column, which exempts pairs from a rule."""

    column: str
    """The column whose value is tested."""


def require_order(low: float | None, high: float | None) -> None:
    """Refuse a minimum above the maximum."""
    if low is not None and high is not None and low > high:
        raise ValueError(
            f"the minimum {plain(low)} is above the maximum {plain(high)}, so nothing passes"
        )
