"""Inequality: the value must be present, and not a given one."""

from collections.abc import Iterator
from typing import ClassVar

import polars as pl

from prefine.decide.columns import value_problems
from prefine.decide.conditions import Value, literal
from prefine.decide.explain import is_missing, value_of
from prefine.decide.rule import ColumnRule, Hit
from prefine.schema import Column
from prefine.settings import Problem


class Differs(ColumnRule):
    """Drop pairs whose value is the given one, or missing."""

    test: ClassVar[str] = "differs"
    keys: ClassVar[tuple[str, ...]] = ("differs",)

    differs: Value
    """The value that does not pass."""

    def column_problems(self, column: Column) -> Iterator[Problem]:
        """Yield why the column can never equal the value."""
        yield from value_problems(self.differs, column)

    def hit(self, value: pl.Expr) -> Hit:
        """Fail the value, and a null."""
        unwanted = literal(self.differs)
        fails = value.is_null() | (value == unwanted)
        return Hit(fails, value, unwanted, self.drop_or_missing(value))

    def because(self) -> pl.Expr:
        """Explain that the value is missing or unwanted."""
        unwanted = pl.lit(", which the rule does not want")
        missing = pl.lit(", which passes no test")
        end = pl.when(is_missing()).then(missing).otherwise(unwanted)
        return pl.concat_str(value_of(self.column, self.differs), end)
