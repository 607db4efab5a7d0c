"""Ratings that repeat the same ratings of another row."""

from collections.abc import Collection

import polars as pl

from prefine.pair.ratings import OVERALL

_KEYS = ["low", "high", "source"]
_SAID = ("annotator", "aspect", "index", "rating")
_SAME = ("source", "response_a", "annotator", "index", "rating")
"""What two ratings of one aspect must share to be the same."""
_REPEATED = pl.len().cast(pl.Int64) - pl.col("said").n_unique().cast(pl.Int64)


def anonymous_row(several: Collection[str]) -> pl.Expr:
    """Return the raw row of a judgement that has no annotator and may be by anyone; else null.

    Args:
        several: The sources whose judgements without annotator are by several people.
    """
    is_apart = pl.col("annotator").is_null() & pl.col("source").is_in(list(several))
    return pl.when(is_apart).then(pl.concat_str("file", "row", separator=":"))


def repeats(several: Collection[str]) -> pl.Expr:
    """Return whether a rating says what a rating before it says, of the same response.

    Args:
        several: The sources whose ratings without annotator are by several people.
    """
    aspect = pl.col("aspect").cast(pl.String).fill_null(OVERALL)
    same = pl.struct(*_SAME, aspect, anonymous_row(several).alias("apart"))
    return ~same.is_first_distinct()


def with_repeats(votes: pl.DataFrame, ratings: pl.DataFrame) -> pl.DataFrame:
    """Count in ``repeated`` the rows that rate both responses of a vote as another row does.

    Rows say the same when they have the same ratings by the same raters at the same places. Where
    each row rates one response only, a couple is repeated as often as the less repeated of its
    responses.

    Args:
        votes: One vote a couple and source.
        ratings: The ratings that they were made of.
    """
    said = pl.concat_str(
        [pl.col(name).cast(pl.String).fill_null("") for name in _SAID], separator="/"
    )
    rows = ratings.group_by("source", "file", "row", "response_a").agg(
        said.sort().str.join("\n").alias("said")
    )
    low, high = (
        votes.select(_KEYS).join(rows, left_on=["source", side], right_on=["source", "response_a"])
        for side in ("low", "high")
    )
    both = low.join(high, on=[*_KEYS, "file", "row"]).with_columns(
        pl.concat_str("said", "said_right", separator="\n\n").alias("said")
    )
    apart = pl.concat(
        one.join(both, on=_KEYS, how="anti").group_by(_KEYS).agg(_REPEATED.alias("found"))
        for one in (low, high)
    )
    found = pl.concat(
        (
            both.group_by(_KEYS).agg(_REPEATED.alias("found")),
            apart.group_by(_KEYS).agg(pl.col("found").min()),
        )
    )
    joined = votes.join(found, on=_KEYS, how="left", maintain_order="left")
    return joined.with_columns(pl.col("found").fill_null(0).alias("repeated")).drop("found")
