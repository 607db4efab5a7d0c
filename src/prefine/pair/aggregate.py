"""Votes on couples and their majority. A tie keeps an arbitrary direction and is marked as one."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from math import lcm

import polars as pl

from prefine.pair.exact import decimal
from prefine.pair.settings import SourceWeight
from prefine.schema import Winner, ratio

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
    "said": pl.String,
    "row": pl.String,
    "context_mismatch": pl.Boolean,
    "label_source": pl.String,
    "repeated": pl.Int64,
}
"""One vote on one couple; ``direction`` is 1 when ``low`` (the smaller id) is better, -1 when
``high`` is, 0 for a tie, null when the label names no side. ``exact`` is the
strength as a fraction, null where it is the decimal of the float. ``said`` is the same in
judgements that say the same at the same place of their rows, ``row`` tells the rows apart.
``repeated`` counts the repetitions among the judgements that one vote is made of."""

_NO_WEIGHTS: Mapping[str, SourceWeight] = {}
_COUPLE = ["low", "high"]
SAME_LABEL = (*_COUPLE, "source", "annotator", "label_source", "said")
"""What repeated votes share."""
_SAME = [*SAME_LABEL, "apart"]


def aggregate(
    votes: pl.DataFrame, weights: Mapping[str, SourceWeight] = _NO_WEIGHTS
) -> pl.DataFrame:
    """Merge the votes on each couple and direct it by their majority.

    A vote that repeats another one counts once: same source, annotator, couple, display order and
    label, at the same place of another row. Of the votes that name a side or a tie, those of the
    sources of the highest priority direct the couple, each with the weight of its source. All other
    columns count every vote once.

    Args:
        votes: With the columns ``VOTE``.
        weights: What the labels of sources count, by name; any other has the defaults.

    Returns:
        One row a couple. ``balance`` is the weight of the votes for ``low`` minus that of the votes
        for ``high``, as a fraction.
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
        pl.when(num_votes > 0).then(ratio(pl.col("votes_for"), num_votes)).alias("agreement"),
        pl.when(num_votes > 0)
        .then(ratio(pl.col("votes_against"), num_votes))
        .alias("disagreement"),
        pl.format(f"{{}}/{_unit_of(weights)}", "balance").alias("balance"),
    )


def _once(votes: pl.DataFrame, weights: Mapping[str, SourceWeight]) -> pl.DataFrame:
    """Make one vote of those that say the same, and count the others in ``repeated``."""
    several = [name for name, one in weights.items() if one.anonymous == "several"]
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
    """Return ``toward_low``: the mean strength of the votes on each couple, low minus high."""
    known = votes.filter(pl.col("strength").is_not_null() & pl.col("direction").is_not_null())
    is_alone = pl.len().over(_COUPLE) == 1
    alone = known.filter(is_alone).select(
        *_COUPLE, toward_low=pl.col("strength") * pl.col("direction")
    )
    signed = known.filter(~is_alone).select(
        *_COUPLE, pl.coalesce("exact", pl.col("strength").cast(pl.String)), "direction"
    )
    lists = signed.group_by(_COUPLE).agg("exact", "direction")
    means = [_mean(*said) for said in lists.select("exact", "direction").iter_rows()]
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
    """Return the number of which the inverse has all weights as whole multiples."""
    return lcm(*(decimal(one.weight).denominator for one in weights.values()))


def _with_weights(votes: pl.DataFrame, weights: Mapping[str, SourceWeight]) -> pl.DataFrame:
    """Add ``counted``: the weight with which a vote directs its couple, often 0."""
    unit = _unit_of(weights)
    stated = [
        (name, one.priority, int(decimal(one.weight) * unit)) for name, one in weights.items()
    ]
    schema = {"source": pl.String, "priority": pl.Int64, "factor": pl.Int128}
    known = pl.DataFrame(stated, schema=schema, orient="row")
    default = SourceWeight()
    names_one = pl.col("direction").is_not_null()
    first = pl.col("priority").filter(names_one).max().over(_COUPLE)
    counts = names_one & (pl.col("priority") == first)
    return (
        votes.join(known, on="source", how="left")
        .with_columns(
            pl.col("priority").fill_null(default.priority),
            pl.col("factor").fill_null(pl.lit(unit, pl.Int128)),
        )
        .with_columns(pl.when(counts).then("factor").otherwise(0).alias("counted"))
    )
