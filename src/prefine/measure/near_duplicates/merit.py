"""Which pair, prompt or response stands for its cluster: one that can teach a preference."""

import polars as pl

from prefine.schema import HUMAN_VERDICT

VOTES = (
    *("is_tie", "is_identical", "num_empty", "votes_for", "votes_against", "agreement"),
    HUMAN_VERDICT,
)
"""The columns of pairs that decide."""
MERIT = ("teaches", "votes", "agreement")
RANKED = tuple(
    pl.col(name).fill_null(least) for name, least in zip(MERIT, (False, -1, -1.0), strict=True)
)
"""The larger the better, in this order; then comes the lowest id."""


def with_votes(pairs: pl.DataFrame) -> pl.DataFrame:
    """Add whether a pair can teach (``teaches``) and its votes for a side (``votes``).

    A pair that is tied, unlabelled, identical, half empty or refused by a human teaches nothing,
    and would take its whole cluster along when a rule drops it. A tie is no vote for a pair.

    Args:
        pairs: With the columns ``VOTES``.
    """
    votes = pl.col("votes_for") + pl.col("votes_against")
    refused = pl.col(HUMAN_VERDICT).is_in(["both_bad", "drop"]).fill_null(value=False)
    flawed = pl.col("is_tie") | pl.col("is_identical") | (pl.col("num_empty") > 0) | refused
    teaches = ~flawed.fill_null(value=False) & (votes > 0).fill_null(value=False)
    return pairs.with_columns(votes.alias("votes"), teaches.alias("teaches"))
