"""Detect and count ratings that repeat those of another row."""

from collections.abc import Collection

import polars as pl

from prefine.pair.ratings import OVERALL

_KEYS = ["low", "high", "source"]
_RATING = ("annotator", "aspect", "index", "rating")
_SAME = ("source", "response_a", "annotator", "index", "rating")
"""Columns that are equal in repeated ratings of one aspect."""
_REPEATED = pl.len().cast(pl.Int64) - pl.col("judgement").n_unique().cast(pl.Int64)


def anonymous_row(several: Collection[str]) -> pl.Expr:
    """Return the raw row of a judgement by one of several anonymous annotators, otherwise null.

    Args:
        several: Sources whose judgements without an annotator are by several annotators.
    """
    is_apart = pl.col("annotator").is_null() & pl.col("source").is_in(list(several))
    return pl.when(is_apart).then(pl.concat_str("file", "row", separator=":"))


def repeats(several: Collection[str]) -> pl.Expr:
    """Return whether a rating repeats an earlier rating of the same response.

    Args:
        several: Sources whose ratings without an annotator are by several annotators.
    """
    aspect = pl.col("aspect").cast(pl.String).fill_null(OVERALL)
    same = pl.struct(*_SAME, aspect, anonymous_row(several).alias("apart"))
    return ~same.is_first_distinct()


def with_repeats(votes: pl.DataFrame, ratings: pl.DataFrame) -> pl.DataFrame:
    """Set ``repeated`` to the number of rows that repeat the ratings of both responses of a vote.

    Rows are repeated if they have the same ratings by the same annotators at the same positions. If
    each row rates a single response, the smaller number of repetitions of both responses counts.

    Args:
        votes: One vote per pair and source.
        ratings: The ratings that the votes come from.
    """
    rating = pl.concat_str(
        [pl.col(name).cast(pl.String).fill_null("") for name in _RATING], separator="/"
    )
    rows = ratings.group_by("source", "file", "row", "response_a").agg(
        rating.sort().str.join("\n").alias("judgement")
    )
    low, high = (
        votes.select(_KEYS).join(rows, left_on=["source", side], right_on=["source", "response_a"])
        for side in ("low", "high")
    )
    both = low.join(high, on=[*_KEYS, "file", "row"]).with_columns(
        pl.concat_str("judgement", "judgement_right", separator="\n\n").alias("judgement")
    )
    apart = pl.concat(
        side.join(both, on=_KEYS, how="anti").group_by(_KEYS).agg(_REPEATED.alias("count"))
        for side in (low, high)
    )
    counts = pl.concat(
        (
            both.group_by(_KEYS).agg(_REPEATED.alias("count")),
            apart.group_by(_KEYS).agg(pl.col("count").min()),
        )
    )
    joined = votes.join(counts, on=_KEYS, how="left", maintain_order="left")
    return joined.with_columns(pl.col("count").fill_null(0).alias("repeated")).drop("count")
