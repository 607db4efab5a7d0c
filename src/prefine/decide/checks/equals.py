"""Equality: the value must equal a given one."""

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import polars as pl

from prefine.decide.columns import plain, value_problems
from prefine.decide.explain import value_of
from prefine.decide.rule import ColumnRule, Hit
from prefine.decide.tested import TestedPairs, Value
from prefine.schema import Column
from prefine.settings import Location, Problem


class Equals(ColumnRule):
    """Drop pairs whose value differs from a given one or is missing."""

    test: ClassVar[str] = "equals"
    keys: ClassVar[tuple[str, ...]] = ("equals",)

    equals: Value
    """The value that passes."""

    def column_problems(self, column: Column) -> Iterator[Problem]:
        """Yield why no value of the column can equal the given one."""
        yield from value_problems(self.equals, column)

    def compared(self) -> Iterator[tuple[Location, str, Value]]:
        """Yield the values that the rule compares with."""
        yield ("equals",), self.column, self.equals
        yield from super().compared()

    def hit(self, pairs: TestedPairs) -> Hit:
        """Act on pairs with any other value."""
        value = pairs.numbers(self.column)
        given = pairs.number_of(self.column, self.equals)
        text = self.equals if isinstance(self.equals, str) else None
        return Hit(value != given, np.isnan(value), value, given, text)

    def because(self) -> pl.Expr:
        """Explain which value passes."""
        wanted = pl.lit(f", the rule wants {plain(self.equals)}")
        return pl.concat_str(value_of(self.column, self.equals), wanted)
