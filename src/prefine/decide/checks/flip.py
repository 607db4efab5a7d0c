"""Flips: chosen and rejected change places where a condition holds."""

from collections.abc import Iterator
from typing import ClassVar

import polars as pl

from prefine.decide.conditions import Condition
from prefine.decide.explain import because_met
from prefine.decide.rule import ColumnRule, Hit
from prefine.schema import Column
from prefine.settings import Problem


class Flip(ColumnRule):
    """Flip pairs that meet a condition; a pair without a value stays as it is."""

    test: ClassVar[str] = "flip"
    keys: ClassVar[tuple[str, ...]] = ("flip_when",)
    flips: ClassVar[bool] = True

    flip_when: Condition
    """Pairs that meet this are flipped; those that are flipped already, flipped back."""

    def column_problems(self, column: Column) -> Iterator[Problem]:
        """Yield why the condition cannot be tested on the column."""
        yield from self.flip_when.column_problems(column)

    def hit(self, value: pl.Expr) -> Hit:
        """Act on what meets the condition."""
        holds, threshold = self.flip_when.match(value)
        acts = (holds & value.is_not_null()).fill_null(value=False)
        return Hit(acts, value, threshold, pl.lit(None, pl.String))

    def because(self) -> pl.Expr:
        """Explain which condition the value meets."""
        return because_met(self.column, self.flip_when)
