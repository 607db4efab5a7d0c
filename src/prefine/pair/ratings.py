"""Combine ratings to values of responses, which are compared only by common raters and aspects."""

from collections.abc import Iterable, Mapping, Sequence

import polars as pl

from prefine.errors import DataError
from prefine.pair.exact import Numbers, exact_means

OVERALL = "overall"
"""Aspect of ratings of a response as a whole, which is also that of ratings without an aspect."""

Merits = Mapping[str, Mapping[str, float]]
"""Published weights of rating aspects, by source and aspect."""

_KEYS = ("prompt_id", "source")
_RATED = "response_a"
_ASPECT = pl.col("aspect").cast(pl.String).fill_null(OVERALL)


def weighted(ratings: pl.DataFrame, aspects: Mapping[str, float], merits: Merits) -> pl.DataFrame:
    """Add ``weight``: the weight of each rating in the mean; null if its aspect does not count.

    The weights of the recipe take precedence. Without them, for each prompt and source, only
    ``overall`` counts if it is rated; otherwise the published weights apply; otherwise the only
    aspect counts.

    Args:
        ratings: Judgements of kind rating, with or without a value.
        aspects: Weights by aspect in the recipe.
        merits: Published weights by source.
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
    """Require weights for ratings on several aspects.

    Args:
        ratings: Ratings with their ``weight``, for a recipe without weights.
        merits: Published weights by source.

    Raises:
        DataError: No rating of some prompt of a source has a weight.
    """
    unstated = ratings.filter(~pl.col("source").is_in(list(merits)))
    undecided = unstated.filter(pl.col("weight").is_null().all().over(*_KEYS))
    if undecided.height:
        raise DataError(
            f"source {_listed(undecided['source'])} rates several aspects "
            f"({_listed(undecided['aspect'])}); set `pairs.aspects` to their weights, or "
            "`pairs.aspect` to one of them"
        )


def _listed(values: Iterable[str]) -> str:
    return ", ".join(sorted(set(values)))


def comparable(ratings: pl.DataFrame) -> pl.DataFrame:
    """Group ratings that can be compared with each other.

    A column is the ratings of one annotator on one aspect of a prompt and source; all ratings
    without an annotator are by the same anonymous annotator. Two responses are compared by the
    columns that rate both. A list is a connected component of the responses of a prompt, linked by
    common columns.

    Args:
        ratings: Ratings with a value and a weight.

    Returns:
        The ratings with ``column``, ``list`` (null if the column rates a single response, but the
        prompt has other rated responses) and ``covers``: whether the column rates all responses of
        the list.
    """
    num_responses = pl.col(_RATED).n_unique()
    numbered = ratings.with_columns(
        pl.struct(*_KEYS, "annotator", _ASPECT).rank("dense").cast(pl.UInt32).alias("column"),
        pl.struct(*_KEYS, _RATED).rank("dense").cast(pl.UInt32).alias("list"),
        num_responses.over(*_KEYS).alias("rated"),
    ).with_columns(num_responses.over("column").alias("in_column"))
    is_alone = (pl.col("in_column") == 1) & (pl.col("rated") > 1)
    lists = _with_components(numbered).with_columns(
        pl.when(~is_alone).then("list").alias("list"), is_alone.alias("alone")
    )
    in_list = num_responses.over("list")
    return lists.with_columns(
        (~pl.col("alone") & (pl.col("in_column") == in_list)).alias("covers")
    ).drop("rated", "in_column", "alone")


def _with_components(ratings: pl.DataFrame) -> pl.DataFrame:
    """Set ``list`` to the minimum ``list`` of each connected component."""
    least = pl.col("list").min()
    while True:
        merged = ratings.with_columns(least.over("column")).with_columns(least.over(*_KEYS, _RATED))
        if merged["list"].equals(ratings["list"]):
            return ratings
        ratings = merged


def common_ratings(pairs: pl.DataFrame, ratings: pl.DataFrame) -> pl.DataFrame:
    """Return the ratings of both responses of each pair by the columns that rate both.

    Args:
        pairs: ``low`` and ``high``.
        ratings: Ratings with their ``column``.

    Returns:
        One row per pair and rating, with ``low`` and ``high``.
    """
    wanted = pairs.select("low", "high").unique()
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
    """Return the value of each response: the weighted mean of its aspects, as ``exact_means``.

    Args:
        ratings: Ratings with their ``weight``.
        by: Further columns to average within: those of a list or of a pair.

    Returns:
        The columns ``by``, ``prompt_id``, ``source``, ``response_a`` and ``value``, an index of the
        numbers; and the numbers.
    """
    keys = [*by, *_KEYS, _RATED]
    rated = ratings.select(*keys, "annotator", "weight", aspect=_ASPECT, number="rating")
    return exact_means(rated, keys)


def rating_facts(
    pairs: pl.DataFrame, ratings: pl.DataFrame, aspects: Mapping[str, float], merits: Merits
) -> pl.DataFrame:
    """Return the columns of pairs that come from ratings, by ``low`` and ``high``.

    Args:
        pairs: ``low``, ``high``, ``chosen_id`` and ``rejected_id``.
        ratings: Judgements of kind rating.
        aspects: Weights by aspect in the recipe.
        merits: Published weights by source.

    Returns:
        ``chosen_rating``, ``rejected_rating``, ``rating_gap``, ``aspect_gap`` and
        ``aspects_disagree``.
    """
    decisive = weighted(ratings, aspects, merits)
    overall = ratings.filter(_ASPECT == OVERALL).with_columns(weight=pl.lit(1.0))
    parts = ratings.filter(_ASPECT != OVERALL).with_columns(weight=pl.lit(1.0))
    facts = _sides(pairs, decisive)
    for name, subset in (("overall_gap", overall), ("aspect_gap", parts)):
        gaps = _sides(pairs, subset).select("low", "high", pl.col("rating_gap").alias(name))
        facts = facts.join(gaps, on=["low", "high"], how="full", coalesce=True)
    opposite = pl.col("overall_gap").sign() * pl.col("aspect_gap").sign() < 0
    return facts.with_columns(opposite.alias("aspects_disagree")).drop("overall_gap")


def _sides(pairs: pl.DataFrame, ratings: pl.DataFrame) -> pl.DataFrame:
    """Return the ratings of both sides by the columns of one source that rate both, and their gap.

    The first source by name with such columns is used. If there is none, the first source that
    rates one side is used, and the rating of that side is the mean over all its columns.
    """
    counted = comparable(
        ratings.filter(pl.col("weight").is_not_null(), pl.col("rating").is_not_null())
    ).filter(pl.col("list").is_not_null())
    selected = pairs.select("low", "high", "chosen_id", "rejected_id")
    keys = ["low", "high", "source"]
    both, numbers = mean_values(common_ratings(selected, counted), ["low", "high"])
    sides = [
        selected.join(both, left_on=["low", "high", side], right_on=["low", "high", _RATED])
        for side in ("chosen_id", "rejected_id")
    ]
    means = sides[0].join(sides[1], on=keys).sort("source").pipe(_with_gap, numbers)
    own, numbers = mean_values(counted, [])
    own = own.with_columns(
        pl.Series("value", numbers.rounded(), dtype=pl.Float64).gather(own["value"])
    )
    alone: list[pl.DataFrame] = []
    for side in ("chosen", "rejected"):
        rated = selected.join(own, left_on=f"{side}_id", right_on=_RATED)
        rated = rated.select(*keys, pl.col("value").alias(f"{side}_rating"))
        alone.append(rated.join(both, on=keys, how="anti"))
    single = pl.concat(alone, how="diagonal").sort("source", "chosen_rating", nulls_last=True)
    return (
        pl.concat((means, single), how="diagonal")
        .unique(["low", "high"], keep="first", maintain_order=True)
        .drop("source")
    )


def _with_gap(sides: pl.DataFrame, numbers: Numbers) -> pl.DataFrame:
    """Replace the indexes of both values by the values, and add their difference."""
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
