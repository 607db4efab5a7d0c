"""Rank the pairs that a cap or a budget looks at; the seed breaks ties."""

from typing import NamedTuple

import numpy as np
import polars as pl

from prefine.decide.arrays import Floats, Places
from prefine.decide.balance import balanced
from prefine.decide.diverse import Diverse, greedy
from prefine.decide.groups import places_within
from prefine.decide.neighbours import Nearby
from prefine.decide.seen import Seen


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


def places_of(seen: Seen, ranking: Ranking) -> Floats:
    """Return the place, from 1, of each pair: among all, or in its group.

    Args:
        seen: The pairs to rank.
        ranking: How the rule ranks pairs.
    """
    key = _sort_key(seen, ranking)
    preferred = _by_key(seen, key)
    if ranking.diverse is not None:
        assert seen.near is not None, "a diverse rule reads which prompts are near which"
        preferred = _by_diversity(seen, key, preferred, ranking.diverse)
    if ranking.balance:
        groups = [seen.groups(name).of[preferred] for name in ranking.balance]
        preferred = preferred[balanced(groups, np.arange(len(seen)))]
    counted = np.arange(1, len(seen) + 1)
    if ranking.per is not None:
        counted = places_within(seen.groups(ranking.per).of[preferred])
    places = np.empty(len(seen))
    places[preferred] = counted
    return places


def _sort_key(seen: Seen, ranking: Ranking) -> Floats:
    """Return what the rule orders by: the smallest is preferred, NaN comes last."""
    if ranking.order_by is None or ranking.ordered_column is None:
        return np.zeros(len(seen))
    value = seen.numbers(ranking.ordered_column)
    return -value if ranking.order_by.startswith("-") else value


def _by_key(seen: Seen, key: Floats) -> Places:
    """Return the pairs in ascending order of a key, NaN last; equal ones in the seeded order."""
    order = np.argsort(key)
    ordered = key[order]
    differs = np.append(True, ordered[1:] != ordered[:-1])
    differs[len(key) - int(np.isnan(key).sum()) + 1 :] = False
    tied = ~differs
    tied[:-1] |= tied[1:]
    if tied.any():
        members = order[tied]
        rank = np.empty(len(members), np.int64)
        rank[_seeded(seen, members)] = np.arange(len(members))
        runs = np.cumsum(differs)[tied]
        order[tied] = members[np.argsort(runs * len(members) + rank)]
    return order


def _seeded(seen: Seen, members: Places) -> Places:
    """Return the places of some pairs in the seeded order, ascending by ``order`` and pair id."""
    drawn = seen.order[members]
    order = np.argsort(drawn)
    same = np.append(False, drawn[order[1:]] == drawn[order[:-1]])
    same[:-1] |= same[1:]
    if same.any():
        twins = order[same]
        ids = seen.ids("pair_id", members[twins])
        frame = pl.DataFrame({"drawn": drawn[twins], "id": ids, "place": twins})
        order[same] = frame.sort("drawn", "id")["place"].to_numpy()
    return order


def _by_diversity(seen: Seen, key: Floats, preferred: Places, config: Diverse) -> Places:
    """Order pairs by diversity: the best pair of each prompt first, then the second best.

    Args:
        seen: The pairs.
        key: What they are ordered by, NaN last.
        preferred: The pairs in the order of preference.
        config: What counts as diverse.
    """
    near = seen.near
    assert near is not None, "a diverse rule reads which prompts are near which"
    frame = pl.DataFrame(
        {
            "place": preferred,
            "prompt_id": seen.ids("prompt_id", preferred),
            "key": pl.Series(key[preferred], dtype=pl.Float64).fill_nan(None),
            "order": seen.order[preferred],
        }
    )
    order = _taken(frame, near, config)
    return order["place"].to_numpy().copy()


def _taken(frame: pl.DataFrame, near: Nearby, config: Diverse) -> pl.DataFrame:
    """Return pairs in the order in which they are taken; they come in that of preference."""
    places = near.ids.with_row_index("prompt").with_columns(pl.Series("known", near.has_vector))
    last = pl.col("key").is_null() | ~pl.col("known")
    worth = (pl.len() + 1 - pl.col("key").rank("average")) / pl.len()
    with_last = frame.join(places, on="prompt_id", how="left", maintain_order="left").with_columns(
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
    return pl.concat([part.select("place") for part in (taken, rest)])
