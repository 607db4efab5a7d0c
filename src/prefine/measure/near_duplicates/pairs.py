"""Clusters of near-duplicate pairs, regardless of the direction of their labels."""

import polars as pl

from prefine.measure.near_duplicates.merit import RANKED, VOTES, with_votes
from prefine.measure.near_duplicates.tables import (
    PAIR_CLUSTERS,
    PROMPT_CLUSTERS,
    RESPONSE_CLUSTERS,
)
from prefine.step import Counts, Work
from prefine.tables.texts import join_sides


def run_pair_clusters(work: Work) -> Counts:
    """Cluster the pairs of all shards: pairs with the same prompt and response clusters.

    If both responses of a pair are in one cluster, their exact texts are compared instead, because
    the cluster does not determine which side of another pair they correspond to.
    """
    columns = ["pair_id", "prompt_id", "chosen_id", "rejected_id", *VOTES]
    pairs = pl.concat(
        work.read("pairs", columns, part=part).with_columns(pl.lit(part).alias("part"))
        for part in work.parts("pairs")
    )
    prompts = work.read_all(PROMPT_CLUSTERS, ["prompt_id", "prompt_cluster"])
    responses = work.read_all(RESPONSE_CLUSTERS, ["response_id", "cluster", "text"])
    rows = add_cluster_columns(
        add_direction(pairs.join(prompts, on="prompt_id", how="left"), responses)
    )
    rows = rows.join(_sources(work, rows), on="pair_cluster", how="left")
    for part in work.parts("pairs"):
        work.emit(PAIR_CLUSTERS, rows.filter(pl.col("part") == part).sort("pair_id"), part=part)
    return Counts(pairs.height, rows.height)


def add_direction(pairs: pl.DataFrame, responses: pl.DataFrame) -> pl.DataFrame:
    """Add the cluster key of each pair (``copy``) and the direction of its label (``up``).

    Args:
        pairs: With ``prompt_cluster``, ``chosen_id`` and ``rejected_id``.
        responses: ``response_id``, ``cluster`` and ``text``, a hash of the exact text.
    """
    joined = join_sides(pairs, responses, "cluster", "text")
    same = pl.col("chosen_cluster") == pl.col("rejected_cluster")
    sides = {
        side: pl.when(same)
        .then(pl.col(f"{side}_text").cast(pl.String))
        .otherwise(f"{side}_cluster")
        for side in ("chosen", "rejected")
    }
    first, second = pl.min_horizontal(*sides.values()), pl.max_horizontal(*sides.values())
    return joined.with_columns(
        pl.struct("prompt_cluster", same.alias("same"), first.alias("a"), second.alias("b")).alias(
            "copy"
        ),
        (sides["chosen"] < sides["rejected"]).alias("up"),
    )


def add_cluster_columns(rows: pl.DataFrame) -> pl.DataFrame:
    """Add the id and size of the cluster, the rank of the pair, and the counts of its labels.

    Pairs with a usable label are ranked first, then by the number of votes, the agreement and the
    smallest id; the first is the representative.

    Args:
        rows: The result of ``add_direction``.
    """
    rows = with_votes(rows).sort(*RANKED, "pair_id", descending=[True, True, True, False])
    size = pl.len().over("copy").cast(pl.Int64)
    along = pl.len().over("copy", "up").cast(pl.Int64)
    rank = pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("copy")
    return rows.with_columns(
        pl.col("pair_id").first().over("copy").alias("pair_cluster"),
        size.alias("pair_cluster_size"),
        rank.alias("pair_cluster_rank"),
        (rank == 1).alias("pair_is_representative"),
        (along - 1).alias("pair_cluster_agreeing"),
        (size - along).alias("pair_cluster_opposed"),
    )


def _sources(work: Work, rows: pl.DataFrame) -> pl.DataFrame:
    """Count the sources of each cluster; a source has a pair if it has labels for both sides."""
    judgements = work.read_all("judgements", ["source", "response_a", "response_b"])
    sides = [judgements.select("source", id=f"response_{side}").drop_nulls() for side in "ab"]
    seen = pl.concat(sides).unique()
    both = rows.join(seen, left_on="chosen_id", right_on="id").join(
        seen, left_on=["rejected_id", "source"], right_on=["id", "source"]
    )
    count = pl.col("source").n_unique().cast(pl.Int64).alias("pair_cluster_sources")
    return both.group_by("pair_cluster").agg(count)
