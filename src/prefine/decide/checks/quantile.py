"""Bounds that are quantiles of the remaining pairs, over all pairs or within groups."""

from collections.abc import Iterator, Mapping
from typing import ClassVar, Self

import polars as pl
from pydantic import Field, model_validator

from prefine.decide.bounds import Bounded
from prefine.decide.columns import group_problems
from prefine.decide.conditions import require_order
from prefine.decide.quantiles import group_quantiles, quantiles_of
from prefine.decide.rule import Hit
from prefine.decide.tested import TestedPairs
from prefine.schema import Column
from prefine.settings import Problem


class Quantile(Bounded):
    """Drop pairs outside quantiles of the remaining pairs; a missing value fails."""

    test: ClassVar[str] = "quantile"
    keys: ClassVar[tuple[str, ...]] = ("minimum_quantile", "maximum_quantile")
    is_relative: ClassVar[bool] = True

    minimum_quantile: float | None = Field(default=None, gt=0, lt=1)
    """The minimum is this quantile of the remaining pairs."""
    maximum_quantile: float | None = Field(default=None, gt=0, lt=1)
    """The maximum is this quantile of the remaining pairs."""
    per: str | None = None
    """Compute the quantile within each group: ``prompt_id``, ``source``, ``group`` or any
    text column."""

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        require_order(self.minimum_quantile, self.maximum_quantile)
        return self

    def problems(self, columns: Mapping[str, Column]) -> Iterator[Problem]:
        """Yield what is wrong with the columns that the rule names."""
        yield from super().problems(columns)
        if self.per is not None:
            yield from group_problems(self.per, ("per",), columns)

    def columns_read(self) -> tuple[str, ...]:
        """Return the columns that the rule reads."""
        return (*super().columns_read(), *(() if self.per is None else (self.per,)))

    @property
    def grouped_by(self) -> tuple[str, ...]:
        """The column of the groups."""
        return () if self.per is None else (self.per,)

    def hit(self, pairs: TestedPairs) -> Hit:
        """Act on values outside the quantiles of the tested pairs."""
        value = pairs.numbers(self.column)
        shares = (self.minimum_quantile, self.maximum_quantile)
        if self.per is None:
            low, high = quantiles_of(value, shares)
            return self.between(value, float(low), float(high))
        groups = pairs.groups(self.per)
        bounds = group_quantiles(value, groups.of, groups.num_groups, shares)
        return self.between(value, bounds[0][groups.of], bounds[1][groups.of])

    def because(self) -> pl.Expr:
        """Explain which quantile the value is outside."""
        group = "" if self.per is None else f" of its {self.per}"
        return self.because_outside(f" (a quantile{group})")
