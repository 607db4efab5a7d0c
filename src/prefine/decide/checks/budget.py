"""Budgets: a maximum number of pairs in total."""

from collections.abc import Iterator, Mapping
from typing import ClassVar

import polars as pl

from prefine.decide.columns import group_problems
from prefine.decide.limits import Limit, NumPairs
from prefine.decide.ranking import Ranking
from prefine.decide.rule import Hit
from prefine.decide.tested import TestedPairs
from prefine.schema import Column
from prefine.settings import Problem


class Budget(Limit):
    """Keep a maximum number of pairs in total."""

    test: ClassVar[str] = "budget"
    keys: ClassVar[tuple[str, ...]] = ("budget",)

    budget: NumPairs
    """Maximum number of pairs."""
    balance: tuple[str, ...] = ()
    """Balance the groups of these text columns (or ``prompt_id``): the next pair comes from the
    group with the fewest pairs taken. With several columns the counts of a pair's groups are added,
    each relative to an equal share of its column. ``order_by`` and ``diverse`` choose the pair
    within a group."""

    @property
    def ranking(self) -> Ranking:
        """How the rule ranks pairs."""
        return super().ranking._replace(balance=self.balance)

    def problems(self, columns: Mapping[str, Column]) -> Iterator[Problem]:
        """Yield what is wrong with the columns that the rule names."""
        yield from super().problems(columns)
        for index, name in enumerate(self.balance):
            yield from group_problems(name, ("balance", index), columns)

    def columns_read(self) -> tuple[str, ...]:
        """Return the columns that the rule reads."""
        return (*self.balance, *super().columns_read())

    def hit(self, pairs: TestedPairs) -> Hit:
        """Drop the pairs beyond the maximum."""
        return self.hit_beyond(pairs, self.budget)

    def because(self) -> pl.Expr:
        """Explain the rank of the pair among all."""
        total = f" of a budget of {self.budget}{self.ranking.describe()}"
        return self.because_beyond(total)
