"""Convert judgements and rewards to votes on pairs; lists and scales are not mixed."""

from collections.abc import Collection, Mapping
from typing import NamedTuple, cast

import polars as pl

from prefine.pair.aggregate import VOTE
from prefine.pair.compared import compare
from prefine.pair.exact import Numbers, exact_means, exact_values
from prefine.pair.ratings import Merits, comparable, mean_values, require_weights, weighted
from prefine.pair.repeats import repeats, with_repeats
from prefine.pair.select import RankedPair, select, unused_reason
from prefine.pair.settings import Pairs
from prefine.schema import Winner, hash_unit

_NO_MERITS: Merits = {}
_FROM_LIST = ("prompt_id", "source", "annotator", "context_mismatch", "row")
"""Columns of a vote that come from its list of values."""
_ORIGIN = (*_FROM_LIST, "aspect", "index")
_NO_PLACE = {
    "aspect": pl.lit(None, pl.String),
    "index": pl.lit(None, pl.Int32),
    "row": pl.lit(None, pl.String),
}
"""Columns of lists that do not come from a single row."""
_ROW = pl.concat_str("file", "row", separator=":")
_SAME_VALUES = ("response_a", "winner", "strength", "aspect", "index", "label")
"""Columns, besides source, annotator and kind, that are equal in repeated labels."""
_REASON = {"number": pl.UInt32, "reason": pl.String}


class Chosen(NamedTuple):
    """Votes of lists of valued responses."""

    votes: pl.DataFrame
    """One row per vote, with the columns ``VOTE``."""
    reasons: pl.DataFrame
    """One row per judgement: its ``number``, and why it is in no pair; null if it is in one."""


def from_labels(labels: pl.DataFrame) -> pl.DataFrame:
    """Convert pairwise labels to votes."""
    low = pl.min_horizontal("response_a", "response_b")
    high = pl.max_horizontal("response_a", "response_b")
    a_is_low = pl.col("response_a") <= pl.col("response_b")
    toward_a = pl.col("winner").replace_strict(
        {Winner.A: 1, Winner.B: -1, Winner.TIE: 0, Winner.BOTH_BAD: 0},
        default=None,
        return_dtype=pl.Int8,
    )
    values = [pl.col(name).cast(pl.String).fill_null("") for name in _SAME_VALUES]
    return labels.select(
        "prompt_id",
        low.alias("low"),
        high.alias("high"),
        pl.when(a_is_low).then(toward_a).otherwise(-toward_a).alias("direction"),
        "winner",
        "strength",
        pl.lit(None, pl.String).alias("exact"),
        "annotator",
        "source",
        a_is_low.alias("shown_low_first"),
        "context_mismatch",
        pl.lit("label").alias("label_source"),
        pl.concat_str(values, separator="/").alias("judgement"),
        _ROW.alias("row"),
        pl.lit(0, pl.Int64).alias("repeated"),
    )


def from_rankings(ranks: pl.DataFrame, config: Pairs, seed: int) -> Chosen:
    """Convert each ranked list to votes.

    Args:
        ranks: Judgements of kind rank; 1 is the best.
        config: How pairs are selected.
        seed: Seed of random choices and of ties between equal values.
    """
    keys = ["prompt_id", "source", "file", "row", "aspect", "annotator"]
    listed = ranks.with_columns(pl.struct(keys).rank("dense").alias("list"), _ROW.alias("row"))
    origin = listed.group_by("list", *(key for key in keys if key != "file")).agg(
        pl.col("context_mismatch").any(), pl.col("index").min()
    )
    negated = listed.select(
        "list", "response_a", number=-pl.col("rank"), weight=1.0, aspect=None, annotator=None
    )
    values, numbers = exact_means(negated, ["list", "response_a"])
    return _choose(listed, (values.join(origin, on="list"), numbers), "rank", config, seed)


def from_ratings(
    ratings: pl.DataFrame,
    config: Pairs,
    seed: int,
    merits: Merits = _NO_MERITS,
    *,
    several: Collection[str] = (),
) -> Chosen:
    """Convert the ratings of each prompt and source to votes.

    Args:
        ratings: Judgements of kind rating, with or without a value.
        config: The weights of aspects, and how pairs are selected.
        seed: Seed of random choices and of ties between equal values.
        merits: Published weights by source.
        several: Sources whose ratings without an annotator are by several annotators.

    Raises:
        DataError: A source rates several aspects, and there are no weights.
    """
    weighed = weighted(ratings, config.aspects, merits)
    if not config.aspects:
        require_weights(weighed, merits)
    weighed = weighed.filter(pl.col("rating").is_not_null())
    has_weight = pl.col("weight").is_not_null()
    listed = comparable(weighed.filter(has_weight))
    in_list = pl.col("list").is_not_null()
    judged = listed.filter(in_list).with_columns(repeats(several).alias("repeats"))
    is_whole = pl.col("covers").all().over("list")
    whole = _from_whole_lists(judged.filter(is_whole), config, seed)
    parts = compare(judged.filter(~is_whole), config, seed)
    votes = [_vote(facts, pair, parts.unit, "rating") for facts, pair in parts.pairs]
    reasons = (
        whole.reasons,
        parts.reasons.cast(pl.Schema(_REASON)),
        _with_reason(weighed.filter(~has_weight), "other_aspect"),
        _with_reason(listed.filter(~in_list), "no_common_rater"),
    )
    all_votes = pl.concat((whole.votes, pl.DataFrame(votes, schema=VOTE)))
    return Chosen(with_repeats(all_votes, judged), pl.concat(reasons))


def _from_whole_lists(judged: pl.DataFrame, config: Pairs, seed: int) -> Chosen:
    """Convert lists in which each column rates all responses to votes."""
    names = pl.col("annotator").drop_nulls().unique().sort()
    origin = judged.group_by("list").agg(
        pl.when(names.len() > 0).then(names.str.join("+")).first().alias("annotator"),
        pl.col("context_mismatch").any(),
    )
    values, numbers = mean_values(judged.filter(~pl.col("repeats")), ["list"])
    values = values.join(origin, on="list").with_columns(**_NO_PLACE)
    return _choose(judged, (values, numbers), "rating", config, seed)


def from_rewards(rewards: pl.DataFrame, config: Pairs, seed: int) -> pl.DataFrame:
    """Convert measured rewards to votes.

    Args:
        rewards: ``prompt_id``, ``source``, ``context_mismatch``, ``response_a`` and ``value``, one
            row per response.
        config: The name of the reward, and how pairs are selected.
        seed: Seed of random choices and of ties between equal values.
    """
    indexes, numbers = exact_values(rewards["value"])
    values = rewards.with_columns(
        indexes,
        pl.col("prompt_id").rank("dense").alias("list"),
        pl.lit(config.reward, pl.String).alias("annotator"),
        **_NO_PLACE,
    )
    nothing = values.clear().with_columns(number=pl.lit(0))
    return _choose(nothing, (values, numbers), "reward", config, seed)[0]


def _choose(
    judged: pl.DataFrame,
    valued: tuple[pl.DataFrame, Numbers],
    label_source: str,
    config: Pairs,
    seed: int,
) -> Chosen:
    """Select pairs of each list, and record why other judgements are unused."""
    values, numbers = valued
    unit = numbers.unit
    lists = values.sort("list", "response_a").group_by("list", maintain_order=True)
    votes: list[dict[str, object]] = []
    unused: list[tuple[int, str, str | None]] = []
    for row in lists.agg(pl.col(_ORIGIN).first(), "response_a", "value").iter_rows(named=True):
        scored = list(zip(row["response_a"], numbers.at(row["value"]), strict=True))
        prompt = cast("str", row["prompt_id"])
        selected = select(scored, config, lambda key, name=prompt: hash_unit(seed, name, key), unit)
        votes += [_vote(row, pair, unit, label_source) for pair in selected.pairs]
        reasons = dict.fromkeys(row["response_a"], unused_reason(scored))
        reasons |= dict.fromkeys(selected.too_narrow, "too_narrow")
        reasons |= {name: None for pair in selected.pairs for name in pair[:2]}
        unused += [(row["list"], name, reason) for name, reason in reasons.items()]
    return Chosen(pl.DataFrame(votes, schema=VOTE), _reasons(judged, unused))


def _reasons(judged: pl.DataFrame, unused: list[tuple[int, str, str | None]]) -> pl.DataFrame:
    """Return why each judgement is unused: the reason of its response, or ``no_value``."""
    if not judged.height:
        return pl.DataFrame(schema=_REASON)
    schema = {"list": judged.schema["list"], "response_a": pl.String, "reason": pl.String}
    by_response = pl.DataFrame(unused, schema=schema, orient="row").with_columns(
        pl.col("reason").fill_null("")
    )
    joined = judged.join(by_response, on=["list", "response_a"], how="left")
    reason = pl.col("reason").fill_null("no_value")
    return joined.select("number", pl.when(reason != "").then(reason).alias("reason"))


def _with_reason(judged: pl.DataFrame, reason: str) -> pl.DataFrame:
    return judged.select(pl.col("number").cast(pl.UInt32), reason=pl.lit(reason))


def _vote(
    row: Mapping[str, object], pair: RankedPair, unit: int, label_source: str
) -> dict[str, object]:
    """Return the vote of a pair, whose gap is a multiple of ``1 / unit``."""
    low_wins = pair.winner < pair.loser
    exact = f"{pair.gap}/{unit}"
    return {
        **{key: row[key] for key in _FROM_LIST},
        "low": min(pair.winner, pair.loser),
        "high": max(pair.winner, pair.loser),
        "direction": 1 if low_wins else -1,
        "winner": Winner.A,
        "strength": pair.gap / unit,
        "exact": exact,
        "shown_low_first": None,
        "judgement": f"{row['aspect']}/{row['index']}/{pair.winner}/{exact}",
        "label_source": label_source,
        "repeated": 0,
    }
