"""Prompts, or responses, that say the same in nearly the same words.

A candidate counts only once its whole text was compared; texts of few words are not merged for
being short, and a cluster's members resemble its centre, not merely each other in a chain.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from prefine.measure.near_duplicates.semantic import Near, Nearness, near, unsearched
from prefine.measure.near_duplicates.tables import PROMPT_CLUSTERS, RESPONSE_CLUSTERS
from prefine.search.settings import Search
from prefine.step import Counts, Work
from prefine.tables.embeddings import (
    PROMPT_VECTORS,
    RESPONSE_VECTORS,
    VectorTable,
    read_vectors,
)
from prefine.tables.texts import texts as read_texts
from prefine.text.clusters import METHODS, Edges, centres, components, edges_of, joined
from prefine.text.distinct import Distinct, survey
from prefine.text.overlap import overlaps
from prefine.text.sketches import candidates, chance_missed, rows_per_band
from prefine.text.words import Places, character_shingles, word_shingles


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


class Bounds(NamedTuple):
    """How alike near duplicates are; the settings of the measure say what each means."""

    by: tuple[str, ...] = ("lexical",)
    jaccard: float = 0.8
    shingle_words: int = 3
    character_jaccard: float | None = 0.9
    shingle_characters: int = 5
    chained: float = 0.5
    similarity: float = 0.95
    neighbours: int = 16
    search: Search = Search()

    @property
    def lexical(self) -> bool:
        """Whether words are compared."""
        return "lexical" in self.by

    @property
    def nearness(self) -> Nearness:
        """How embeddings are compared."""
        return Nearness(self.similarity, self.neighbours, self.search)


def run_text_clusters(work: Work, bounds: Bounds, texts: Texts) -> Counts:
    """Cluster the texts of all shards."""
    found = survey(
        lambda part: read_texts(work, texts.table, texts.key, part),
        work.parts(texts.table),
        bounds.shingle_words if bounds.lexical else None,
    )
    semantic = _semantic(work, found, bounds, texts)
    edges = joined(lexical_edges(found, bounds), semantic.edges)
    rows = _table(found, edges, centre_of(found, bounds, edges)).with_columns(
        pl.Series("similarity", semantic.nearest[found.places], pl.Float64).fill_nan(None)
    )
    rows = _with_representatives(rows, _votes(work, texts))
    if bounds.lexical:
        chance = chance_missed(bounds.jaccard, rows_per_band(bounds.jaccard))
        work.notes["chance_missed_at_bound"] = round(chance, 6)
    work.notes.update(semantic.notes)
    work.notes["edges"] = {
        name: int((edges.methods == place).sum()) for place, name in enumerate(METHODS)
    }
    _emit(work, texts.clusters, _named(work, rows, texts), found.sizes)
    return Counts(len(found.ids), len(found.ids))


def lexical_edges(found: Distinct, bounds: Bounds) -> Edges:
    """Return the edges between distinct texts whose words, or characters, overlap enough."""
    proposed = candidates(found.sketches, bounds.jaccard)
    wanted, rows = np.unique(proposed, return_inverse=True)
    rows = rows.reshape(-1, 2)
    words = found.words(wanted)
    by_words = overlaps(word_shingles(words, bounds.shingle_words), rows)
    same = by_words >= bounds.jaccard
    edges = edges_of(proposed[same], "words", by_words[same])
    if bounds.character_jaccard is None or same.all():
        return edges
    rest = proposed[~same]
    places, rows = np.unique(rows[~same], return_inverse=True)
    shingles = character_shingles(words.gather(places), bounds.shingle_characters)
    by_characters = overlaps(shingles, rows.reshape(-1, 2))
    same = by_characters >= bounds.character_jaccard
    return joined(edges, edges_of(rest[same], "characters", by_characters[same]))


def _semantic(work: Work, found: Distinct, bounds: Bounds, texts: Texts) -> Near:
    """Return what the embeddings say of each distinct text."""
    if "semantic" not in bounds.by:
        return unsearched(len(found.keys))
    parts = [read_vectors(work, texts.vectors, part) for part in work.parts(texts.table)]
    ids = np.array([name for names, _ in parts for name in names])
    assert ids.tolist() == found.ids, "vectors are in the order of the ids"
    vectors = np.concatenate([v for _, v in parts if len(v)] or [np.empty((0, 1), np.float32)])
    del parts
    by_place = np.lexsort((ids, found.places))
    _, first = np.unique(found.places[by_place], return_index=True)
    chosen = by_place[first]
    return near(
        ids[chosen].tolist(), vectors[chosen], bounds.nearness, work.runtime, seed=work.seed
    )


def centre_of(found: Distinct, bounds: Bounds, edges: Edges) -> Places:
    """Return the centre of each distinct text's cluster, shape (places,)."""

    def alike(pairs: Places) -> npt.NDArray[np.bool_]:
        if not len(pairs):
            return np.empty(0, np.bool_)
        wanted, rows = np.unique(pairs, return_inverse=True)
        shingles = word_shingles(found.words(wanted), bounds.shingle_words)
        return overlaps(shingles, rows.reshape(-1, 2)) >= bounds.chained

    return centres(len(found.keys), edges.pairs, alike)


def _table(found: Distinct, edges: Edges, centre: Places) -> pl.DataFrame:
    """Return one row a text: its cluster's number, component and what joined it."""
    both = pl.DataFrame(
        {
            "place": edges.pairs.ravel(),
            "method": np.repeat(edges.methods, 2),
            "overlap": np.repeat(edges.overlaps, 2),
        }
    )
    strongest = both.sort("place", "method", -pl.col("overlap")).unique("place", keep="first")
    rows = pl.DataFrame(
        {
            "id": pl.Series(found.ids, dtype=pl.String),
            "place": found.places,
            "text": found.keys[found.places],
            "centre": centre[found.places],
            "label": components(len(found.keys), edges.pairs)[found.places],
        }
    ).join(strongest, on="place", how="left", maintain_order="left")
    size, exact = pl.len().over("centre"), pl.len().over("place") > 1
    names = pl.col("method").replace_strict(dict(enumerate(METHODS)), return_dtype=pl.String)
    return rows.select(
        *("id", "text", "centre"),
        pl.col("id").min().over("label").alias("component"),
        size.cast(pl.Int64).alias("cluster_size"),
        pl.when(exact).then(pl.lit("exact")).when(size > 1).then(names).alias("cluster_by"),
        pl.when(exact).then(1.0).when(size > 1).then("overlap").alias("overlap"),
    )


def _votes(work: Work, texts: Texts) -> pl.DataFrame:
    """Return the votes on the pairs of each prompt or response, and the best agreement."""
    columns = ["prompt_id", "chosen_id", "rejected_id", "num_votes", "agreement"]
    pairs = work.read_all("pairs", columns)
    of_sides = [
        pairs.select(pl.col(side).alias("id"), "num_votes", "agreement") for side in texts.in_pairs
    ]
    votes = pl.col("num_votes").sum().alias("votes")
    return pl.concat(of_sides).group_by("id").agg(votes, pl.col("agreement").max())


def _with_representatives(rows: pl.DataFrame, votes: pl.DataFrame) -> pl.DataFrame:
    """Name each cluster after the text with the most votes, the best agreement, the lowest id."""
    merit = [pl.col("votes").fill_null(-1), pl.col("agreement").fill_null(-1.0)]
    best = (
        rows.join(votes, on="id", how="left")
        .sort("centre", *merit, "id", descending=[False, True, True, False])
        .unique("centre", keep="first")
        .select("centre", pl.col("id").alias("cluster"))
    )
    named = rows.join(best, on="centre", how="left", maintain_order="left", validate="m:1")
    return named.with_columns((pl.col("id") == pl.col("cluster")).alias("is_representative"))


def _named(work: Work, rows: pl.DataFrame, texts: Texts) -> pl.DataFrame:
    """Name the columns after the table; say of responses how many prompts they answer."""
    if texts is PROMPTS:
        same = {"id": "prompt_id", "is_representative": "prompt_is_representative"}
        stems = ("cluster", "cluster_size", "cluster_by", "overlap", "component", "similarity")
        return rows.rename(same | {stem: f"prompt_{stem}" for stem in stems})
    asked = work.read_all("responses", ["response_id", "prompt_id"])
    rows = rows.rename({"id": "response_id"}).join(asked, on="response_id", maintain_order="left")
    num = pl.col("prompt_id").n_unique().cast(pl.Int64)
    return rows.with_columns(
        num.over("centre").alias("cluster_prompts"), num.over("text").alias("text_prompts")
    )


def _emit(work: Work, table: str, rows: pl.DataFrame, sizes: list[int]) -> None:
    start = 0
    for part, size in enumerate(sizes):
        work.emit(table, rows[start : start + size], part=part)
        start += size
