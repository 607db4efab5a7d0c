"""Votes on couples and their majority. A tie keeps an arbitrary direction and is marked as one."""

from collections.abc import Mapping

import polars as pl

from prefine.pair.settings import SourceWeight
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
    "repeated": pl.Int64,
}
"""One vote on one couple; ``direction`` is 1 when ``low`` (the smaller id) is better, -1 when
``high`` is, 0 for a tie, null when the label names no side. ``said`` is the same in judgements
that say the same at the same place of their rows, ``row`` tells the rows apart. ``repeated`` counts
the repetitions among the judgements that one vote is made of."""

_NO_WEIGHTS: Mapping[str, SourceWeight] = {}
_ROUNDING = 1e-9
"""Weights of both directions that differ by less, as a share of all weights, are equal."""


def aggregate(
    votes: pl.DataFrame, weights: Mapping[str, SourceWeight] = _NO_WEIGHTS
) -> pl.DataFrame:
    """Merge the votes on each couple and direct it by their majority.

    Of the votes that name a side or a tie, those of the sources of the highest priority direct the
    couple, each with the weight of its source. All other columns count every vote once.

    Args:
        votes: With the columns ``VOTE``.
        weights: Priority and weight of sources by name; any other has the defaults.

    Returns:
        One row a couple. ``balance`` is the weight of the votes for ``low`` minus that of the votes
        for ``high``.
    """
    votes = _with_weights(votes, weights)
    signed = pl.col("direction") * pl.col("counted")
    balance = signed.sort().sum()
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
        (num_repeated.cast(pl.Int64) + pl.col("repeated").sum()).alias("num_duplicates"),
        (first.any() & (~first).any()).alias("both_orders"),
        pl.col("context_mismatch").any(),
        pl.when(balance.abs() > _ROUNDING * pl.col("counted").sum())
        .then(balance)
        .otherwise(0.0)
        .alias("balance"),
    )
    low_wins = pl.col("balance") >= 0
    num_votes = pl.col("for_low") + pl.col("for_high") + pl.col("votes_tie")
    return merged.with_columns(
        pl.when(low_wins).then("low").otherwise("high").alias("chosen_id"),
        pl.when(low_wins).then("high").otherwise("low").alias("rejected_id"),
        num_votes.alias("num_votes"),
        pl.when(low_wins).then("for_low").otherwise("for_high").alias("votes_for"),
        pl.when(low_wins).then("for_high").otherwise("for_low").alias("votes_against"),
        pl.when(low_wins).then("toward_low").otherwise(-pl.col("toward_low")).alias("strength"),
        (pl.col("balance") == 0).alias("is_tie"),
        ((pl.col("for_low") > 0) & (pl.col("for_high") > 0)).alias("is_contradiction"),
    ).with_columns(
        pl.when(num_votes > 0).then(ratio(pl.col("votes_for"), num_votes)).alias("agreement"),
        pl.when(num_votes > 0)
        .then(ratio(pl.col("votes_against"), num_votes))
        .alias("disagreement"),
    )


def _with_weights(votes: pl.DataFrame, weights: Mapping[str, SourceWeight]) -> pl.DataFrame:
    """Add ``counted``: the weight with which a vote directs its couple, often 0."""
    source = pl.col("source")
    priorities = {name: weight.priority for name, weight in weights.items()}
    factors = {name: weight.weight for name, weight in weights.items()}
    default = SourceWeight()
    names_one = pl.col("direction").is_not_null()
    priority = source.replace_strict(
        priorities, default=default.priority, return_dtype=pl.Int64
    ).alias("priority")
    factor = source.replace_strict(factors, default=default.weight, return_dtype=pl.Float64)
    first = pl.col("priority").filter(names_one).max().over("low", "high")
    counts = names_one & (pl.col("priority") == first)
    return votes.with_columns(priority).with_columns(
        pl.when(counts).then(factor).otherwise(0.0).alias("counted")
    )
