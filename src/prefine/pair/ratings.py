"""Ratings become values that can be compared: by the same raters and aspects throughout."""

from collections.abc import Iterable, Mapping, Sequence

import polars as pl

from prefine.errors import DataError
from prefine.pair.exact import Numbers, exact_means

OVERALL = "overall"
"""The aspect of a rating as a whole; a rating without an aspect counts as one."""

Merits = Mapping[str, Mapping[str, float]]
"""By source: the weights of its aspects, as far as the publisher of the data states them."""

_KEYS = ("prompt_id", "source")
_RATED = "response_a"
_ASPECT = pl.col("aspect").cast(pl.String).fill_null(OVERALL)


def weighted(ratings: pl.DataFrame, aspects: Mapping[str, float], merits: Merits) -> pl.DataFrame:
    """Add ``weight``: what a rating counts; null where its aspect does not count.

    The weights of the recipe come first. Without them, ``overall`` alone counts where a prompt of
    a source has it; then the aspects that the publisher of the data states; then a single aspect.

    Args:
        ratings: Judgements that rate a response, or fail to: an aspect without a value is one, too.
        aspects: The recipe's weights.
        merits: The published weights of each source.
    """
    if aspects:
        weight = _ASPECT.replace_strict(aspects, default=None, return_dtype=pl.Float64)
        return ratings.with_columns(weight.alias("weight"))
    overall = _ASPECT == OVERALL
    stated = pl.col("source").is_in(list(merits))
    merit = [
        pl.when(pl.col("source") == source).then(
            _ASPECT.replace_strict(weights, default=None, return_dtype=pl.Float64)
        )
        for source, weights in sorted(merits.items())
    ]
    alone = pl.when(_ASPECT.n_unique().over(*_KEYS) == 1).then(1.0)
    weight = (
        pl.when(overall.any().over(*_KEYS))
        .then(pl.when(overall).then(1.0))
        .when(stated)
        .then(pl.coalesce(*merit, pl.lit(None, pl.Float64)))
        .otherwise(alone)
    )
    return ratings.with_columns(weight.alias("weight"))


def require_weights(ratings: pl.DataFrame, merits: Merits) -> None:
    """Refuse ratings of several aspects where nobody states what they count.

    Args:
        ratings: Ratings with their ``weight``, where the recipe states none.
        merits: The published weights of each source.

    Raises:
        DataError: All ratings of a prompt by a source are without weight.
    """
    unstated = ratings.filter(~pl.col("source").is_in(list(merits)))
    undecided = unstated.filter(pl.col("weight").is_null().all().over(*_KEYS))
    if undecided.height:
        raise DataError(
            f"source {_listed(undecided['source'])} rates several aspects "
            f"({_listed(undecided['aspect'])}): set `pairs.aspects` to their weights or "
            "`pairs.aspect` to the one that counts"
        )


def _listed(values: Iterable[str]) -> str:
    return ", ".join(sorted(set(values)))


def comparable(ratings: pl.DataFrame) -> pl.DataFrame:
    """Add which ratings can be compared with each other.

    A column is what one rater said about one aspect of a prompt of a source; a rating without
    annotator is by one anonymous rater. Two responses are compared by the columns that rate both.
    A list is made of the responses that are connected by such columns, directly or through others.

    Args:
        ratings: Ratings that have a value and a weight.

    Returns:
        The ratings with ``column``, ``list`` (null where the column rates nothing else, though the
        prompt has other rated responses) and ``covers``: whether the column rates all of the list.
    """
    num_responses = pl.col(_RATED).n_unique()
    found = ratings.with_columns(
        pl.struct(*_KEYS, "annotator", _ASPECT).rank("dense").cast(pl.UInt32).alias("column"),
        pl.struct(*_KEYS, _RATED).rank("dense").cast(pl.UInt32).alias("list"),
        num_responses.over(*_KEYS).alias("rated"),
    ).with_columns(num_responses.over("column").alias("in_column"))
    is_alone = (pl.col("in_column") == 1) & (pl.col("rated") > 1)
    lists = _connected(found).with_columns(
        pl.when(~is_alone).then("list").alias("list"), is_alone.alias("alone")
    )
    in_list = num_responses.over("list")
    return lists.with_columns(
        (~pl.col("alone") & (pl.col("in_column") == in_list)).alias("covers")
    ).drop("rated", "in_column", "alone")


def _connected(ratings: pl.DataFrame) -> pl.DataFrame:
    """Give all responses that columns connect the least ``list`` among them."""
    least = pl.col("list").min()
    while True:
        spread = ratings.with_columns(least.over("column")).with_columns(least.over(*_KEYS, _RATED))
        if spread["list"].equals(ratings["list"]):
            return ratings
        ratings = spread


def common(couples: pl.DataFrame, ratings: pl.DataFrame) -> pl.DataFrame:
    """Return the ratings of both responses of each couple by the columns that rate both.

    Args:
        couples: ``low`` and ``high``.
        ratings: Ratings with their ``column``.

    Returns:
        The ratings with ``low`` and ``high``; one that serves several couples stands in each.
    """
    wanted = couples.select("low", "high").unique()
    low, high = (
        wanted.join(ratings, left_on=side, right_on=_RATED).with_columns(pl.col(side).alias(_RATED))
        for side in ("low", "high")
    )
    keys = ["low", "high", "column"]
    other = high.filter(pl.col("low") != pl.col("high"))
    names = low.columns
    return pl.concat(
        (
            low.join(high, on=keys, how="semi"),
            other.join(low, on=keys, how="semi").select(names),
        )
    )


def mean_values(ratings: pl.DataFrame, by: Sequence[str]) -> tuple[pl.DataFrame, Numbers]:
    """Return one value for each response: the weighted mean of its aspects, as ``exact_means``.

    Args:
        ratings: Ratings with their ``weight``.
        by: Further columns within which ratings are averaged: those of a list, or of a couple.

    Returns:
        The columns ``by``, ``prompt_id``, ``source``, ``response_a`` and ``value``, a place in the
        numbers; and these.
    """
    keys = [*by, *_KEYS, _RATED]
    rated = ratings.select(*keys, "annotator", "weight", aspect=_ASPECT, number="rating")
    return exact_means(rated, keys)


def rating_facts(
    pairs: pl.DataFrame, ratings: pl.DataFrame, aspects: Mapping[str, float], merits: Merits
) -> pl.DataFrame:
    """Return what ratings say of each pair, by its ``low`` and ``high``.

    Args:
        pairs: ``low``, ``high``, ``chosen_id`` and ``rejected_id``.
        ratings: Judgements of kind rating.
        aspects: The recipe's weights.
        merits: The published weights of each source.

    Returns:
        ``chosen_rating``, ``rejected_rating``, ``rating_gap``, ``aspect_gap`` and
        ``aspects_disagree``.
    """
    decisive = weighted(ratings, aspects, merits)
    overall = ratings.filter(_ASPECT == OVERALL).with_columns(weight=pl.lit(1.0))
    parts = ratings.filter(_ASPECT != OVERALL).with_columns(weight=pl.lit(1.0))
    found = _sides(pairs, decisive)
    for name, some in (("overall_gap", overall), ("aspect_gap", parts)):
        gaps = _sides(pairs, some).select("low", "high", pl.col("rating_gap").alias(name))
        found = found.join(gaps, on=["low", "high"], how="full", coalesce=True)
    opposite = pl.col("overall_gap").sign() * pl.col("aspect_gap").sign() < 0
    return found.with_columns(opposite.alias("aspects_disagree")).drop("overall_gap")


def _sides(pairs: pl.DataFrame, ratings: pl.DataFrame) -> pl.DataFrame:
    """Return the ratings of both sides by the columns of one source that rate both, and their gap.

    The first source by name that has such columns counts, and otherwise the first that rates one
    side: this side's rating is by all its columns.
    """
    counted = comparable(
        ratings.filter(pl.col("weight").is_not_null(), pl.col("rating").is_not_null())
    ).filter(pl.col("list").is_not_null())
    couples = pairs.select("low", "high", "chosen_id", "rejected_id")
    keys = ["low", "high", "source"]
    both, numbers = mean_values(common(couples, counted), ["low", "high"])
    sides = [
        couples.join(both, left_on=["low", "high", side], right_on=["low", "high", _RATED])
        for side in ("chosen_id", "rejected_id")
    ]
    means = sides[0].join(sides[1], on=keys).sort("source").pipe(_with_gap, numbers)
    own, numbers = mean_values(counted, [])
    own = own.with_columns(
        pl.Series("value", numbers.rounded(), dtype=pl.Float64).gather(own["value"])
    )
    alone: list[pl.DataFrame] = []
    for side in ("chosen", "rejected"):
        one = couples.join(own, left_on=f"{side}_id", right_on=_RATED)
        one = one.select(*keys, pl.col("value").alias(f"{side}_rating"))
        alone.append(one.join(both, on=keys, how="anti"))
    ones = pl.concat(alone, how="diagonal").sort("source", "chosen_rating", nulls_last=True)
    return (
        pl.concat((means, ones), how="diagonal")
        .unique(["low", "high"], keep="first", maintain_order=True)
        .drop("source")
    )


def _with_gap(sides: pl.DataFrame, numbers: Numbers) -> pl.DataFrame:
    """Replace the places of both values by the values, and add the difference."""
    chosen, rejected = sides["value"], sides["value_right"]
    values = pl.Series(numbers.rounded(), dtype=pl.Float64)
    return sides.select(
        "low",
        "high",
        "source",
        values.gather(chosen).alias("chosen_rating"),
        values.gather(rejected).alias("rejected_rating"),
        pl.Series("rating_gap", numbers.gaps(chosen, rejected), dtype=pl.Float64),
    )
