"""What every rule has; each kind of check adds its test in a module of ``checks``."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from typing import ClassVar, Literal, NamedTuple, Self

import polars as pl
from pydantic import model_validator

from prefine.decide.columns import unknown_column
from prefine.decide.conditions import Exemption
from prefine.decide.ranking import Ranking
from prefine.schema import Column
from prefine.settings import Name, Part, Problem


class Hit(NamedTuple):
    """The result of a rule for each pair; expressions over the working frame."""

    fails: pl.Expr
    """Whether the rule acts on the pair; null counts as true."""
    value: pl.Expr
    threshold: pl.Expr
    verdict: pl.Expr
    """``drop`` or ``hold``; not read from a rule that flips."""


class Rule(Part, ABC):
    """One test on one column, or a limit on how many pairs may stay.

    Rules act in the order of the list, each on the pairs that are still in. A pair that fails a
    bound is dropped (or held); one that meets ``flip_when`` is flipped and stays in, and later
    rules see it in its new direction; one that meets ``hold_when`` is held for a human.
    """

    test: ClassVar[str]
    """What this kind of check is called in reasons and messages."""
    keys: ClassVar[tuple[str, ...]]
    """The settings that make a rule one of this kind: at least one of them is given."""
    flips: ClassVar[bool] = False
    """Whether the rule flips the pairs that it acts on, in place of removing them."""
    is_bound: ClassVar[bool] = False
    """Whether the rule compares sizes, which a column with one single value does not have."""

    name: Name | None = None
    """The reason that a drop carries; null derives it from the column and the test."""
    unless: Exemption | None = None
    """Pairs that meet this are exempt: they pass the rule, and are not counted in its quantile, cap
    or budget. A missing value exempts nothing."""
    missing: Literal["drop", "hold"] = "drop"
    """The verdict on a pair without a value: a null never passes."""
    verdicts: bool = False
    """Whether the rule also acts on pairs that a human called right or wrong; else these pass it,
    and are not counted in its quantile, cap or budget."""

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
        """The column that a decision by this rule names."""
        return self.tested

    @property
    def reason(self) -> str:
        """The name that a drop by this rule carries everywhere."""
        return self.name or f"{self.subject or 'all'}_{self.test}"

    @property
    def ranking(self) -> Ranking | None:
        """How the rule ranks pairs; null for a rule that tests a column."""
        return None

    @abstractmethod
    def hit(self, value: pl.Expr) -> Hit:
        """Return what the rule does.

        Args:
            value: The tested column in the pair's current direction, null where it is missing; or
                the pair's place in the ranking.
        """

    @abstractmethod
    def because(self) -> pl.Expr:
        """Return the explanation of a hit, from the columns of a decision."""

    def problems(self, columns: Mapping[str, Column]) -> Iterator[Problem]:
        """Yield what is wrong with the columns that the rule names; locations start at the rule.

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

    def table_problems(self, tables: Collection[str]) -> Iterator[Problem]:
        """Yield which tables the rule lacks; locations start at the rule.

        Args:
            tables: The tables that the steps of the recipe write.
        """
        del tables
        yield from ()

    def columns_read(self) -> tuple[str, ...]:
        """Return the columns that the rule reads; ids among them."""
        return () if self.unless is None else (self.unless.column,)

    def tables(self) -> tuple[str, ...]:
        """Return the tables that the rule reads beside the facts."""
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
        """Yield why the test does not fit its column; locations start at the rule."""

    def problems(self, columns: Mapping[str, Column]) -> Iterator[Problem]:
        """Yield what is wrong with the columns that the rule names."""
        column = columns.get(self.column)
        if column is None:
            yield ("column",), unknown_column(self.column, columns)
        else:
            yield from self.column_problems(column)
        yield from super().problems(columns)

    def columns_read(self) -> tuple[str, ...]:
        """Return the columns that the rule reads."""
        return (self.column, *super().columns_read())

    def drop_or_missing(self, value: pl.Expr) -> pl.Expr:
        """Return ``drop``, or what ``missing`` says where there is no value."""
        return pl.when(value.is_null()).then(pl.lit(self.missing)).otherwise(pl.lit("drop"))
