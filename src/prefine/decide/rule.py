"""Base classes of rules; each kind of check is a module of ``checks``."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from typing import ClassVar, Literal, NamedTuple, Self

import numpy as np
import polars as pl
from pydantic import model_validator

from prefine.decide.arrays import Bools, Floats
from prefine.decide.columns import unknown_column
from prefine.decide.conditions import Condition, Exemption
from prefine.decide.ranking import Ranking
from prefine.decide.tested import TestedPairs, Value
from prefine.schema import Column
from prefine.settings import Location, Name, Part, Problem

Missing = Literal["drop", "hold", "keep"]
"""What happens to a pair without a value; ``keep`` passes it."""


class Hit(NamedTuple):
    """The result of a rule for the pairs that it tests."""

    acts: Bools
    """Whether the pair fails the test or meets the condition; ignored where it has no value."""
    missing: Bools
    """Whether the pair has no value."""
    value: Floats
    """The tested value: NaN for null, the code of a text."""
    threshold: Floats | float
    """The value that it is compared with, in the same form."""
    threshold_text: str | None = None
    """The threshold of a test on a text."""


class Rule(Part, ABC):
    """One test on one column, or a limit on the number of pairs.

    Rules act in the order of the list, each on the remaining pairs. A pair that fails a bound is
    dropped. A pair that meets ``flip_when`` is flipped and remains; later rules use its new
    direction. A pair that meets ``hold_when`` is held for a human. ``docs/rules.md`` has the
    details.
    """

    test: ClassVar[str]
    """The name of this kind of check in reasons and messages."""
    keys: ClassVar[tuple[str, ...]]
    """The settings of which a rule of this kind has at least one."""
    action: ClassVar[Literal["drop", "hold", "flip"]] = "drop"
    """What the rule does with a pair that it acts on."""
    is_relative: ClassVar[bool] = False
    """Whether the result for a pair depends on the values of other pairs."""

    name: Name | None = None
    """Name of the rule, recorded with each decision; null derives it from column and test."""
    unless: Exemption | None = None
    """Pairs that meet this condition are exempt: they pass the rule and do not count in its
    quantile, cap or budget. A pair with a missing value is not exempt."""
    missing: Missing = "drop"
    """What happens to a pair without a value: ``drop``, ``hold``, or ``keep``, which passes it."""
    verdicts: bool = False
    """Whether the rule also applies to pairs with the human verdict right or wrong; otherwise these
    pass and do not count in its quantile, cap or budget."""

    @model_validator(mode="after")
    def _require_test(self) -> Self:
        if all(getattr(self, key) is None for key in self.keys):
            raise ValueError("give " + " and/or ".join(f"`{key}`" for key in self.keys))
        return self

    @property
    def tested(self) -> str | None:
        """The column whose value is tested; null for a rule that ranks pairs."""
        return None

    @property
    def subject(self) -> str | None:
        """The column that is recorded with a decision of this rule."""
        return self.tested

    @property
    def reason(self) -> str:
        """The name of the rule in verdicts and reports."""
        return self.name or f"{self.subject or 'all'}_{self.test}"

    @property
    def ranking(self) -> Ranking | None:
        """How the rule ranks pairs; null for a rule that tests a column."""
        return None

    @property
    def grouped_by(self) -> tuple[str, ...]:
        """The columns by which the rule groups pairs."""
        return ()

    @property
    def verdict(self) -> Literal["drop", "hold", "flip"]:
        """The verdict on pairs that the rule acts on."""
        return self.action

    @abstractmethod
    def hit(self, pairs: TestedPairs) -> Hit:
        """Test the pairs."""

    @abstractmethod
    def because(self) -> pl.Expr:
        """Return the explanation of a verdict, as an expression over the columns of a decision."""

    def problems(self, columns: Mapping[str, Column]) -> Iterator[Problem]:
        """Yield the problems of the columns that the rule names, located within the rule.

        Args:
            columns: Every column that a rule may read.
        """
        if self.unless is None:
            return
        column = columns.get(self.unless.column)
        if column is None:
            yield ("unless", "column"), unknown_column(self.unless.column, columns)
        else:
            for location, text in self.unless.column_problems(column):
                yield ("unless", *location), text

    def compared(self) -> Iterator[tuple[Location, str, Value]]:
        """Yield the values that the rule compares with: the location, the column, the value."""
        if self.unless is not None and self.unless.equals is not None:
            yield ("unless", "equals"), self.unless.column, self.unless.equals

    def table_problems(self, tables: Collection[str]) -> Iterator[Problem]:
        """Yield the tables that the rule needs and the recipe lacks, located within the rule.

        Args:
            tables: The tables that the steps of the recipe write.
        """
        del tables
        yield from ()

    def columns_read(self) -> tuple[str, ...]:
        """Return the columns that the rule reads, ids included."""
        return () if self.unless is None else (self.unless.column,)

    def tables(self) -> tuple[str, ...]:
        """Return the tables that the rule reads in addition to the facts."""
        return ()


class ColumnRule(Rule, ABC):
    """A test on the value of one column."""

    column: str
    """The column whose value is tested."""

    @property
    def tested(self) -> str | None:
        """The column whose value is tested."""
        return self.column

    @abstractmethod
    def column_problems(self, column: Column) -> Iterator[Problem]:
        """Yield why the test does not fit its column, located within the rule."""

    def problems(self, columns: Mapping[str, Column]) -> Iterator[Problem]:
        """Yield the problems of the columns that the rule names."""
        column = columns.get(self.column)
        if column is None:
            yield ("column",), unknown_column(self.column, columns)
        else:
            yield from self.column_problems(column)
        yield from super().problems(columns)

    def columns_read(self) -> tuple[str, ...]:
        """Return the columns that the rule reads."""
        return (self.column, *super().columns_read())

    def hit_where(self, pairs: TestedPairs, condition: Condition) -> Hit:
        """Act on pairs for whose value a condition holds."""
        value, holds, threshold = condition.match(pairs, self.column)
        text = condition.equals if isinstance(condition.equals, str) else None
        return Hit(holds, np.isnan(value), value, threshold, text)
