"""Merge the votes on each pair of responses, and direct the pair by their majority.

A tie has an arbitrary direction and is marked with ``is_tie``.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from math import lcm

import polars as pl

from prefine.pair.exact import decimal
from prefine.pair.settings import SourceWeight
from prefine.schema import Winner, divide

VOTE: dict[str, type[pl.DataType]] = {
    "prompt_id": pl.String,
    "low": pl.String,
    "high": pl.String,
    "direction": pl.Int8,
    "winner": pl.String,
    "strength": pl.Float64,
    "exact": pl.String,
    "annotator": pl.String,
    "source": pl.String,
    "shown_low_first": pl.Boolean,
    "judgement": pl.String,
    "row": pl.String,
    "context_mismatch": pl.Boolean,
    "label_source": pl.String,
    "repeated": pl.Int64,
}
"""Columns of one vote on one pair of responses, ``low`` (the smaller id) and ``high``.

``direction`` is 1 if ``low`` is better, -1 if ``high`` is better, 0 for a tie, and null for an
invalid label. ``exact`` is the strength as a fraction; null if it is the decimal of the float.
``judgement`` is equal for equal judgements at the same position of different rows; ``row``
identifies the row. ``repeated`` counts the repetitions among the judgements behind the vote."""

_NO_WEIGHTS: Mapping[str, SourceWeight] = {}
_COUPLE = ["low", "high"]
SAME_LABEL = (*_COUPLE, "source", "annotator", "label_source", "judgement")
"""Columns that are equal in repeated votes."""
_SAME = [*SAME_LABEL, "apart"]


def aggregate(
    votes: pl.DataFrame, weights: Mapping[str, SourceWeight] = _NO_WEIGHTS
) -> pl.DataFrame:
    """Merge the votes on each pair of responses and direct it by their majority.

    Repeated votes count once: votes of the same source and annotator on the same pair, with the
    same display order and label, at the same position of different rows. Of the valid votes, those
    of the sources with the highest priority direct the pair, each with the weight of its source.
    All other columns count every vote once.

    Args:
        votes: One row per vote, with the columns ``VOTE``.
        weights: Priorities and weights by source; other sources have the defaults.

    Returns:
        One row per pair. ``balance`` is the total weight of the votes for ``low`` minus that of the
        votes for ``high``, as a fraction.
    """
    votes = _with_weights(_once(votes, weights), weights)
    first = pl.col("shown_low_first")
    merged = votes.group_by(_COUPLE).agg(
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
        pl.col("repeated").sum().alias("num_duplicates"),
        (first.any() & (~first).any()).alias("both_orders"),
        pl.col("context_mismatch").any(),
        (pl.col("direction") * pl.col("counted")).sum().alias("balance"),
    )
    merged = merged.join(_strengths(votes), on=_COUPLE, how="left")
    low_wins = pl.col("balance") >= 0
    num_votes = pl.col("for_low") + pl.col("for_high") + pl.col("votes_tie")
    return merged.with_columns(
        pl.when(low_wins).then("low").otherwise("high").alias("chosen_id"),
        pl.when(low_wins).then("high").otherwise("low").alias("rejected_id"),
        num_votes.alias("num_votes"),
        pl.when(low_wins).then("for_low").otherwise("for_high").alias("votes_for"),
        pl.when(low_wins).then("for_high").otherwise("for_low").alias("votes_against"),
        pl.when(low_wins)
        .then("toward_low")
        .otherwise(0.0 - pl.col("toward_low"))
        .alias("strength"),
        (pl.col("balance") == 0).alias("is_tie"),
        ((pl.col("for_low") > 0) & (pl.col("for_high") > 0)).alias("is_contradiction"),
    ).with_columns(
        pl.when(num_votes > 0).then(divide(pl.col("votes_for"), num_votes)).alias("agreement"),
        pl.when(num_votes > 0)
        .then(divide(pl.col("votes_against"), num_votes))
        .alias("disagreement"),
        pl.format(f"{{}}/{_unit_of(weights)}", "balance").alias("balance"),
    )


def _once(votes: pl.DataFrame, weights: Mapping[str, SourceWeight]) -> pl.DataFrame:
    """Merge repeated votes into one, and add their number to ``repeated``."""
    several = [name for name, weight in weights.items() if weight.anonymous == "several"]
    is_apart = pl.col("annotator").is_null() & pl.col("source").is_in(several)
    votes = votes.with_columns(pl.when(is_apart).then("row").alias("apart"))
    is_single = votes.select(_SAME).is_unique()
    others = pl.exclude(*_SAME, "context_mismatch", "repeated")
    merged = (
        votes.filter(~is_single)
        .group_by(_SAME)
        .agg(
            others.first(),
            pl.col("context_mismatch").any(),
            pl.col("repeated").sum() + pl.len().cast(pl.Int64) - 1,
        )
    )
    return pl.concat((votes.filter(is_single), merged.select(votes.columns)))


def _strengths(votes: pl.DataFrame) -> pl.DataFrame:
    """Return ``toward_low``: the mean signed strength of the votes on each pair, for ``low``."""
    known = votes.filter(pl.col("strength").is_not_null() & pl.col("direction").is_not_null())
    is_alone = pl.len().over(_COUPLE) == 1
    alone = known.filter(is_alone).select(
        *_COUPLE, toward_low=pl.col("strength") * pl.col("direction")
    )
    signed = known.filter(~is_alone).select(
        *_COUPLE, pl.coalesce("exact", pl.col("strength").cast(pl.String)), "direction"
    )
    lists = signed.group_by(_COUPLE).agg("exact", "direction")
    means = [_mean(*columns) for columns in lists.select("exact", "direction").iter_rows()]
    several = lists.select(*_COUPLE, pl.Series("toward_low", means, dtype=pl.Float64))
    return pl.concat((alone, several))


def _mean(strengths: Sequence[str], directions: Sequence[int]) -> float:
    total = sum(
        direction * _fraction(text) for text, direction in zip(strengths, directions, strict=True)
    )
    return float(Fraction(total) / len(strengths))


@lru_cache(10_000)
def _fraction(text: str) -> Fraction:
    return Fraction(text)


def _unit_of(weights: Mapping[str, SourceWeight]) -> int:
    """Return the common denominator of all weights."""
    return lcm(*(decimal(weight.weight).denominator for weight in weights.values()))


def _with_weights(votes: pl.DataFrame, weights: Mapping[str, SourceWeight]) -> pl.DataFrame:
    """Add ``counted``: the weight of a vote in its pair's majority; 0 if it does not count."""
    unit = _unit_of(weights)
    stated = [
        (name, weight.priority, int(decimal(weight.weight) * unit))
        for name, weight in weights.items()
    ]
    schema = {"source": pl.String, "priority": pl.Int64, "factor": pl.Int128}
    known = pl.DataFrame(stated, schema=schema, orient="row")
    default = SourceWeight()
    is_valid = pl.col("direction").is_not_null()
    highest = pl.col("priority").filter(is_valid).max().over(_COUPLE)
    counts = is_valid & (pl.col("priority") == highest)
    return (
        votes.join(known, on="source", how="left")
        .with_columns(
            pl.col("priority").fill_null(default.priority),
            pl.col("factor").fill_null(pl.lit(unit, pl.Int128)),
        )
        .with_columns(pl.when(counts).then("factor").otherwise(0).alias("counted"))
    )
