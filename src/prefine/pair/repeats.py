"""Ratings that repeat the same ratings of another row."""

import polars as pl

_KEYS = ["low", "high", "source"]
_SAID = ("annotator", "aspect", "index", "rating")
_REPEATED = pl.len().cast(pl.Int64) - pl.col("said").n_unique().cast(pl.Int64)


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
