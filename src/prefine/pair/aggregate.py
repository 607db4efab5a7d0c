"""Votes on couples and their majority. A tie keeps an arbitrary direction and is marked as one."""

import polars as pl

from prefine.schema import Winner, ratio

VOTE: dict[str, type[pl.DataType]] = {
    "prompt_id": pl.String,
    "low": pl.String,
    "high": pl.String,
    "direction": pl.Int8,
    "winner": pl.String,
    "strength": pl.Float64,
    "annotator": pl.String,
    "source": pl.String,
    "shown_low_first": pl.Boolean,
    "said": pl.String,
    "row": pl.String,
    "context_mismatch": pl.Boolean,
    "label_source": pl.String,
}
"""One vote on one couple; ``direction`` is 1 when ``low`` (the smaller id) is better, -1 when
``high`` is, 0 for a tie, null when the label names no side. ``said`` is the same in judgements
that say the same at the same place of their rows, ``row`` tells the rows apart."""


def aggregate(votes: pl.DataFrame) -> pl.DataFrame:
    """Merge the votes on each couple and direct it by their majority."""
    same = ("source", "annotator", "label_source", "said")
    num_repeated = pl.struct(*same, "row").n_unique() - pl.struct(*same).n_unique()
    first = pl.col("shown_low_first")
    toward_low = (pl.col("strength") * pl.col("direction")).drop_nulls()
    merged = votes.group_by("low", "high", maintain_order=False).agg(
        pl.col("prompt_id").first(),
        pl.col("source").min(),
        pl.col("source").n_unique().cast(pl.Int64).alias("num_sources"),
        pl.col("label_source").min(),
        (pl.col("direction") == 1).sum().cast(pl.Int64).alias("for_low"),
        (pl.col("direction") == -1).sum().cast(pl.Int64).alias("for_high"),
        (pl.col("direction") == 0).sum().cast(pl.Int64).alias("votes_tie"),
        (pl.col("winner") == Winner.BOTH_BAD).sum().cast(pl.Int64).alias("votes_both_bad"),
        pl.col("direction").is_null().sum().cast(pl.Int64).alias("votes_invalid"),
        pl.col("annotator").drop_nulls().n_unique().cast(pl.Int64).alias("num_annotators"),
        toward_low.sort().mean().alias("toward_low"),
        num_repeated.cast(pl.Int64).alias("num_duplicates"),
        (first.any() & (~first).any()).alias("both_orders"),
        pl.col("context_mismatch").any(),
    )
    low_wins = pl.col("for_low") >= pl.col("for_high")
    num_votes = pl.col("for_low") + pl.col("for_high") + pl.col("votes_tie")
    return merged.with_columns(
        pl.when(low_wins).then("low").otherwise("high").alias("chosen_id"),
        pl.when(low_wins).then("high").otherwise("low").alias("rejected_id"),
        num_votes.alias("num_votes"),
        pl.max_horizontal("for_low", "for_high").alias("votes_for"),
        pl.min_horizontal("for_low", "for_high").alias("votes_against"),
        pl.when(low_wins).then("toward_low").otherwise(-pl.col("toward_low")).alias("strength"),
        (pl.col("for_low") == pl.col("for_high")).alias("is_tie"),
        ((pl.col("for_low") > 0) & (pl.col("for_high") > 0)).alias("is_contradiction"),
    ).with_columns(
        pl.when(num_votes > 0).then(ratio(pl.col("votes_for"), num_votes)).alias("agreement"),
        pl.when(num_votes > 0)
        .then(ratio(pl.col("votes_against"), num_votes))
        .alias("disagreement"),
    )
