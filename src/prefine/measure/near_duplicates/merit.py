"""Ranking of the members of a cluster: the first has a usable label and becomes representative."""

import polars as pl

from prefine.schema import HUMAN_VERDICT

VOTES = (
    *("is_tie", "is_identical", "num_empty", "votes_for", "votes_against", "agreement"),
    HUMAN_VERDICT,
)
"""The columns of pairs that the ranking reads."""
MERIT = ("is_usable", "votes", "agreement")
"""The columns by which members are ranked."""
RANKED = tuple(
    pl.col(name).fill_null(least) for name, least in zip(MERIT, (False, -1, -1.0), strict=True)
)
"""The sort keys, in descending order; ties go to the smallest id."""


def with_votes(pairs: pl.DataFrame) -> pl.DataFrame:
    """Add whether a pair has a usable label (``is_usable``) and its number of votes (``votes``).

    Pairs that are tied, unlabelled, identical, have an empty response or were rejected by a human
    have none. As a representative, such a pair would remove its whole cluster when a rule drops it.
    Ties do not count as votes.

    Args:
        pairs: With the columns ``VOTES``.
    """
    votes = pl.col("votes_for") + pl.col("votes_against")
    rejected = pl.col(HUMAN_VERDICT).is_in(["both_bad", "drop"]).fill_null(value=False)
    unusable = pl.col("is_tie") | pl.col("is_identical") | (pl.col("num_empty") > 0) | rejected
    is_usable = ~unusable.fill_null(value=False) & (votes > 0).fill_null(value=False)
    return pairs.with_columns(votes.alias("votes"), is_usable.alias("is_usable"))
