"""What caps and budgets share: the order in which they take pairs, and its settings."""

from abc import ABC
from collections.abc import Collection, Iterator, Mapping
from typing import Annotated

import numpy as np
import polars as pl
from pydantic import BeforeValidator, Field

from prefine.decide.arrays import Bools
from prefine.decide.columns import unknown_column
from prefine.decide.diverse import Diverse
from prefine.decide.explain import number_texts
from prefine.decide.ranking import Ranking, places_of
from prefine.decide.rule import Hit, Missing, Rule
from prefine.decide.seen import Seen
from prefine.schema import UNKNOWN, Column
from prefine.settings import Problem

MOST_PAIRS = 1_000_000_000_000
"""The largest cap or budget."""


def _no_truth_value(value: object) -> object:
    if isinstance(value, bool):
        text = "this is a number of pairs, not a truth value"
        raise ValueError(text)  # noqa: TRY004 - pydantic collects no TypeError
    return value


NumPairs = Annotated[int, BeforeValidator(_no_truth_value), Field(ge=1, le=MOST_PAIRS)]
"""How many pairs may stay. YAML reads `yes` as true, which is no number."""

NEIGHBOURS = "neighbour_lists"
"""The table that says which prompts are near which."""


class Limit(Rule, ABC):
    """A limit on how many pairs may stay, and which of them it prefers."""

    order_by: str | None = None
    """Which pairs are preferred: a column, with ``-`` in front for the largest first; null, and
    every tie, is decided by the seed."""
    diverse: Diverse | None = None
    """Prefer pairs that differ from those already taken; ``order_by`` is the quality."""
    missing: Missing = "keep"
    """What becomes of a pair with a null in ``order_by`` or ``per``. ``keep`` ranks it: a null to
    order by comes last, and all nulls of ``per`` are one group."""

    @property
    def ranking(self) -> Ranking:
        """How the rule ranks pairs."""
        return Ranking(order_by=self.order_by, diverse=self.diverse)

    def problems(self, columns: Mapping[str, Column]) -> Iterator[Problem]:
        """Yield what is wrong with the columns that the rule names."""
        yield from super().problems(columns)
        if self.missing != "keep" and not self.ranked_by:
            text = "`missing` is about a null in `order_by`, and the rule has none"
            yield ("missing",), text
        name = self.ranking.ordered_column
        if name is None:
            return
        if name not in columns:
            yield ("order_by",), unknown_column(name, columns)
        elif not columns[name].numeric and columns[name].type != UNKNOWN:
            yield ("order_by",), f"`{name}` is text and has no order"

    def table_problems(self, tables: Collection[str]) -> Iterator[Problem]:
        """Yield that a diverse rule lacks the neighbours of prompts."""
        if self.diverse is not None and NEIGHBOURS not in tables:
            text = "`diverse` needs to know what is near: add the measure `prompt_neighbours`"
            yield ("diverse",), text

    @property
    def ranked_by(self) -> tuple[str, ...]:
        """The columns of which a null is missing."""
        name = self.ranking.ordered_column
        return tuple(one for one in (name, self.ranking.per) if one is not None)

    @property
    def grouped_by(self) -> tuple[str, ...]:
        """The columns by which the rule groups pairs."""
        per = self.ranking.per
        return (*(() if per is None else (per,)), *self.ranking.balance)

    def hit_beyond(self, seen: Seen, maximum: int) -> Hit:
        """Act on the pairs whose place is beyond a maximum."""
        missing = np.zeros(len(seen), np.bool_)
        if self.missing != "keep":
            missing = self._missing(seen)
        place = np.full(len(seen), np.nan)
        place[~missing] = places_of(seen.only(~missing), self.ranking)
        return Hit(place > maximum, missing, place, float(maximum))

    def _missing(self, seen: Seen) -> Bools:
        missing = np.zeros(len(seen), np.bool_)
        if self.ranking.ordered_column is not None:
            missing |= np.isnan(seen.numbers(self.ranking.ordered_column))
        if self.ranking.per is not None:
            missing |= seen.groups(self.ranking.per).of == 0
        return missing

    def because_beyond(self, end: str) -> pl.Expr:
        """Explain a pair's place, or that it has none.

        Args:
            end: What follows the place.
        """
        place = pl.concat_str(pl.lit("number "), number_texts().value, pl.lit(end))
        missing = pl.lit(f"{' or '.join(self.ranked_by)} is missing")
        return pl.when(pl.col("value").is_null()).then(missing).otherwise(place)

    def columns_read(self) -> tuple[str, ...]:
        """Return the columns that the rule reads."""
        name = self.ranking.ordered_column
        return (*(() if name is None else (name,)), *super().columns_read())

    def tables(self) -> tuple[str, ...]:
        """Return the lists of neighbours, for a diverse rule."""
        return () if self.diverse is None else (NEIGHBOURS,)
