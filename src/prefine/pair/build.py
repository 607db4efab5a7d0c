"""Pairs out of judgements: every couple of responses once, directed by its votes.

Duplicates of a couple become one pair; a couple without a direction stays, marked, for the rules.
"""

from collections.abc import Sequence

import polars as pl

from prefine.errors import DataError
from prefine.pair.aggregate import VOTE, aggregate
from prefine.pair.origin import with_origin
from prefine.pair.settings import Pairs
from prefine.pair.votes import (
    from_labels,
    from_rankings,
    from_ratings,
    from_rewards,
    rating_values,
)
from prefine.schema import Column, Kind, Winner, pair_id, pairs_schema
from prefine.step import Counts, StepSpec, Work
from prefine.tables.rewards import Reward

_KIND_OF = {"label": Kind.PAIR, "rank": Kind.RANK, "rating": Kind.RATING}
_VERSION = 3


def pairs_spec(
    config: Pairs, seed: int, reward: Reward | None, kept: Sequence[Column] = ()
) -> StepSpec:
    """Return the step that builds the pairs.

    Args:
        config: Which judgements are used, and which couples are selected.
        seed: For random choices and ties between equal values.
        reward: The reward behind ``use: [reward]``.
        kept: The columns of pairs that come from kept columns.
    """
    own = {"kept": [(column.name, str(column.type)) for column in kept]} if kept else {}
    rewards = () if reward is None else (reward.table,)
    return StepSpec(
        name="pairs",
        version=_VERSION,
        run=lambda work: run_pairs(work, config, reward, kept),
        reads=("judgements", "responses", "prompts", *rewards),
        writes={"pairs": pairs_schema(kept)},
        config=config.identity() | {"seed": seed} | own,
        rows_of="judgements",
    )


def run_pairs(
    work: Work, config: Pairs, reward: Reward | None = None, kept: Sequence[Column] = ()
) -> Counts:
    """Build the pairs of one shard.

    Args:
        work: Reads ``judgements``, ``responses`` and ``prompts``; writes ``pairs``.
        config: Which judgements are used, and which couples are selected.
        reward: The reward behind ``use: [reward]``.
        kept: The columns of pairs that come from kept columns.

    Returns:
        Judgements in, judgements that are behind a pair, and the others by reason.

    Raises:
        DataError: A source asks several questions and the recipe does not say which one counts.
    """
    judgements = work.read("judgements").with_row_index("number")
    rewards = _rewards(work, reward) if reward is not None else None
    marked = outcomes(judgements, config, rewards)
    used = marked.filter(pl.col("outcome").is_null()).drop("outcome")
    votes = [from_labels(used.filter(pl.col("kind") == Kind.PAIR))]
    for kind, choose in ((Kind.RANK, from_rankings), (Kind.RATING, from_ratings)):
        found = choose(used.filter(pl.col("kind") == kind), config, work.seed)
        votes.append(found.votes)
        joined = marked.join(found.fates, on="number", how="left", maintain_order="left")
        marked = joined.with_columns(outcome=pl.coalesce("outcome", "fate")).drop("fate")
    if rewards is not None:
        mismatches = judgements.group_by("prompt_id").agg(pl.col("context_mismatch").any())
        free = rewards.join(used, on="prompt_id", how="anti").join(mismatches, on="prompt_id")
        votes.append(from_rewards(free, config, work.seed))
    pairs = aggregate(pl.concat(frame.select(*VOTE).cast(pl.Schema(VOTE)) for frame in votes))
    pairs = _facts(pairs, work, rating_values(judgements, config.aspects))
    pairs = with_origin(pairs, judgements, kept)
    work.emit("pairs", pairs.sort("pair_id"))
    dropped = marked.drop_nulls("outcome").group_by("outcome").len()
    counts = dict(zip(dropped["outcome"], dropped["len"], strict=True))
    return Counts(
        marked.height,
        marked.height - sum(counts.values()),
        counts,
    )


def outcomes(
    judgements: pl.DataFrame, config: Pairs, rewards: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Say of each judgement why it cannot lead to a pair; null where it can.

    A prompt uses the first kind in ``config.use`` that it has, and labels of one aspect only.

    Args:
        judgements: Raw labels, with the columns of their table.
        config: Which kinds are used, in order.
        rewards: What ``use: reward`` stands for; null where it is not used.
    """
    kinds = [_KIND_OF[use] for use in config.use if use in _KIND_OF]
    order = {str(_KIND_OF[use]): i for i, use in enumerate(config.use) if use in _KIND_OF}
    place = pl.col("kind").replace_strict(order, default=None, return_dtype=pl.Int64)
    is_label = pl.col("kind") == Kind.PAIR
    own_aspect = pl.col("aspect").eq_missing(pl.lit(config.aspect, pl.String))
    other_aspect = is_label & ~own_aspect
    first = place.filter(~other_aspect).min().over("prompt_id")
    if rewards is not None:
        rewarded = pl.col("prompt_id").is_in(rewards["prompt_id"].unique().implode())
        reward_place = pl.when(rewarded).then(config.use.index("reward"))
        first = pl.min_horizontal(first, reward_place)
    marked = judgements.with_columns(
        pl.when(place.is_null() | (place != first).fill_null(value=True))
        .then(pl.lit("other_kind"))
        .when(other_aspect)
        .then(pl.lit("other_aspect"))
        .when(~is_label & (pl.col("winner").eq_missing(Winner.INVALID)))
        .then(pl.lit("no_value"))
        .otherwise(None)
        .alias("outcome")
    )
    if config.aspect is None and Kind.PAIR in kinds:
        _one_question(marked)
    return marked


def _one_question(marked: pl.DataFrame) -> None:
    labels = marked.filter(pl.col("kind") == Kind.PAIR)
    bare = labels.filter(pl.col("aspect").is_null())["prompt_id"].unique()
    asked = labels.filter(~pl.col("prompt_id").is_in(bare.implode()))
    if asked.height:
        sources = sorted(asked["source"].unique())
        aspects = sorted(asked["aspect"].drop_nulls().unique())
        raise DataError(
            f"source {', '.join(sources)} judges pairs by {', '.join(aspects)}: "
            "set `pairs.aspect` to the one that decides"
        )


def _rewards(work: Work, reward: Reward) -> pl.DataFrame:
    """Return one value a response that has a reward."""
    rewards = work.read(reward.table, ["response_id", reward.column]).drop_nulls()
    responses = work.read("responses", ["response_id", "prompt_id"])
    prompts = work.read("prompts", ["prompt_id", "source"])
    return (
        responses.join(rewards, on="response_id")
        .join(prompts, on="prompt_id")
        .select(
            "prompt_id", "source", response_a="response_id", value=pl.col(reward.column).cast(float)
        )
    )


def _ratings(pairs: pl.DataFrame, ratings: pl.DataFrame) -> pl.DataFrame:
    """Return the ratings of both sides by one source: two sources have two scales.

    The first source by name that rates both sides counts, and otherwise the first that rates one.
    """
    found = pairs.select("low", "high", "chosen_id", "rejected_id")
    keys = ["low", "high", "source"]
    sides = [
        found.join(
            ratings.select("source", pl.col("response_id").alias(f"{side}_id"), "value"),
            on=f"{side}_id",
        ).select(*keys, pl.col("value").alias(f"{side}_rating"))
        for side in ("chosen", "rejected")
    ]
    missing = pl.any_horizontal(pl.col("chosen_rating", "rejected_rating").is_null())
    return (
        sides[0]
        .join(sides[1], on=keys, how="full", coalesce=True)
        .sort(missing, "source")
        .unique(["low", "high"], keep="first", maintain_order=True)
        .drop("source")
    )


def _facts(pairs: pl.DataFrame, work: Work, ratings: pl.DataFrame) -> pl.DataFrame:
    """Add ids, ratings, blanks and the prompt's own facts."""
    responses = work.read("responses", ["response_id", "messages"])
    text = pl.col("messages").list.eval(pl.element().struct.field("content").str.strip_chars())
    blank = responses.select("response_id", (text.list.join("") == "").alias("blank"))
    prompts = work.read("prompts", ["prompt_id", "group", "language"])
    for side in ("chosen", "rejected"):
        of_side = {
            "response_id": f"{side}_id",
            "blank": f"{side}_blank",
        }
        facts = blank.rename(of_side)
        pairs = pairs.join(facts, on=f"{side}_id", how="left", maintain_order="left")
    pairs = pairs.join(_ratings(pairs, ratings), on=["low", "high"], how="left")
    names = [pair_id(a, b) for a, b in zip(pairs["low"], pairs["high"], strict=True)]
    num_empty = pl.col("chosen_blank").cast(pl.Int64) + pl.col("rejected_blank").cast(pl.Int64)
    return pairs.join(prompts, on="prompt_id", how="left", maintain_order="left").with_columns(
        pl.Series("pair_id", names, dtype=pl.String),
        num_empty.alias("num_empty"),
        (pl.col("chosen_rating") - pl.col("rejected_rating")).alias("rating_gap"),
    )
