"""Inequality: the value must differ from a given one."""

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import polars as pl

from prefine.decide.columns import value_problems
from prefine.decide.explain import is_missing, value_of
from prefine.decide.rule import ColumnRule, Hit
from prefine.decide.tested import TestedPairs, Value
from prefine.schema import Column
from prefine.settings import Location, Problem


class Differs(ColumnRule):
    """Drop pairs whose value equals a given one or is missing."""

    test: ClassVar[str] = "differs"
    keys: ClassVar[tuple[str, ...]] = ("differs",)

    differs: Value
    """The value that fails."""

    def column_problems(self, column: Column) -> Iterator[Problem]:
        """Yield why no value of the column can equal the given one."""
        yield from value_problems(self.differs, column)

    def compared(self) -> Iterator[tuple[Location, str, Value]]:
        """Yield the values that the rule compares with."""
        yield ("differs",), self.column, self.differs
        yield from super().compared()

    def hit(self, pairs: TestedPairs) -> Hit:
        """Act on pairs that have the value."""
        value = pairs.numbers(self.column)
        given = pairs.number_of(self.column, self.differs)
        text = self.differs if isinstance(self.differs, str) else None
        return Hit(value == given, np.isnan(value), value, given, text)

    def because(self) -> pl.Expr:
        """Explain whether the value is missing or excluded."""
        unwanted = pl.lit(", which the rule does not want")
        missing = pl.lit(", which passes no test")
        end = pl.when(is_missing()).then(missing).otherwise(unwanted)
        return pl.concat_str(value_of(self.column, self.differs), end)
