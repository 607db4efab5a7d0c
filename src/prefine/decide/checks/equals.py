"""Equality: the value must be a given one."""

from collections.abc import Iterator
from typing import ClassVar

import polars as pl

from prefine.decide.columns import value_problems
from prefine.decide.conditions import Value, literal, plain
from prefine.decide.explain import value_of
from prefine.decide.rule import ColumnRule, Hit
from prefine.schema import Column
from prefine.settings import Problem


class Equals(ColumnRule):
    """Drop pairs whose value is another than the given one, or missing."""

    test: ClassVar[str] = "equals"
    keys: ClassVar[tuple[str, ...]] = ("equals",)

    equals: Value
    """The value that passes."""

    def column_problems(self, column: Column) -> Iterator[Problem]:
        """Yield why the column can never equal the value."""
        yield from value_problems(self.equals, column)

    def hit(self, value: pl.Expr) -> Hit:
        """Fail all other values."""
        expected = literal(self.equals)
        return Hit(value.ne_missing(expected), value, expected, self.drop_or_missing(value))

    def because(self) -> pl.Expr:
        """Explain which value the rule wants."""
        wanted = pl.lit(f", the rule wants {plain(self.equals)}")
        return pl.concat_str(value_of(self.column, self.equals), wanted)
