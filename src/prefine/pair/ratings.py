"""Ratings become lists of values that can be compared: the same raters and aspects throughout."""

from collections.abc import Iterable, Mapping

import polars as pl

from prefine.errors import DataError
from prefine.schema import ratio

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
    """Add ``list``: ratings of one list can be compared; null where a rating is in none.

    A column is what one rater said about one aspect. The columns that cover all rated responses of
    a prompt of a source make one list. Where no column does, each rater's responses make a list of
    their own, of the columns that cover it. A rating without annotator is by one anonymous rater.

    Args:
        ratings: Ratings that have a value and a weight.
    """
    rater = (*_KEYS, "annotator")
    num_responses = pl.col(_RATED).n_unique()
    counted = ratings.with_columns(
        num_responses.over(*_KEYS).alias("rated"),
        num_responses.over(*rater).alias("by_rater"),
        num_responses.over(*rater, _ASPECT).alias("in_column"),
    )
    covers_all = pl.col("in_column") == pl.col("rated")
    own = (pl.col("in_column") == pl.col("by_rater")) & (pl.col("by_rater") > 1)
    shared = covers_all.any().over(*_KEYS).alias("shared")
    marked = counted.with_columns(shared)
    used = pl.when("shared").then(covers_all).otherwise(own)
    rater_of_list = pl.when(~pl.col("shared")).then("annotator").alias("rater")
    number = pl.struct(*_KEYS, "shared", rater_of_list).rank("dense")
    return marked.with_columns(pl.when(used).then(number).alias("list")).drop(
        "rated", "by_rater", "in_column", "shared"
    )


def list_values(listed: pl.DataFrame) -> pl.DataFrame:
    """Return one value for each response of each list: the weighted mean of its aspects.

    Each aspect is first averaged over its raters. An aspect of negative weight counts against a
    response; the sum is divided by the sum of the absolute weights.

    Args:
        listed: Ratings with their ``weight`` and their ``list``.

    Returns:
        ``list``, ``prompt_id``, ``source``, ``response_a`` and ``value``.
    """
    keys = ["list", *_KEYS, _RATED]
    by_rater = (
        listed.filter(pl.col("list").is_not_null())
        .group_by(*keys, _ASPECT.alias("aspect"), "annotator")
        .agg(pl.col("rating").sort().mean(), pl.col("weight").first())
    )
    means = by_rater.group_by(*keys, "aspect").agg(
        pl.col("rating").sort().mean(), pl.col("weight").first()
    )
    return (
        means.sort(*keys, "aspect")
        .group_by(keys, maintain_order=True)
        .agg((pl.col("rating") * pl.col("weight")).sum(), pl.col("weight").abs().sum())
        .with_columns(ratio(pl.col("rating"), pl.col("weight")).alias("value"))
        .drop("rating", "weight")
    )


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
    gap = (pl.col("chosen_rating") - pl.col("rejected_rating")).alias("rating_gap")
    found = _sides(pairs, decisive).with_columns(gap)
    for name, some in (("overall_gap", overall), ("aspect_gap", parts)):
        gaps = _sides(pairs, some).select("low", "high", gap.alias(name))
        found = found.join(gaps, on=["low", "high"], how="full", coalesce=True)
    opposite = pl.col("overall_gap").sign() * pl.col("aspect_gap").sign() < 0
    return found.with_columns(opposite.alias("aspects_disagree")).drop("overall_gap")


def _sides(pairs: pl.DataFrame, ratings: pl.DataFrame) -> pl.DataFrame:
    """Return the ratings of both sides by the same raters of one source.

    The first source by name that has raters of both sides counts, and otherwise the first that
    rates one side. Several lists of a source that rate both sides are averaged.
    """
    counted = ratings.filter(pl.col("weight").is_not_null(), pl.col("rating").is_not_null())
    values = list_values(comparable(counted))
    couples = pairs.select("low", "high", "chosen_id", "rejected_id")
    keys = ["low", "high", "source", "list"]
    chosen, rejected = (
        couples.join(
            values.select("source", "list", pl.col(_RATED).alias(f"{side}_id"), "value"),
            on=f"{side}_id",
        ).select(*keys, pl.col("value").alias(f"{side}_rating"))
        for side in ("chosen", "rejected")
    )
    both = chosen.join(rejected, on=keys)
    means = both.group_by("low", "high", "source").agg(
        pl.col("chosen_rating", "rejected_rating").sort().mean()
    )
    one = pl.concat(
        (chosen.join(both, on=keys, how="anti"), rejected.join(both, on=keys, how="anti")),
        how="diagonal",
    ).sort("source", "list", "chosen_rating")
    return (
        pl.concat((means.sort("source"), one.drop("list")), how="diagonal")
        .unique(["low", "high"], keep="first", maintain_order=True)
        .drop("source")
    )
