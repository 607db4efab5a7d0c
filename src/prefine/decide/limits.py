"""What caps and budgets share: the order in which they take pairs, and its settings."""

from abc import ABC
from collections.abc import Collection, Iterator, Mapping

import polars as pl

from prefine.decide.columns import unknown_column
from prefine.decide.diverse import Diverse
from prefine.decide.ranking import Ranking
from prefine.decide.rule import Hit, Rule
from prefine.schema import Column
from prefine.settings import Problem

NEIGHBOURS = "neighbour_lists"
"""The table that says which prompts are near which."""


class Limit(Rule, ABC):
    """A limit on how many pairs may stay, and which of them it prefers."""

    order_by: str | None = None
    """Which pairs are preferred: a column, with ``-`` in front for the largest first; null, and
    every tie, is decided by the seed."""
    diverse: Diverse | None = None
    """Prefer pairs that differ from those already taken; ``order_by`` is the quality."""

    @property
    def ranking(self) -> Ranking:
        """How the rule ranks pairs."""
        return Ranking(order_by=self.order_by, diverse=self.diverse)

    def problems(self, columns: Mapping[str, Column]) -> Iterator[Problem]:
        """Yield what is wrong with the columns that the rule names."""
        yield from super().problems(columns)
        name = self.ranking.ordered_column
        if name is None:
            return
        if name not in columns:
            yield ("order_by",), unknown_column(name, columns)
        elif not columns[name].numeric:
            yield ("order_by",), f"`{name}` is text and has no order"

    def table_problems(self, tables: Collection[str]) -> Iterator[Problem]:
        """Yield that a diverse rule lacks the neighbours of prompts."""
        if self.diverse is not None and NEIGHBOURS not in tables:
            text = "`diverse` needs to know what is near: add the measure `prompt_neighbours`"
            yield ("diverse",), text

    def columns_read(self) -> tuple[str, ...]:
        """Return the columns that the rule reads."""
        name = self.ranking.ordered_column
        return (*(() if name is None else (name,)), *super().columns_read())

    def tables(self) -> tuple[str, ...]:
        """Return the lists of neighbours, for a diverse rule."""
        return () if self.diverse is None else (NEIGHBOURS,)


def beyond(place: pl.Expr, maximum: int) -> Hit:
    """Drop the pairs whose place is beyond a maximum."""
    threshold = pl.lit(float(maximum))
    return Hit(place > threshold, place, threshold, pl.lit("drop"))
