"""The base class of caps and budgets: the order in which they keep pairs."""

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
from prefine.decide.ranking import Ranking, rank_pairs
from prefine.decide.rule import Hit, Missing, Rule
from prefine.decide.tested import TestedPairs
from prefine.schema import UNKNOWN, Column
from prefine.settings import Problem

MOST_PAIRS = 1_000_000_000_000
"""The largest cap or budget."""


def _no_truth_value(value: object) -> object:
    if isinstance(value, bool):
        text = f"expected a number of pairs; found `{str(value).lower()}`"
        raise ValueError(text)  # noqa: TRY004 - pydantic collects no TypeError
    return value


NumPairs = Annotated[int, BeforeValidator(_no_truth_value), Field(ge=1, le=MOST_PAIRS)]
"""A maximum number of pairs. Booleans are rejected, because YAML reads `yes` as true."""

NEIGHBOURS = "neighbour_lists"
"""The table of the neighbours of each prompt."""


class Limit(Rule, ABC):
    """A maximum number of pairs, and the order in which pairs are kept."""

    order_by: str | None = None
    """The column that orders pairs, smallest first; a leading ``-`` puts the largest first. Ties,
    and all pairs if null, are in random order."""
    diverse: Diverse | None = None
    """Prefer pairs that differ from those already kept, with ``order_by`` as the quality."""
    missing: Missing = "keep"
    """What happens to a pair with a null in ``order_by`` or ``per``: ``drop``, ``hold``, or
    ``keep``, which ranks a null in ``order_by`` last and counts all nulls in ``per`` as one
    group."""

    @property
    def ranking(self) -> Ranking:
        """How the rule ranks pairs."""
        return Ranking(order_by=self.order_by, diverse=self.diverse)

    def problems(self, columns: Mapping[str, Column]) -> Iterator[Problem]:
        """Yield the errors of the columns that the rule names."""
        yield from super().problems(columns)
        if self.missing != "keep" and not self.ranked_by:
            text = f"`missing: {self.missing}` has no effect without `order_by`; remove it"
            yield ("missing",), text
        name = self.ranking.ordered_column
        if name is None:
            return
        if name not in columns:
            yield ("order_by",), unknown_column(name, columns)
        elif not columns[name].numeric and columns[name].type != UNKNOWN:
            yield ("order_by",), f"`{name}` is text; `order_by` needs a numeric column"

    def table_problems(self, tables: Collection[str]) -> Iterator[Problem]:
        """Yield an error if the rule needs the neighbours of prompts and no measure has them."""
        if self.diverse is not None and NEIGHBOURS not in tables:
            text = "`diverse` needs the measure `prompt_neighbours`; add it to `measures`"
            yield ("diverse",), text

    @property
    def ranked_by(self) -> tuple[str, ...]:
        """The columns of which a null counts as a missing value."""
        columns = (self.ranking.ordered_column, self.ranking.per)
        return tuple(name for name in columns if name is not None)

    @property
    def grouped_by(self) -> tuple[str, ...]:
        """The columns by which the rule groups pairs."""
        per = self.ranking.per
        return (*(() if per is None else (per,)), *self.ranking.balance)

    def hit_beyond(self, pairs: TestedPairs, maximum: int) -> Hit:
        """Return a hit for the pairs whose rank is above a maximum."""
        missing = np.zeros(len(pairs), np.bool_)
        if self.missing != "keep":
            missing = self._missing(pairs)
        rank = np.full(len(pairs), np.nan)
        rank[~missing] = rank_pairs(pairs.only(~missing), self.ranking)
        return Hit(rank > maximum, missing, rank, float(maximum))

    def _missing(self, pairs: TestedPairs) -> Bools:
        missing = np.zeros(len(pairs), np.bool_)
        if self.ranking.ordered_column is not None:
            missing |= np.isnan(pairs.numbers(self.ranking.ordered_column))
        if self.ranking.per is not None:
            missing |= pairs.groups(self.ranking.per).of == 0
        return missing

    def because_beyond(self, end: str) -> pl.Expr:
        """Return the explanation of a pair's rank, or of a missing value.

        Args:
            end: The text after the rank.
        """
        rank = pl.concat_str(pl.lit("number "), number_texts().value, pl.lit(end))
        missing = pl.lit(f"{' or '.join(self.ranked_by)} is missing")
        return pl.when(pl.col("value").is_null()).then(missing).otherwise(rank)

    def columns_read(self) -> tuple[str, ...]:
        """Return the columns that the rule reads."""
        name = self.ranking.ordered_column
        return (*(() if name is None else (name,)), *super().columns_read())

    def tables(self) -> tuple[str, ...]:
        """Return the table of neighbours if the rule is diverse."""
        return () if self.diverse is None else (NEIGHBOURS,)
