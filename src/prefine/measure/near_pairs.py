"""Pairs that are copies of each other, and all facts about near duplicates beside a pair.

What comes in: clusters of prompts and responses. What goes out: clusters of pairs, and one row a
pair with the clusters of its prompt, its sides and itself. What never happens: a copy that goes
unnoticed because its labels are reversed.
"""

import polars as pl
import pyarrow as pa

from prefine.measure.texts import beside
from prefine.recipe import NearDuplicates
from prefine.step import Counts, Work

_TEXT, _I64, _BOOL = pa.large_string(), pa.int64(), pa.bool_()
CLUSTERS = {
    "prompt_clusters": pa.schema(
        {
            "prompt_id": _TEXT,
            "prompt_cluster": _TEXT,
            "prompt_cluster_size": _I64,
            "prompt_is_representative": _BOOL,
            "prompt_cluster_by": _TEXT,
            "prompt_overlap": pa.float64(),
            "prompt_component": _TEXT,
            "prompt_similarity": pa.float64(),
        }
    ),
    "response_clusters": pa.schema(
        {
            "response_id": _TEXT,
            "text": pa.uint64(),
            "cluster": _TEXT,
            "cluster_size": _I64,
            "cluster_prompts": _I64,
            "text_prompts": _I64,
            "cluster_by": _TEXT,
            "overlap": pa.float64(),
            "component": _TEXT,
        }
    ),
    "pair_clusters": pa.schema(
        {
            "pair_id": _TEXT,
            "pair_cluster": _TEXT,
            "pair_cluster_size": _I64,
            "pair_is_representative": _BOOL,
            "pair_cluster_sources": _I64,
            "pair_cluster_agreeing": _I64,
            "pair_cluster_opposed": _I64,
        }
    ),
}
"""The tables of clusters; ``text`` is a number for the words of a response."""

_RESPONSE = ("cluster", "cluster_size", "cluster_prompts", "text_prompts", "cluster_by")


def cluster(work: Work) -> Counts:
    """Cluster the pairs of all shards: same cluster of prompts, same two clusters of responses.

    Where both responses are in one cluster, their words must be equal: there is no telling which
    side of another pair one of them is.

    Args:
        work: Reads ``judgements``, ``pairs``, ``prompt_clusters`` and ``response_clusters``; writes
            ``pair_clusters``.
    """
    columns = ["pair_id", "prompt_id", "chosen_id", "rejected_id", "num_votes", "agreement"]
    pairs = pl.concat(
        work.read("pairs", columns, part=part).with_columns(pl.lit(part).alias("part"))
        for part in work.parts("pairs")
    )
    prompts = work.read_all("prompt_clusters", ["prompt_id", "prompt_cluster"])
    responses = work.read_all("response_clusters", ["response_id", "cluster", "text"])
    rows = counted(directed(pairs.join(prompts, on="prompt_id", how="left"), responses))
    rows = rows.join(_sources(work, rows), on="pair_cluster", how="left")
    for part in work.parts("pairs"):
        work.emit("pair_clusters", rows.filter(pl.col("part") == part).sort("pair_id"), part=part)
    return Counts(pairs.height, rows.height)


def directed(pairs: pl.DataFrame, responses: pl.DataFrame) -> pl.DataFrame:
    """Add which pairs are copies (``copy``) and which way each of them points (``up``).

    Args:
        pairs: With ``prompt_cluster``, ``chosen_id`` and ``rejected_id``.
        responses: ``response_id``, ``cluster`` and ``text``, a number for the words.
    """
    named = beside(pairs, responses, "cluster", "text")
    same = pl.col("chosen_cluster") == pl.col("rejected_cluster")
    sides = {
        side: pl.when(same)
        .then(pl.col(f"{side}_text").cast(pl.String))
        .otherwise(f"{side}_cluster")
        for side in ("chosen", "rejected")
    }
    first, second = pl.min_horizontal(*sides.values()), pl.max_horizontal(*sides.values())
    return named.with_columns(
        pl.struct("prompt_cluster", same.alias("same"), first.alias("a"), second.alias("b")).alias(
            "copy"
        ),
        (sides["chosen"] < sides["rejected"]).alias("up"),
    )


def counted(rows: pl.DataFrame) -> pl.DataFrame:
    """Add the cluster's name, size and how many of it point the same way.

    Args:
        rows: What ``directed`` returns; the pair with the most votes, the best agreement, the
            lowest id names its cluster.
    """
    merit = [pl.col("num_votes").fill_null(-1), pl.col("agreement").fill_null(-1.0)]
    rows = rows.sort(*merit, "pair_id", descending=[True, True, False])
    name, size = pl.col("pair_id").first().over("copy"), pl.len().over("copy").cast(pl.Int64)
    along = pl.len().over("copy", "up").cast(pl.Int64)
    return rows.with_columns(
        name.alias("pair_cluster"),
        size.alias("pair_cluster_size"),
        (pl.col("pair_id") == name).alias("pair_is_representative"),
        (along - 1).alias("pair_cluster_agreeing"),
        (size - along).alias("pair_cluster_opposed"),
    )


def _sources(work: Work, rows: pl.DataFrame) -> pl.DataFrame:
    """Count the sources of each cluster; a source holds a pair when it judges both responses."""
    judged = work.read_all("judgements", ["source", "response_a", "response_b"])
    sides = [judged.select("source", id=f"response_{side}").drop_nulls() for side in "ab"]
    seen = pl.concat(sides).unique()
    both = rows.join(seen, left_on="chosen_id", right_on="id").join(
        seen, left_on=["rejected_id", "source"], right_on=["id", "source"]
    )
    count = pl.col("source").n_unique().cast(pl.Int64).alias("pair_cluster_sources")
    return both.group_by("pair_cluster").agg(count)


def measure(work: Work, config: NearDuplicates) -> Counts:
    """Lay the clusters of prompt, responses and pair beside the pairs of a shard."""
    rows = work.read("pairs", ["pair_id", "prompt_id", "chosen_id", "rejected_id"])
    if "prompt_clusters" in config.tables:
        prompts = work.read("prompt_clusters")
        rows = rows.join(prompts, on="prompt_id", how="left", maintain_order="left", validate="m:1")
    if "response_clusters" in config.tables:
        rows = beside(rows, work.read("response_clusters"), *_RESPONSE).with_columns(
            (pl.col("chosen_cluster") == pl.col("rejected_cluster")).alias("responses_alike")
        )
    if "pair_clusters" in config.tables:
        pairs = work.read("pair_clusters")
        rows = rows.join(pairs, on="pair_id", how="left", maintain_order="left", validate="1:1")
    work.emit("measure_near_duplicates", rows)
    return Counts(rows.height, rows.height)
