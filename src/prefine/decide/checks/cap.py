"""Caps: a maximum number of pairs in each group."""

from collections.abc import Iterator, Mapping
from typing import ClassVar

import polars as pl
from pydantic import model_validator

from prefine.decide.columns import group_problems
from prefine.decide.limits import Limit, NumPairs
from prefine.decide.ranking import Ranking
from prefine.decide.rule import Hit
from prefine.decide.tested import TestedPairs
from prefine.schema import Column
from prefine.settings import Problem
from prefine.settings.json import is_object


class Cap(Limit):
    """Keep a maximum number of pairs for each value of a column."""

    test: ClassVar[str] = "cap"
    keys: ClassVar[tuple[str, ...]] = ("cap",)

    cap: NumPairs
    """Maximum number of pairs in a group."""
    per: str
    """The group: ``prompt_id``, ``source``, ``group`` or any text column."""

    @model_validator(mode="before")
    @classmethod
    def _require_per(cls, value: object) -> object:
        if is_object(value) and value.get("per") is None:
            raise ValueError("`cap` needs `per`: the column whose values share the cap")
        return value

    @property
    def subject(self) -> str:
        """The column of the groups."""
        return self.per

    @property
    def ranking(self) -> Ranking:
        """How the rule ranks the pairs of a group."""
        return super().ranking._replace(per=self.per)

    def problems(self, columns: Mapping[str, Column]) -> Iterator[Problem]:
        """Yield what is wrong with the columns that the rule names."""
        yield from super().problems(columns)
        yield from group_problems(self.per, ("per",), columns)

    def columns_read(self) -> tuple[str, ...]:
        """Return the columns that the rule reads."""
        return (self.per, *super().columns_read())

    def hit(self, pairs: TestedPairs) -> Hit:
        """Drop the pairs of a group beyond the maximum."""
        return self.hit_beyond(pairs, self.cap)

    def because(self) -> pl.Expr:
        """Explain the rank of the pair in its group."""
        kept = f"{self.cap} {'is' if self.cap == 1 else 'are'} kept"
        group = f" of its {self.per}, where {kept}{self.ranking.describe()}"
        return self.because_beyond(group)
