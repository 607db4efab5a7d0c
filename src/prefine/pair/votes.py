"""Judgements and rewards become votes on couples; lists, raters and scales are never merged."""

from typing import NamedTuple, cast

import polars as pl

from prefine.pair.aggregate import VOTE
from prefine.pair.select import Couple, fate, select
from prefine.pair.settings import Pairs
from prefine.schema import Kind, Winner, hash_unit, ratio

_OVERALL = "overall"
_ORIGIN = ("prompt_id", "source", "annotator", "context_mismatch")
"""What each vote of a list of values has from its list."""
_FATE = {"number": pl.UInt32, "fate": pl.String}


class Chosen(NamedTuple):
    """What came of lists of valued responses."""

    votes: pl.DataFrame
    fates: pl.DataFrame
    """One row a judgement: its ``number``, and why it is in no couple; null where it is in one."""


def from_labels(labels: pl.DataFrame) -> pl.DataFrame:
    """Turn labels on couples into votes."""
    low = pl.min_horizontal("response_a", "response_b")
    high = pl.max_horizontal("response_a", "response_b")
    a_is_low = pl.col("response_a") <= pl.col("response_b")
    toward_a = pl.col("winner").replace_strict(
        {Winner.A: 1, Winner.B: -1, Winner.TIE: 0, Winner.BOTH_BAD: 0},
        default=None,
        return_dtype=pl.Int8,
    )
    return labels.select(
        "prompt_id",
        low.alias("low"),
        high.alias("high"),
        pl.when(a_is_low).then(toward_a).otherwise(-toward_a).alias("direction"),
        "winner",
        "strength",
        "annotator",
        "source",
        a_is_low.alias("shown_low_first"),
        pl.concat_str("response_a", pl.col("label").fill_null(""), separator="/").alias("said"),
        "context_mismatch",
        pl.lit("label").alias("label_source"),
    )


def from_rankings(ranks: pl.DataFrame, config: Pairs, seed: int) -> Chosen:
    """Turn each ranked list into votes; rank 1 is the best, and two lists are never merged."""
    keys = ["prompt_id", "source", "file", "row", "annotator"]
    listed = ranks.with_columns(pl.struct(keys).rank("dense").alias("list"))
    values = listed.group_by("list", *keys, "response_a").agg(-pl.col("rank").mean().alias("value"))
    return _choose(listed, values.join(_mismatches(listed), on="list"), "rank", config, seed)


def _mismatches(listed: pl.DataFrame) -> pl.DataFrame:
    return listed.group_by("list").agg(pl.col("context_mismatch").any())


def from_ratings(ratings: pl.DataFrame, config: Pairs, seed: int) -> Chosen:
    """Turn the ratings of each prompt into votes; each source has scales of its own."""
    keys = ["prompt_id", "source"]
    listed = ratings.with_columns(pl.struct(keys).rank("dense").alias("list"))
    names = pl.col("annotator").drop_nulls().unique().sort()
    origin = listed.group_by(keys).agg(
        pl.col("list").first(),
        pl.when(names.len() > 0).then(names.str.join("+")).first().alias("annotator"),
        pl.col("context_mismatch").any(),
    )
    values = rating_values(ratings, config.aspects).rename({"response_id": "response_a"})
    return _choose(listed, values.join(origin, on=keys), "rating", config, seed)


def from_rewards(rewards: pl.DataFrame, config: Pairs, seed: int) -> pl.DataFrame:
    """Turn measured rewards into votes.

    Args:
        rewards: ``prompt_id``, ``source``, ``context_mismatch``, ``response_a`` and ``value``, one
            row a response.
        config: Names the reward, and says how couples are selected.
        seed: Decides between equals.
    """
    values = rewards.with_columns(
        pl.col("prompt_id").rank("dense").alias("list"),
        pl.lit(config.reward, pl.String).alias("annotator"),
    )
    return _choose(values.clear().with_columns(number=pl.lit(0)), values, "reward", config, seed)[0]


def rating_values(judgements: pl.DataFrame, aspects: dict[str, float]) -> pl.DataFrame:
    """Return one value a rated response and source: the weighted mean of its aspects.

    Each aspect is first averaged over annotators. Without weights, ``overall`` alone counts where
    a prompt has it; otherwise the aspects that all rated responses of the prompt have, so that no
    response gains by a missing one. An aspect of negative weight counts against a response; the
    sum is divided by the weights' absolute sum.
    """
    rated = judgements.filter((pl.col("kind") == Kind.RATING) & pl.col("rating").is_not_null())
    keys = ["prompt_id", "source"]
    means = rated.group_by(*keys, pl.col("response_a").alias("response_id"), "aspect").agg(
        pl.col("rating").sort().mean()
    )
    if aspects:
        known = pl.col("aspect").is_in(list(aspects))
        weight = pl.col("aspect").replace_strict(aspects, default=0.0, return_dtype=pl.Float64)
        means = means.filter(known).with_columns(weight.alias("weight"))
    else:
        overall = pl.col("aspect") == _OVERALL
        means = means.filter(overall | ~overall.any().over(keys))
        means = means.with_columns(weight=pl.lit(1.0))
    everyone = pl.col("response_id").n_unique().over(keys)
    means = means.filter(pl.col("response_id").n_unique().over(*keys, "aspect") == everyone)
    return (
        means.sort(*keys, "response_id", "aspect")
        .group_by(*keys, "response_id", maintain_order=True)
        .agg((pl.col("rating") * pl.col("weight")).sum(), pl.col("weight").abs().sum())
        .with_columns(ratio(pl.col("rating"), pl.col("weight")).alias("value"))
        .drop("rating", "weight")
    )


def _choose(
    judged: pl.DataFrame, values: pl.DataFrame, label_source: str, config: Pairs, seed: int
) -> Chosen:
    """Select couples list by list, and find out which judgements are in none."""
    lists = values.sort("list", "response_a").group_by("list", maintain_order=True)
    votes: list[dict[str, object]] = []
    fates: list[tuple[int, str, str | None]] = []
    for row in lists.agg(pl.col(_ORIGIN).first(), "response_a", "value").iter_rows(named=True):
        scored = list(zip(row["response_a"], row["value"], strict=True))
        prompt = cast("str", row["prompt_id"])
        couples = select(scored, config, lambda key, name=prompt: hash_unit(seed, name, key))
        origin = {key: row[key] for key in _ORIGIN}
        votes += [origin | _vote(couple, label_source) for couple in couples]
        taken = {name for couple in couples for name in (couple.winner, couple.loser)}
        why = fate(scored)
        fates += [(row["list"], name, None if name in taken else why) for name, _ in scored]
    return Chosen(pl.DataFrame(votes, schema=VOTE), _fates(judged, fates))


def _fates(judged: pl.DataFrame, fates: list[tuple[int, str, str | None]]) -> pl.DataFrame:
    """Give each judgement the fate of its response; one whose response has no value has none."""
    if not judged.height:
        return pl.DataFrame(schema=_FATE)
    schema = {"list": judged.schema["list"], "response_a": pl.String, "fate": pl.String}
    found = pl.DataFrame(fates, schema=schema, orient="row").with_columns(
        pl.col("fate").fill_null("")
    )
    joined = judged.join(found, on=["list", "response_a"], how="left")
    fate_ = pl.col("fate").fill_null("no_value")
    return joined.select("number", pl.when(fate_ != "").then(fate_).alias("fate"))


def _vote(couple: Couple, label_source: str) -> dict[str, object]:
    low_wins = couple.winner < couple.loser
    return {
        "low": min(couple.winner, couple.loser),
        "high": max(couple.winner, couple.loser),
        "direction": 1 if low_wins else -1,
        "winner": Winner.A,
        "strength": couple.gap,
        "shown_low_first": None,
        "said": f"{label_source}/{couple.winner}/{couple.gap!r}",
        "label_source": label_source,
    }
