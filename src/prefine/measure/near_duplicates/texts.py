"""Prompts, or responses, that say the same in nearly the same words.

A candidate counts only once its whole text was compared; texts of few words are not merged for
being short, and a cluster's members resemble its centre, not merely each other in a chain.
"""

from typing import NamedTuple

import numpy as np
import polars as pl

from prefine.measure.near_duplicates.edges import Bounds, semantic_edges
from prefine.measure.near_duplicates.merit import MERIT, RANKED, VOTES, with_votes
from prefine.measure.near_duplicates.semantic import (
    Near,
    full_lists_remark,
    near,
    unsearched,
    whole_vectors,
)
from prefine.measure.near_duplicates.tables import PROMPT_CLUSTERS, RESPONSE_CLUSTERS
from prefine.step import Counts, Work
from prefine.tables.texts import texts as read_texts
from prefine.tables.vectors import PROMPT_VECTORS, RESPONSE_VECTORS, VectorTable
from prefine.text.clusters import METHODS, components, joined
from prefine.text.differences import DIFFERENCES, differences
from prefine.text.distinct import Distinct, survey
from prefine.text.near import Kept, centre_of, kept_apart, lexical_edges
from prefine.text.sketches import chance_missed, rows_per_band
from prefine.text.words import Places

_NOT_APART = pl.DataFrame(schema={"place": pl.Int64, "apart": pl.String})


class Texts(NamedTuple):
    """What is clustered."""

    table: str
    key: str
    in_pairs: tuple[str, ...]
    """The columns of a pair that name one of them."""
    vectors: VectorTable
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
    found = survey(
        lambda part: read_texts(work, texts.table, texts.key, part),
        work.parts(texts.table),
        bounds.shingle_words if bounds.lexical else None,
        characters=bounds.characters,
    )
    semantic = _semantic(work, found, bounds, texts)
    edges = joined(
        lexical_edges(found, bounds.of_texts), semantic_edges(found, bounds, semantic.edges)
    )
    kept = kept_apart(found, bounds.of_texts, edges)
    rows = _table(found, kept, centre_of(found, bounds.of_texts, kept.edges)).with_columns(
        pl.Series("component", components(len(found.keys), edges.pairs)[found.places]),
        pl.Series("similarity", semantic.nearest[found.places], pl.Float64).fill_nan(None),
        semantic.reasons.fill_null("alone").gather(found.places).alias("similarity_reason"),
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
        name: int((kept.edges.methods == place).sum()) for place, name in enumerate(METHODS)
    }
    work.notes["edges_apart"] = {name: len(pairs) for name, pairs in kept.apart.items()}
    _emit(work, texts.clusters, _named(work, _with_differences(rows, found), texts), found.sizes)
    return Counts(len(found.ids), len(found.ids))


def _semantic(work: Work, found: Distinct, bounds: Bounds, texts: Texts) -> Near:
    """Return what the embeddings say of each distinct text."""
    if "semantic" not in bounds.by:
        return unsearched(len(found.keys))
    parts = [whole_vectors(work, texts.vectors, part) for part in work.parts(texts.table)]
    ids = np.array([name for names, _, _ in parts for name in names])
    assert ids.tolist() == found.ids, "vectors are in the order of the ids"
    vectors = np.concatenate([v for _, v, _ in parts if len(v)] or [np.empty((0, 1), np.float32)])
    reasons = pl.concat(told for _, _, told in parts)
    del parts
    by_place = np.lexsort((ids, found.places))
    _, first = np.unique(found.places[by_place], return_index=True)
    chosen = by_place[first]
    found_near = near(
        ids[chosen].tolist(), vectors[chosen], bounds.nearness, work.runtime, seed=work.seed
    )
    return found_near._replace(reasons=reasons.gather(chosen))


def _table(found: Distinct, kept: Kept, centre: Places) -> pl.DataFrame:
    """Return one row a text: its cluster's number, what joined it and what keeps it apart."""
    edges = kept.edges
    both = pl.DataFrame(
        {
            "place": edges.pairs.ravel(),
            "method": np.repeat(edges.methods, 2),
            "overlap": np.repeat(edges.overlaps, 2),
        }
    )
    strongest = both.sort("place", "method", -pl.col("overlap")).unique("place", keep="first")
    apart = [
        pl.DataFrame({"place": np.unique(pairs)}).with_columns(pl.lit(name).alias("apart"))
        for name, pairs in kept.apart.items()
    ]
    gravest = pl.concat([_NOT_APART, *apart]).unique("place", keep="first", maintain_order=True)
    rows = pl.DataFrame(
        {
            "id": pl.Series(found.ids, dtype=pl.String),
            "row": np.arange(len(found.ids)),
            "place": found.places,
            "text": found.exact,
            "centre": centre[found.places],
        }
    )
    for facts in (strongest, gravest):
        rows = rows.join(facts, on="place", how="left", maintain_order="left")
    size = pl.len().over("centre")
    exact, same = pl.len().over("text") > 1, pl.len().over("place") > 1
    names = pl.col("method").replace_strict(dict(enumerate(METHODS)), return_dtype=pl.String)
    by = pl.when(exact).then(pl.lit("exact")).when(same).then(pl.lit("same_words"))
    return rows.select(
        *("id", "row", "place", "text", "centre", "apart"),
        size.cast(pl.Int64).alias("cluster_size"),
        by.when(size > 1).then(names).alias("cluster_by"),
        pl.when(same).then(1.0).when(size > 1).then("overlap").alias("overlap"),
    )


def _votes(work: Work, texts: Texts) -> pl.DataFrame:
    """Return the votes on the pairs of each prompt or response that can teach."""
    pairs = with_votes(work.read_all("pairs", ["prompt_id", "chosen_id", "rejected_id", *VOTES]))
    of_sides = [pairs.select(pl.col(side).alias("id"), *MERIT) for side in texts.in_pairs]
    taught = pl.col("teaches")
    return (
        pl.concat(of_sides)
        .group_by("id")
        .agg(
            taught.any(),
            pl.col("votes").filter(taught).sum(),
            pl.col("agreement").filter(taught).max(),
        )
    )


def _with_representatives(rows: pl.DataFrame, votes: pl.DataFrame) -> pl.DataFrame:
    """Rank the texts of each cluster, and name it after the first."""
    named = rows.join(votes, on="id", how="left", maintain_order="left", validate="m:1")
    ranked = named.sort("centre", *RANKED, "id", descending=[False, True, True, True, False])
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


def _with_differences(rows: pl.DataFrame, found: Distinct) -> pl.DataFrame:
    """Say what each text of a cluster and its representative differ in."""
    unlike = rows.filter(~pl.col("equal"))
    sides = (found.texts(unlike[column].to_numpy()) for column in ("row", "best"))
    differ = unlike.select("row", differences(*sides).alias("differs"))
    equal = pl.when(pl.col("cluster_size") > 1).then(pl.lit(DIFFERENCES[-1]))
    joined_ = rows.join(differ, on="row", how="left", maintain_order="left", validate="1:1")
    return joined_.with_columns(pl.when("equal").then(equal).otherwise("differs").alias("differs"))


def _named(work: Work, rows: pl.DataFrame, texts: Texts) -> pl.DataFrame:
    """Name the columns after the table; say of responses how many prompts they answer."""
    if texts is PROMPTS:
        same = {"id": "prompt_id", "is_representative": "prompt_is_representative"}
        stems = ("cluster", "cluster_size", "cluster_rank", "cluster_by", "differs", "apart")
        stems += ("overlap", "component", "similarity", "similarity_reason")
        return rows.rename(same | {stem: f"prompt_{stem}" for stem in stems})
    asked = work.read_all("responses", ["response_id", "prompt_id"])
    rows = rows.rename({"id": "response_id"}).join(asked, on="response_id", maintain_order="left")
    num = pl.col("prompt_id").n_unique().cast(pl.Int64)
    return rows.with_columns(
        num.over("centre").alias("cluster_prompts"), num.over("place").alias("text_prompts")
    )


def _emit(work: Work, table: str, rows: pl.DataFrame, sizes: list[int]) -> None:
    start = 0
    for part, size in enumerate(sizes):
        work.emit(table, rows[start : start + size], part=part)
        start += size
