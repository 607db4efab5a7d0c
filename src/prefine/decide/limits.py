"""In which order a cap or a budget takes pairs.

What comes in: the pairs that a rule looks at. What goes out: a place for each. What never happens:
a tie; where nothing else decides, the seed does.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from prefine.decide.balance import balanced
from prefine.decide.diverse import Graph, graph_of, greedy
from prefine.recipe import Diverse, Rule
from prefine.schema import Column

Floats = npt.NDArray[np.float64]

PLACE = "_place"
_KEY = "_key"
_ROW = "_row"


class Nearby(NamedTuple):
    """Which prompts are near which."""

    ids: pl.DataFrame
    """``prompt_id`` in order; its rows are the places of the graph."""
    has_vector: npt.NDArray[np.bool_]
    graph: Graph


def nearby(lists: pl.DataFrame) -> Nearby:
    """Lay out the lists of neighbours of all prompts.

    Args:
        lists: ``prompt_id``, ``places`` in the list of all prompts sorted by id, ``similarities``
            and whether the prompt ``is_blank``.
    """
    lists = lists.sort("prompt_id")
    has_vector = ~lists["is_blank"]
    last = pl.col("similarities").list.last().cast(pl.Float64)
    complete = pl.col("places").list.len() + 1 >= has_vector.sum()
    bounds = lists.select(pl.when(complete).then(0.0).otherwise(last).fill_null(0.0)).to_series()
    edges = lists.select("places", "similarities").with_row_index("source").explode(
        "places", "similarities"
    ).drop_nulls()  # fmt: skip
    graph = graph_of(
        bounds.to_numpy(),
        edges["source"].cast(pl.Int64).to_numpy(),
        edges["places"].cast(pl.Int64).to_numpy(),
        edges["similarities"].cast(pl.Float64).to_numpy(),
    )
    return Nearby(lists.select("prompt_id"), has_vector.to_numpy(), graph)


def placed(
    frame: pl.DataFrame, rule: Rule, columns: Mapping[str, Column], near: Nearby | None
) -> pl.DataFrame:
    """Add the place, from 1, of each pair that the rule looks at, in the order of taking.

    Args:
        frame: Facts with ``_seen``, ``_flipped`` and ``order``.
        rule: A cap or a budget.
        columns: What the columns mean.
        near: Which prompts are near which; needed by a ``diverse`` rule.
    """
    seen = frame.with_row_index(_ROW).filter("_seen")
    seen = seen.with_columns(_preference(rule, columns).alias(_KEY)).sort(_KEY, "order")
    if rule.diverse is not None:
        assert near is not None, "a diverse rule has a measure of what is near"
        seen = _diverse(seen, rule.diverse, near)
    if rule.balance:
        groups = [_numbered(seen[name]) for name in rule.balance]
        seen = seen[balanced(groups, np.arange(seen.height))]
    rows = seen.select(_ROW, pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias(PLACE))
    full = frame.drop(PLACE, strict=False).with_row_index(_ROW)
    return full.join(rows, on=_ROW, how="left", maintain_order="left").drop(_ROW)


def _preference(rule: Rule, columns: Mapping[str, Column]) -> pl.Expr:
    """Return what the rule orders by, the preferred first: the smallest; null comes last."""
    if rule.order_by is None:
        return pl.lit(0.0)
    column = columns[rule.order_by.removeprefix("-")]
    value = column.seen(pl.col("_flipped")).cast(pl.Float64).fill_nan(None)
    return (-value if rule.order_by.startswith("-") else value).fill_null(float("inf"))


def _numbered(group: pl.Series) -> npt.NDArray[np.int64]:
    """Number groups from 0 without gaps; a missing value is a group of its own."""
    number = group.rank("dense").cast(pl.Int64).fill_null(0)
    return number.rank("dense").cast(pl.Int64).to_numpy() - 1


def _diverse(seen: pl.DataFrame, config: Diverse, near: Nearby) -> pl.DataFrame:
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
