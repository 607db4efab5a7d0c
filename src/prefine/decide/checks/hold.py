"""Holds: pairs that meet a condition are set aside for a human."""

from collections.abc import Iterator
from typing import ClassVar

import polars as pl

from prefine.decide.conditions import Condition
from prefine.decide.explain import because_met
from prefine.decide.rule import ColumnRule, Hit
from prefine.schema import Column
from prefine.settings import Problem


class Hold(ColumnRule):
    """Hold pairs that meet a condition, and those without a value to show that they do not."""

    test: ClassVar[str] = "hold"
    keys: ClassVar[tuple[str, ...]] = ("hold_when",)

    hold_when: Condition
    """Pairs that meet this are held for a human."""

    def column_problems(self, column: Column) -> Iterator[Problem]:
        """Yield why the condition cannot be tested on the column."""
        yield from self.hold_when.column_problems(column)

    def hit(self, value: pl.Expr) -> Hit:
        """Act on what meets the condition, and on a null."""
        holds, threshold = self.hold_when.match(value)
        return Hit(holds | value.is_null(), value, threshold, pl.lit("hold"))

    def because(self) -> pl.Expr:
        """Explain which condition the value meets."""
        return because_met(self.column, self.hold_when)
