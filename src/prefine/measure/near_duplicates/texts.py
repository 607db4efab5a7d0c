"""Clusters of near-duplicate prompts or responses.

The full texts of candidates are compared, short texts get no special treatment, and each member of
a cluster is similar to its centre, so clusters do not grow into chains.
"""

from typing import NamedTuple

import numpy as np
import polars as pl

from prefine.measure.near_duplicates.edges import Bounds, semantic_edges
from prefine.measure.near_duplicates.merit import MERIT, RANKED, VOTES, with_votes
from prefine.measure.near_duplicates.semantic import (
    SemanticNeighbours,
    find_neighbours,
    full_lists_remark,
    full_text_vectors,
    not_searched,
)
from prefine.measure.near_duplicates.tables import PROMPT_CLUSTERS, RESPONSE_CLUSTERS
from prefine.step import Counts, Work
from prefine.tables.texts import texts as read_texts
from prefine.tables.vectors import PROMPT_VECTORS, RESPONSE_VECTORS, VectorTable
from prefine.text.clusters import METHODS, components, merge_edges
from prefine.text.differences import DIFFERENCES, differences
from prefine.text.distinct import Distinct, sketch_texts
from prefine.text.near import Kept, cluster_centres, lexical_edges, split_by_traits
from prefine.text.sketches import chance_missed, rows_per_band
from prefine.text.words import Indices

_NOT_APART = pl.DataFrame(schema={"position": pl.Int64, "apart": pl.String})


class Texts(NamedTuple):
    """A table of texts to cluster."""

    table: str
    """The table: ``prompts`` or ``responses``."""
    key: str
    """The id column of the table."""
    in_pairs: tuple[str, ...]
    """The columns of pairs with these ids."""
    vectors: VectorTable
    """The table of the embeddings."""
    clusters: str
    """The table of the clusters."""


PROMPTS = Texts("prompts", "prompt_id", ("prompt_id",), PROMPT_VECTORS, PROMPT_CLUSTERS)
RESPONSES = Texts(
    *("responses", "response_id", ("chosen_id", "rejected_id")),
    vectors=RESPONSE_VECTORS,
    clusters=RESPONSE_CLUSTERS,
)


def run_text_clusters(work: Work, bounds: Bounds, texts: Texts) -> Counts:
    """Cluster the texts of all shards."""
    distinct = sketch_texts(
        lambda part: read_texts(work, texts.table, texts.key, part),
        work.parts(texts.table),
        bounds.shingle_words if bounds.lexical else None,
        characters=bounds.characters,
    )
    semantic = _semantic_neighbours(work, distinct, bounds, texts)
    edges = merge_edges(
        lexical_edges(distinct, bounds.of_texts), semantic_edges(distinct, bounds, semantic.edges)
    )
    kept = split_by_traits(distinct, bounds.of_texts, edges)
    centre = cluster_centres(distinct, bounds.of_texts, kept.edges)
    rows = _table(distinct, kept, centre).with_columns(
        pl.Series("component", components(len(distinct.keys), edges.pairs)[distinct.indices]),
        pl.Series("similarity", semantic.nearest[distinct.indices], pl.Float64).fill_nan(None),
        semantic.reasons.fill_null("alone").gather(distinct.indices).alias("similarity_reason"),
    )
    rows = rows.with_columns(pl.when(pl.col("similarity").is_null()).then("similarity_reason"))
    rows = rows.with_columns(pl.col("id").min().over("component").alias("component"))
    rows = _with_representatives(rows, _votes(work, texts))
    if bounds.lexical:
        chance = chance_missed(bounds.jaccard, rows_per_band(bounds.jaccard))
        work.notes["chance_missed_at_bound"] = round(chance, 6)
    work.notes.update(semantic.notes)
    if remark := full_lists_remark(texts.table, semantic.notes):
        work.notes.setdefault("remarks", []).append(remark)
    work.notes["edges"] = {
        name: int((kept.edges.methods == number).sum()) for number, name in enumerate(METHODS)
    }
    work.notes["edges_apart"] = {name: len(pairs) for name, pairs in kept.apart.items()}
    rows = _with_table_columns(work, _with_differences(rows, distinct), texts)
    _emit(work, texts.clusters, rows, distinct.sizes)
    return Counts(len(distinct.ids), len(distinct.ids))


def _semantic_neighbours(
    work: Work, distinct: Distinct, bounds: Bounds, texts: Texts
) -> SemanticNeighbours:
    """Return the nearest neighbours of each distinct text by embeddings."""
    if "semantic" not in bounds.by:
        return not_searched(len(distinct.keys))
    parts = [full_text_vectors(work, texts.vectors, part) for part in work.parts(texts.table)]
    ids = np.array([name for names, _, _ in parts for name in names])
    assert ids.tolist() == distinct.ids, "vectors are in the order of the ids"
    vectors = np.concatenate([v for _, v, _ in parts if len(v)] or [np.empty((0, 1), np.float32)])
    reasons = pl.concat(of_part for _, _, of_part in parts)
    del parts
    order = np.lexsort((ids, distinct.indices))
    _, first = np.unique(distinct.indices[order], return_index=True)
    rows = order[first]
    neighbours = find_neighbours(
        ids[rows].tolist(), vectors[rows], bounds.nearness, work.runtime, seed=work.seed
    )
    return neighbours._replace(reasons=reasons.gather(rows))


def _table(distinct: Distinct, kept: Kept, centre: Indices) -> pl.DataFrame:
    """Return one row per text: its cluster, the method and overlap, and the difference."""
    edges = kept.edges
    ends = pl.DataFrame(
        {
            "position": edges.pairs.ravel(),
            "method": np.repeat(edges.methods, 2),
            "overlap": np.repeat(edges.overlaps, 2),
        }
    )
    best = ends.sort("position", "method", -pl.col("overlap")).unique("position", keep="first")
    apart = [
        pl.DataFrame({"position": np.unique(pairs)}).with_columns(pl.lit(name).alias("apart"))
        for name, pairs in kept.apart.items()
    ]
    first_apart = pl.concat([_NOT_APART, *apart]).unique(
        "position", keep="first", maintain_order=True
    )
    rows = pl.DataFrame(
        {
            "id": pl.Series(distinct.ids, dtype=pl.String),
            "row": np.arange(len(distinct.ids)),
            "position": distinct.indices,
            "text": distinct.exact,
            "centre": centre[distinct.indices],
        }
    )
    for columns in (best, first_apart):
        rows = rows.join(columns, on="position", how="left", maintain_order="left")
    size = pl.len().over("centre")
    exact, same = pl.len().over("text") > 1, pl.len().over("position") > 1
    names = pl.col("method").replace_strict(dict(enumerate(METHODS)), return_dtype=pl.String)
    by = pl.when(exact).then(pl.lit("exact")).when(same).then(pl.lit("same_words"))
    return rows.select(
        *("id", "row", "position", "text", "centre", "apart"),
        size.cast(pl.Int64).alias("cluster_size"),
        by.when(size > 1).then(names).alias("cluster_by"),
        pl.when(same).then(1.0).when(size > 1).then("overlap").alias("overlap"),
    )


def _votes(work: Work, texts: Texts) -> pl.DataFrame:
    """Return the votes on the pairs with a usable label, by prompt or response."""
    pairs = with_votes(work.read_all("pairs", ["prompt_id", "chosen_id", "rejected_id", *VOTES]))
    of_sides = [pairs.select(pl.col(side).alias("id"), *MERIT) for side in texts.in_pairs]
    usable = pl.col("is_usable")
    return (
        pl.concat(of_sides)
        .group_by("id")
        .agg(
            usable.any(),
            pl.col("votes").filter(usable).sum(),
            pl.col("agreement").filter(usable).max(),
        )
    )


def _with_representatives(rows: pl.DataFrame, votes: pl.DataFrame) -> pl.DataFrame:
    """Rank the texts of each cluster, and name the cluster after the first."""
    joined_ = rows.join(votes, on="id", how="left", maintain_order="left", validate="m:1")
    ranked = joined_.sort("centre", *RANKED, "id", descending=[False, True, True, True, False])
    return (
        ranked.with_columns(
            pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("centre").alias("cluster_rank"),
            pl.col("id").first().over("centre").alias("cluster"),
            pl.col("row").first().over("centre").alias("best"),
            (pl.col("text") == pl.col("text").first().over("centre")).alias("equal"),
        )
        .with_columns((pl.col("cluster_rank") == 1).alias("is_representative"))
        .sort("row")
    )


def _with_differences(rows: pl.DataFrame, distinct: Distinct) -> pl.DataFrame:
    """Add the kind of difference between each text and the representative of its cluster."""
    unequal = rows.filter(~pl.col("equal"))
    sides = (distinct.texts(unequal[column].to_numpy()) for column in ("row", "best"))
    differ = unequal.select("row", differences(*sides).alias("differs"))
    equal = pl.when(pl.col("cluster_size") > 1).then(pl.lit(DIFFERENCES[-1]))
    joined_ = rows.join(differ, on="row", how="left", maintain_order="left", validate="1:1")
    return joined_.with_columns(pl.when("equal").then(equal).otherwise("differs").alias("differs"))


def _with_table_columns(work: Work, rows: pl.DataFrame, texts: Texts) -> pl.DataFrame:
    """Rename the columns for the table of clusters; count the prompts of responses."""
    if texts is PROMPTS:
        names = {"id": "prompt_id", "is_representative": "prompt_is_representative"}
        stems = ("cluster", "cluster_size", "cluster_rank", "cluster_by", "differs", "apart")
        stems += ("overlap", "component", "similarity", "similarity_reason")
        return rows.rename(names | {stem: f"prompt_{stem}" for stem in stems})
    prompts = work.read_all("responses", ["response_id", "prompt_id"])
    rows = rows.rename({"id": "response_id"}).join(prompts, on="response_id", maintain_order="left")
    num = pl.col("prompt_id").n_unique().cast(pl.Int64)
    return rows.with_columns(
        num.over("centre").alias("cluster_prompts"), num.over("position").alias("text_prompts")
    )


def _emit(work: Work, table: str, rows: pl.DataFrame, sizes: list[int]) -> None:
    start = 0
    for part, size in enumerate(sizes):
        work.emit(table, rows[start : start + size], part=part)
        start += size
