"""Prompts, or responses, that say the same in nearly the same words.

What comes in: the texts of the whole corpus, and their embeddings where the recipe wants them. What
goes out: a cluster for every text, and what made it. What never happens: texts of few words that
are merged for being short; a candidate that is believed before its whole text was compared; a
cluster of texts that have nothing in common but a chain of others.
"""

import numpy as np
import numpy.typing as npt
import polars as pl

from prefine.measure.clusters import METHODS, Edges, centres, components, edges_of, joined
from prefine.measure.distinct import Distinct, survey
from prefine.measure.embeddings import read_vectors
from prefine.measure.overlap import overlaps
from prefine.measure.semantic import Near, near, unsearched
from prefine.measure.sketches import candidates, chance_missed, rows_per_band
from prefine.measure.texts import texts
from prefine.measure.words import Places, character_shingles, word_shingles
from prefine.recipe import NearDuplicates
from prefine.step import Counts, Work

_KEYS = {"prompts": "prompt_id", "responses": "response_id"}


def cluster(work: Work, config: NearDuplicates, table: str, seed: int) -> Counts:
    """Cluster the texts of all shards.

    Args:
        work: Reads ``prompts`` or ``responses``, ``pairs`` and, for ``semantic``, vectors; writes
            ``prompt_clusters`` or ``response_clusters``.
        config: Methods and bounds.
        table: ``prompts`` or ``responses``.
        seed: Draws what an index of embeddings learns from.
    """
    found = survey(
        lambda part: texts(work, table, _KEYS[table], part),
        work.parts(table),
        config.shingle_words if "lexical" in config.by else None,
    )
    semantic = _semantic(work, found, config, table, seed)
    edges = joined(lexical(found, config), semantic.edges)
    rows = _table(found, edges, centre_of(found, config, edges)).with_columns(
        pl.Series("similarity", semantic.nearest[found.places], pl.Float64).fill_nan(None)
    )
    rows = _with_representatives(rows, _votes(work, table))
    if "lexical" in config.by:
        chance = chance_missed(config.jaccard, rows_per_band(config.jaccard))
        work.notes["chance_missed_at_bound"] = round(chance, 6)
    work.notes.update(semantic.notes)
    work.notes["edges"] = {
        name: int((edges.methods == place).sum()) for place, name in enumerate(METHODS)
    }
    _emit(work, _named(work, rows, table), found.sizes)
    return Counts(len(found.ids), len(found.ids))


def lexical(found: Distinct, config: NearDuplicates) -> Edges:
    """Return the edges between distinct texts whose words, or characters, overlap enough."""
    proposed = candidates(found.sketches, config.jaccard)
    wanted, rows = np.unique(proposed, return_inverse=True)
    rows = rows.reshape(-1, 2)
    words = found.words(wanted)
    by_words = overlaps(word_shingles(words, config.shingle_words), rows)
    same = by_words >= config.jaccard
    edges = edges_of(proposed[same], "words", by_words[same])
    if config.character_jaccard is None or same.all():
        return edges
    rest = proposed[~same]
    places, rows = np.unique(rows[~same], return_inverse=True)
    shingles = character_shingles(words.gather(places), config.shingle_characters)
    by_characters = overlaps(shingles, rows.reshape(-1, 2))
    same = by_characters >= config.character_jaccard
    return joined(edges, edges_of(rest[same], "characters", by_characters[same]))


def _semantic(work: Work, found: Distinct, config: NearDuplicates, table: str, seed: int) -> Near:
    """Return what the embeddings say of each distinct text."""
    if not config.semantic:
        return unsearched(len(found.keys))
    name = f"{table.removesuffix('s')}_vectors"
    parts = [read_vectors(work, name, part) for part in work.parts(table)]
    ids = np.array([name for names, _ in parts for name in names])
    assert ids.tolist() == found.ids, "vectors are in the order of the ids"
    vectors = np.concatenate([v for _, v in parts if len(v)] or [np.empty((0, 1), np.float32)])
    del parts
    by_place = np.lexsort((ids, found.places))
    _, first = np.unique(found.places[by_place], return_index=True)
    chosen = by_place[first]
    return near(ids[chosen].tolist(), vectors[chosen], config, work.runtime, seed=seed)


def centre_of(found: Distinct, config: NearDuplicates, edges: Edges) -> Places:
    """Return the centre of each distinct text's cluster, shape (places,)."""

    def alike(pairs: Places) -> npt.NDArray[np.bool_]:
        if not len(pairs):
            return np.empty(0, np.bool_)
        wanted, rows = np.unique(pairs, return_inverse=True)
        shingles = word_shingles(found.words(wanted), config.shingle_words)
        return overlaps(shingles, rows.reshape(-1, 2)) >= config.chained

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


def _votes(work: Work, table: str) -> pl.DataFrame:
    """Return the votes on the pairs of each prompt or response, and the best agreement."""
    columns = ["prompt_id", "chosen_id", "rejected_id", "num_votes", "agreement"]
    pairs = work.read_all("pairs", columns)
    sides = ["prompt_id"] if table == "prompts" else ["chosen_id", "rejected_id"]
    of_sides = [pairs.select(pl.col(s).alias("id"), "num_votes", "agreement") for s in sides]
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


def _named(work: Work, rows: pl.DataFrame, table: str) -> pl.DataFrame:
    """Name the columns after the table; say of responses how many prompts they answer."""
    if table == "prompts":
        same = {"id": "prompt_id", "is_representative": "prompt_is_representative"}
        stems = ("cluster", "cluster_size", "cluster_by", "overlap", "component", "similarity")
        return rows.rename(same | {stem: f"prompt_{stem}" for stem in stems})
    asked = work.read_all("responses", ["response_id", "prompt_id"])
    rows = rows.rename({"id": "response_id"}).join(asked, on="response_id", maintain_order="left")
    num = pl.col("prompt_id").n_unique().cast(pl.Int64)
    return rows.with_columns(
        num.over("centre").alias("cluster_prompts"), num.over("text").alias("text_prompts")
    )


def _emit(work: Work, rows: pl.DataFrame, sizes: list[int]) -> None:
    (table,) = work.step.writes
    start = 0
    for part, size in enumerate(sizes):
        work.emit(table, rows[start : start + size], part=part)
        start += size
