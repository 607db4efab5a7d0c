"""Structural rules: pairs without a usable preference, decided before all other rules."""

import math
from collections.abc import Iterator
from typing import ClassVar, Literal

import numpy as np
import polars as pl

from prefine.decide.checks import Bound, Equals, Hold
from prefine.decide.conditions import Condition
from prefine.decide.rule import ColumnRule, Hit, Missing, Rule
from prefine.decide.tested import TestedPairs
from prefine.schema import HUMAN_VERDICT, Column
from prefine.settings import Part, Problem


class Refused(ColumnRule):
    """Drop or hold pairs that a human rejected."""

    test: ClassVar[str] = "verdict"
    keys: ClassVar[tuple[str, ...]] = ("refused",)

    refused: Literal["drop", "hold"]
    """What happens to them."""
    missing: Missing = "keep"

    @property
    def verdict(self) -> Literal["drop", "hold"]:
        """What happens to pairs that a human rejected."""
        return self.refused

    def column_problems(self, column: Column) -> Iterator[Problem]:
        """Yield nothing: the column is always the same."""
        del column
        yield from ()

    def hit(self, pairs: TestedPairs) -> Hit:
        """Act on pairs that a human rejected; a pair without a verdict passes."""
        value = pairs.numbers(self.column)
        refused = [pairs.number_of(self.column, verdict) for verdict in ("both_bad", "drop")]
        return Hit(np.isin(value, refused), np.isnan(value), value, math.nan)

    def because(self) -> pl.Expr:
        """Explain the human verdict."""
        return pl.concat_str(pl.lit("human verdict: "), pl.col("value_text"))


class Structure(Part):
    """What happens to pairs without a usable preference; these rules come before all others."""

    identical: Literal["drop", "hold"] = "drop"
    """Chosen and rejected are the same text (see ``pairs.identical``)."""
    empty: Literal["drop", "hold"] = "drop"
    """A response is blank."""
    unlabelled: Literal["drop", "hold"] = "drop"
    """No label prefers a side or is a tie, for example because a judge failed."""
    tie: Literal["drop", "hold"] = "drop"
    """The votes favour neither side."""
    verdict: Literal["drop", "hold"] = "drop"
    """A human verdict is ``drop`` or ``both_bad``."""

    def rules(self, *, verdicts: bool = False) -> tuple[Rule, ...]:
        """Return the structural rules, each with the name of its setting.

        Args:
            verdicts: Whether the recipe has human verdicts.
        """
        policies: tuple[tuple[Bound | Equals, Condition], ...] = (
            (
                Equals(name="identical", column="is_identical", equals=False, verdicts=True),
                Condition(equals=True),
            ),
            (Bound(name="empty", column="num_empty", maximum=0), Condition(minimum=1)),
            (Bound(name="unlabelled", column="num_votes", minimum=1), Condition(maximum=0)),
            (Equals(name="tie", column="is_tie", equals=False), Condition(equals=True)),
        )
        identical, *others = (
            Hold(name=drop.name, column=drop.column, hold_when=condition, verdicts=drop.verdicts)
            if getattr(self, drop.reason) == "hold"
            else drop
            for drop, condition in policies
        )
        refused = (Refused(name="verdict", column=HUMAN_VERDICT, refused=self.verdict),)
        return (identical, *(refused if verdicts else ()), *others)
