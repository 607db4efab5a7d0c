"""Which raw labels of a prompt become votes, and why the others do not."""

import polars as pl

from prefine.pair.aggregate import SAME_LABEL
from prefine.pair.outcomes import outcomes
from prefine.pair.repeats import anonymous_row, repeats
from prefine.pair.settings import Pairs
from prefine.pair.votes import from_labels
from prefine.schema import Kind

NOT_COUNTED = "not_counted"
REPEATED = "repeated"
"""Reason of a label that repeats an earlier one of the same source."""


def with_reasons(
    judgements: pl.DataFrame,
    config: Pairs,
    several: list[str],
    rewards: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Add the column ``not_counted``: why a label is not a vote; null for votes.

    Args:
        judgements: All labels of one or several prompts.
        config: How labels become pairs.
        several: The sources whose labels without annotator come from several people.
        rewards: ``prompt_id`` of the prompts that have a reward; null if the recipe uses none.

    Returns:
        The same rows, in the same order. The reasons are ``other_kind``, ``other_aspect``,
        ``no_value`` and ``repeated``.
    """
    marked = outcomes(judgements.with_row_index("number"), config, rewards)
    used = marked.filter(pl.col("outcome").is_null())
    labels = used.filter(pl.col("kind") == Kind.PAIR)
    ratings = used.filter(pl.col("kind") == Kind.RATING)
    apart = labels.select(anonymous_row(several).alias("apart"))
    content = from_labels(labels).select(SAME_LABEL).hstack(apart)
    repeated_numbers = [
        *labels["number"].filter(
            ~content.select(pl.struct(pl.all()).is_first_distinct()).to_series()
        ),
        *ratings.filter(repeats(several))["number"],
    ]
    repeated = pl.when(pl.col("number").is_in(repeated_numbers)).then(pl.lit(REPEATED))
    return marked.with_columns(pl.coalesce("outcome", repeated).alias(NOT_COUNTED)).drop(
        "number", "outcome"
    )
