"""Flips: swap chosen and rejected where a condition holds."""

from collections.abc import Iterator
from typing import ClassVar, Literal

import polars as pl

from prefine.decide.conditions import Condition
from prefine.decide.explain import because_met
from prefine.decide.rule import ColumnRule, Hit, Missing
from prefine.decide.tested import TestedPairs, Value
from prefine.schema import Column
from prefine.settings import Location, Problem


class Flip(ColumnRule):
    """Flip pairs that meet a condition; by default a pair without a value is unchanged."""

    test: ClassVar[str] = "flip"
    keys: ClassVar[tuple[str, ...]] = ("flip_when",)
    action: ClassVar[Literal["drop", "hold", "flip"]] = "flip"

    flip_when: Condition
    """The condition for a flip; a pair that an earlier rule flipped is flipped back."""
    missing: Missing = "keep"
    """What happens to a pair without a value; it is never flipped."""

    def column_problems(self, column: Column) -> Iterator[Problem]:
        """Yield why the condition cannot be tested on the column."""
        yield from self.flip_when.column_problems(column)

    def compared(self) -> Iterator[tuple[Location, str, Value]]:
        """Yield the values that the rule compares with."""
        if self.flip_when.equals is not None:
            yield ("flip_when", "equals"), self.column, self.flip_when.equals
        yield from super().compared()

    def hit(self, pairs: TestedPairs) -> Hit:
        """Act on pairs that meet the condition."""
        return self.hit_where(pairs, self.flip_when)

    def because(self) -> pl.Expr:
        """Explain which condition the value meets."""
        return because_met(self.column, self.flip_when)
