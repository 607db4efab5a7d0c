"""Rank pairs for caps and budgets; ties are in random order."""

from typing import NamedTuple

import numpy as np
import polars as pl

from prefine.decide.arrays import Floats, Places
from prefine.decide.balance import balanced
from prefine.decide.diverse import Diverse, greedy
from prefine.decide.groups import ranks_within
from prefine.decide.neighbours import Nearby
from prefine.decide.tested import TestedPairs


class Ranking(NamedTuple):
    """The settings by which a rule ranks pairs."""

    order_by: str | None = None
    """A column, smallest first; a leading ``-`` puts the largest first; None is random order."""
    diverse: Diverse | None = None
    """Prefers pairs that differ from those already ranked."""
    balance: tuple[str, ...] = ()
    """Columns whose groups are balanced."""
    per: str | None = None
    """The column of groups with separate ranks; None ranks all pairs together."""

    @property
    def ordered_column(self) -> str | None:
        """The name of the column in ``order_by``."""
        return None if self.order_by is None else self.order_by.removeprefix("-")

    def describe(self) -> str:
        """Return the end of an explanation: the settings of the order besides ``order_by``."""
        diverse = f", diverse by {self.diverse.by}" if self.diverse else ""
        return diverse + (f", balanced over {', '.join(self.balance)}" if self.balance else "")


def rank_pairs(pairs: TestedPairs, ranking: Ranking) -> Floats:
    """Rank pairs from 1, among all pairs or within their groups.

    Args:
        pairs: The pairs to rank.
        ranking: The settings of the rule.

    Returns:
        The rank of each pair, shape (pairs,).
    """
    key = _sort_key(pairs, ranking)
    preferred = _by_key(pairs, key)
    if ranking.diverse is not None:
        preferred = _by_diversity(pairs, key, preferred, ranking.diverse)
    if ranking.balance:
        groups = [pairs.groups(name).of[preferred] for name in ranking.balance]
        preferred = preferred[balanced(groups, np.arange(len(pairs)))]
    in_order = np.arange(1, len(pairs) + 1)
    if ranking.per is not None:
        in_order = ranks_within(pairs.groups(ranking.per).of[preferred])
    ranks = np.empty(len(pairs))
    ranks[preferred] = in_order
    return ranks


def _sort_key(pairs: TestedPairs, ranking: Ranking) -> Floats:
    """Return the sort key of each pair: the smallest is preferred, NaN comes last."""
    if ranking.order_by is None or ranking.ordered_column is None:
        return np.zeros(len(pairs))
    value = pairs.numbers(ranking.ordered_column)
    return -value if ranking.order_by.startswith("-") else value


def _by_key(pairs: TestedPairs, key: Floats) -> Places:
    """Return the pairs in ascending order of a key, NaN last; ties are in random order."""
    order = np.argsort(key)
    ordered = key[order]
    differs = np.append(True, ordered[1:] != ordered[:-1])
    differs[len(key) - int(np.isnan(key).sum()) + 1 :] = False
    tied = ~differs
    tied[:-1] |= tied[1:]
    if tied.any():
        members = order[tied]
        rank = np.empty(len(members), np.int64)
        rank[_seeded(pairs, members)] = np.arange(len(members))
        runs = np.cumsum(differs)[tied]
        order[tied] = members[np.argsort(runs * len(members) + rank)]
    return order


def _seeded(pairs: TestedPairs, members: Places) -> Places:
    """Return the order of some pairs by ``order``, the random number of a pair, and pair id."""
    random = pairs.order[members]
    order = np.argsort(random)
    equal = np.append(False, random[order[1:]] == random[order[:-1]])
    equal[:-1] |= equal[1:]
    if equal.any():
        tied = order[equal]
        ids = pairs.ids("pair_id", members[tied])
        frame = pl.DataFrame({"random": random[tied], "id": ids, "position": tied})
        order[equal] = frame.sort("random", "id")["position"].to_numpy()
    return order


def _by_diversity(pairs: TestedPairs, key: Floats, preferred: Places, config: Diverse) -> Places:
    """Order pairs by diversity: the best pair of each prompt first, then the second best.

    Args:
        pairs: The pairs.
        key: The sort key of the pairs, NaN last.
        preferred: The pairs in the order of preference.
        config: The settings of diversity.
    """
    near = pairs.near
    assert near is not None, "a diverse rule reads the neighbour lists"
    frame = pl.DataFrame(
        {
            "position": preferred,
            "prompt_id": pairs.ids("prompt_id", preferred),
            "key": pl.Series(key[preferred], dtype=pl.Float64).fill_nan(None),
            "order": pairs.order[preferred],
        }
    )
    order = _select_diverse(frame, near, config)
    return order["position"].to_numpy().copy()


def _select_diverse(frame: pl.DataFrame, near: Nearby, config: Diverse) -> pl.DataFrame:
    """Return pairs in the order of selection, given in the order of preference."""
    prompts = near.ids.with_row_index("prompt").with_columns(pl.Series("known", near.has_vector))
    last = pl.col("key").is_null() | ~pl.col("known")
    quality = (pl.len() + 1 - pl.col("key").rank("average")) / pl.len()
    with_last = frame.join(prompts, on="prompt_id", how="left", maintain_order="left").with_columns(
        last.alias("last"), pl.int_range(pl.len()).alias("by")
    )
    usable = with_last.filter(~pl.col("last")).with_columns(
        quality.alias("quality"), pl.int_range(pl.len()).over("prompt_id").alias("round")
    )
    firsts = usable.filter(pl.col("round") == 0).sort("prompt")
    chosen = firsts["prompt"].cast(pl.Int64).to_numpy()
    graph = near.graph.within(chosen)
    order = greedy(graph, firsts["quality"].to_numpy(), firsts["order"].to_numpy(), config)
    ranks = firsts[order].select("prompt_id", pl.int_range(pl.len()).alias("rank"))
    selected = usable.join(ranks, on="prompt_id", how="left").sort("round", "rank")
    unusable = with_last.filter("last").sort("by")
    return pl.concat([part.select("position") for part in (selected, unusable)])
