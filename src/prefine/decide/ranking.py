"""Rank the pairs that a cap or a budget looks at; the seed breaks ties."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from prefine.decide.balance import balanced
from prefine.decide.columns import PLACE, SEEN, current_value
from prefine.decide.diverse import Diverse, greedy
from prefine.decide.neighbours import Nearby
from prefine.schema import Column

_KEY = "_key"
_ROW = "_row"


class Ranking(NamedTuple):
    """How a rule ranks pairs."""

    order_by: str | None = None
    """A column, with ``-`` in front for the largest first; null leaves the order to the seed."""
    diverse: Diverse | None = None
    balance: tuple[str, ...] = ()
    per: str | None = None
    """Pairs are counted from 1 for each value of this column; null counts all together."""

    @property
    def ordered_column(self) -> str | None:
        """The name of the column in ``order_by``."""
        return None if self.order_by is None else self.order_by.removeprefix("-")

    def describe(self) -> str:
        """Return the end of a sentence: what decided the order, where it was more than a column."""
        diverse = f", diverse by {self.diverse.by}" if self.diverse else ""
        return diverse + (f", balanced over {', '.join(self.balance)}" if self.balance else "")


def rank_pairs(
    frame: pl.DataFrame, ranking: Ranking, columns: Mapping[str, Column], near: Nearby | None
) -> pl.DataFrame:
    """Add the place, from 1, of each pair that the rule looks at; null for the others.

    Args:
        frame: Facts with ``_seen``, ``_flipped`` and ``order``.
        ranking: How the rule ranks pairs.
        columns: What the columns mean.
        near: Which prompts are near which; needed by a diverse ranking.
    """
    seen = frame.with_row_index(_ROW).filter(SEEN)
    seen = seen.with_columns(_sort_key(ranking, columns).alias(_KEY)).sort(_KEY, "order")
    if ranking.diverse is not None:
        assert near is not None, "a diverse rule reads which prompts are near which"
        seen = _by_diversity(seen, ranking.diverse, near)
    if ranking.balance:
        groups = [_group_numbers(seen[name]) for name in ranking.balance]
        seen = seen[balanced(groups, np.arange(seen.height))]
    place = pl.int_range(1, pl.len() + 1, dtype=pl.Int64)
    counted = place if ranking.per is None else place.over(ranking.per)
    places = seen.select(_ROW, counted.cast(pl.Float64).alias(PLACE))
    full = frame.drop(PLACE, strict=False).with_row_index(_ROW)
    return full.join(places, on=_ROW, how="left", maintain_order="left").drop(_ROW)


def _sort_key(ranking: Ranking, columns: Mapping[str, Column]) -> pl.Expr:
    """Return what the rule orders by, the preferred first: the smallest; null comes last."""
    if ranking.order_by is None or ranking.ordered_column is None:
        return pl.lit(0.0)
    value = current_value(columns[ranking.ordered_column])
    return (-value if ranking.order_by.startswith("-") else value).fill_null(float("inf"))


def _group_numbers(group: pl.Series) -> npt.NDArray[np.int64]:
    """Number groups from 0 without gaps; a missing value is a group of its own."""
    number = group.rank("dense").cast(pl.Int64).fill_null(0)
    return number.rank("dense").cast(pl.Int64).to_numpy() - 1


def _by_diversity(seen: pl.DataFrame, config: Diverse, near: Nearby) -> pl.DataFrame:
    """Order pairs by diversity: the best pair of each prompt first, then the second best.

    Args:
        seen: In the order of preference.
        config: What counts as diverse.
        near: Which prompts are near which.
    """
    places = near.ids.with_row_index("prompt").with_columns(pl.Series("known", near.has_vector))
    last = (pl.col(_KEY) == float("inf")) | ~pl.col("known")
    worth = (pl.len() + 1 - pl.col(_KEY).rank("average")) / pl.len()
    with_last = seen.join(places, on="prompt_id", how="left", maintain_order="left").with_columns(
        last.alias("last"), pl.int_range(pl.len()).alias("by")
    )
    usable = with_last.filter(~pl.col("last")).with_columns(
        worth.alias("worth"), pl.int_range(pl.len()).over("prompt_id").alias("round")
    )
    firsts = usable.filter(pl.col("round") == 0).sort("prompt")
    chosen = firsts["prompt"].cast(pl.Int64).to_numpy()
    graph = near.graph.within(chosen)
    order = greedy(graph, firsts["worth"].to_numpy(), firsts["order"].to_numpy(), config)
    turns = firsts[order].select("prompt_id", pl.int_range(pl.len()).alias("turn"))
    taken = usable.join(turns, on="prompt_id", how="left").sort("round", "turn")
    rest = with_last.filter("last").sort("by")
    return pl.concat([part.select(seen.columns) for part in (taken, rest)])
