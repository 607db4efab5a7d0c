"""The pairs that a rule tests, and their columns in the current direction."""

from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from prefine.decide.arrays import Bools, Directed, Facts, Floats, Places, to_arrow
from prefine.decide.neighbours import Nearby

Value = bool | float | str
"""A value that a rule compares a column with."""


class Groups(NamedTuple):
    """The group of each pair by one column; group 0 is reserved for null."""

    of: Places
    """The group of each pair, shape (pairs,)."""
    num_groups: int
    """Number of possible groups, including group 0."""
    num_null: int
    """Number of pairs in group 0."""


@dataclass(frozen=True)
class TestedPairs:
    """The pairs that a rule tests; its methods return one value per tested pair."""

    facts: Facts
    """The columns of all pairs."""
    rows: Places
    """The rows of the tested pairs in the facts, ascending."""
    flipped: Bools
    """Whether chosen and rejected are swapped, for all rows of the facts."""
    live: Places
    """The rows of all remaining pairs."""
    near: Nearby | None = None
    """The neighbours of prompts, for ``diverse`` rules."""

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.rows)

    def only(self, chosen: Bools) -> "TestedPairs":
        """Return a subset of the pairs."""
        return TestedPairs(self.facts, self.rows[chosen], self.flipped, self.live, self.near)

    def numbers(self, name: str) -> Floats:
        """Return a column in the current direction as floats: NaN for null, codes for texts."""
        column = self.facts.column(name)
        if column.cluster is not None and column.rank is not None:
            return self._represents(column.cluster, column.rank)
        current = self._current(self.facts.numbers(name), self.rows)
        return current.astype(np.float64, copy=False)

    def _current(self, column: Directed, rows: Places) -> npt.NDArray[Any]:
        own = column.own if len(rows) == len(column.own) else column.own[rows]
        if column.turned is column.own:
            return own
        return np.where(self.flipped[rows], column.turned[rows], own)

    def _represents(self, cluster: str, rank: str) -> Floats:
        """Return whether each pair has the lowest rank of its cluster among remaining pairs."""
        groups, ranks = self.facts.groups(cluster), self.facts.numbers(rank)
        known = self._current(groups, self.live), self._current(ranks, self.live)
        lowest = np.full(groups.num_codes + 1, np.inf)
        present = (known[0] >= 0) & ~np.isnan(known[1])
        np.minimum.at(lowest, known[0][present].astype(np.int64), known[1][present])
        own_group = self._current(groups, self.rows).astype(np.int64)
        own_rank = self._current(ranks, self.rows)
        value = (own_rank == lowest[own_group]).astype(np.float64)
        value[(own_group < 0) | np.isnan(own_rank)] = np.nan
        return value

    def groups(self, name: str) -> Groups:
        """Return the group of each pair by a column in its current direction."""
        column = self.facts.column(name)
        if column.cluster is not None and column.rank is not None:
            of = np.nan_to_num(self._represents(column.cluster, column.rank) + 1).astype(np.int64)
            return Groups(of, 3, int((of == 0).sum()))
        codes = self.facts.groups(name)
        of = self._current(codes, self.rows).astype(np.int64, copy=False) + 1
        return Groups(of, codes.num_codes + 1, int((of == 0).sum()))

    def text(self, name: str) -> tuple[str, ...] | None:
        """Return the texts of a text column, by code; None for a column of numbers."""
        column = self.facts.column(name)
        return None if column.numeric else self.facts.texts(name)

    def number_of(self, name: str, value: Value) -> float:
        """Return the number that represents a value of a recipe in a column; -1 if unknown."""
        if not isinstance(value, str):
            return float(value)
        texts = self.text(name) or ()
        return float(texts.index(value)) if value in texts else -1.0

    @property
    def order(self) -> Floats:
        """The random position of each pair, in [0, 1)."""
        return self.facts.order[self.rows]

    @property
    def source(self) -> Places:
        """The position of each pair's source in ``facts.source_names``."""
        return self.facts.source[self.rows]

    def ids(self, name: str, chosen: Places | None = None) -> pl.Series:
        """Return an id column of the pairs, or of some of them, as labelled."""
        rows = self.rows if chosen is None else self.rows[chosen]
        ids = self.facts.table[name].take(cast("Any", to_arrow(rows)))
        return pl.Series(name, ids.cast(pa.large_string()))
