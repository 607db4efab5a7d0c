"""Holds: set pairs aside for human review where a condition holds."""

from collections.abc import Iterator
from typing import ClassVar, Literal

import polars as pl

from prefine.decide.conditions import Condition
from prefine.decide.explain import because_met
from prefine.decide.rule import ColumnRule, Hit, Missing
from prefine.decide.tested import TestedPairs, Value
from prefine.schema import Column
from prefine.settings import Location, Problem


class Hold(ColumnRule):
    """Hold pairs that meet a condition, and by default those without a value."""

    test: ClassVar[str] = "hold"
    keys: ClassVar[tuple[str, ...]] = ("hold_when",)
    action: ClassVar[Literal["drop", "hold", "flip"]] = "hold"

    hold_when: Condition
    """The condition for holding a pair for human review."""
    missing: Missing = "hold"
    """What happens to a pair without a value."""

    def column_problems(self, column: Column) -> Iterator[Problem]:
        """Yield why the condition cannot be tested on the column."""
        yield from self.hold_when.column_problems(column)

    def compared(self) -> Iterator[tuple[Location, str, Value]]:
        """Yield the values that the rule compares with."""
        if self.hold_when.equals is not None:
            yield ("hold_when", "equals"), self.column, self.hold_when.equals
        yield from super().compared()

    def hit(self, pairs: TestedPairs) -> Hit:
        """Act on pairs that meet the condition."""
        return self.hit_where(pairs, self.hold_when)

    def because(self) -> pl.Expr:
        """Explain which condition the value meets."""
        return because_met(self.column, self.hold_when)
