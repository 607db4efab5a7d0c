"""Semantic near duplicates: pairs of texts with similar embeddings."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from prefine.search.index import Index, Matches, build_index, drop_neighbours
from prefine.search.settings import Search
from prefine.search.storage import Vectors
from prefine.settings import Runtime
from prefine.settings.json import Json
from prefine.step import Work
from prefine.tables.vectors import VectorTable, read_reasons, read_vectors
from prefine.text.clusters import Edges, edges_of
from prefine.text.words import Indices

_WIDER = 4
"""Factor by which the number of neighbours is raised for the next search."""
_WIDEST = 256
"""Maximum number of neighbours that are searched."""


class Nearness(NamedTuple):
    """The settings for comparing embeddings."""

    similarity: float
    """Minimum cosine of near duplicates."""
    neighbours: int
    """Number of nearest neighbours that are compared."""
    search: Search
    """How nearest neighbours are searched."""


class SemanticNeighbours(NamedTuple):
    """The nearest neighbour of each text and the pairs of near duplicates."""

    nearest: npt.NDArray[np.float64]
    """Cosine to the nearest other text, in [-1, 1]; NaN if there is none; shape (texts,)."""
    edges: Edges
    """The pairs of texts with a cosine of at least ``similarity``."""
    reasons: pl.Series
    """Why a text has no embedding of its full content: ``blank``, ``unknown_words``, ``too_long``;
    else null."""
    notes: Json
    """Manifest notes: the index, its recall, the number of neighbours in the widest search and the
    number of texts for which all of these are near duplicates."""


def not_searched(count: int) -> SemanticNeighbours:
    """Return the result for texts whose embeddings are not compared."""
    edges = edges_of(np.empty((0, 2), np.int64), "semantic", np.empty(0))
    reasons = pl.Series([None] * count, dtype=pl.String)
    return SemanticNeighbours(np.full(count, np.nan), edges, reasons, {})


def find_neighbours(
    ids: Sequence[str], vectors: Vectors, config: Nearness, runtime: Runtime, *, seed: int
) -> SemanticNeighbours:
    """Find the pairs of vectors with a cosine of at least ``similarity``.

    Args:
        ids: An id for each vector, which determines the training sample of the index.
        vectors: Unit vectors, zeros for a text without an embedding; shape (texts, dimensions).
        config: The threshold, the number of neighbours, and how they are searched.
        runtime: Limits the memory of the index.
        seed: Seed of the training sample.
    """
    embedded: Indices = np.flatnonzero(vectors.any(axis=1))
    count = min(config.neighbours, len(embedded) - 1)
    if count < 1:
        return not_searched(len(vectors))
    names = [ids[int(position)] for position in embedded]
    blocks = [(np.arange(len(embedded)), vectors[embedded])]
    nearest = np.full(len(vectors), np.nan)
    edges: list[_IndexEdges] = []
    with build_index(
        names, lambda: blocks, count=count, config=config.search, runtime=runtime, seed=seed
    ) as (index, notes):
        full: list[Indices] = [np.empty(0, np.int64)]
        for rows, neighbours in index.knn_self_join(count):
            best = neighbours.similarities[:, 0].clip(max=1.0)
            nearest[embedded[rows]] = np.where(np.isfinite(best), best, np.nan)
            full.append(rows[neighbours.similarities[:, -1] >= config.similarity])
            edges.append(_edges_above(rows, neighbours, config.similarity))
        pending = np.sort(np.concatenate(full))
        while len(pending) and count < min(max(_WIDEST, config.neighbours), len(embedded) - 1):
            count = min(count * _WIDER, max(_WIDEST, config.neighbours), len(embedded) - 1)
            neighbours = _search_others(index, pending, count)
            edges.append(_edges_above(pending, neighbours, config.similarity))
            pending = pending[neighbours.similarities[:, -1] >= config.similarity]
    num_full = 0 if count == len(embedded) - 1 else len(pending)
    notes |= {"widest_list": count, "full_lists": num_full}
    row, column, cosines = (np.concatenate(parts) for parts in zip(*edges, strict=True))
    pairs = np.sort(np.stack([embedded[row], embedded[column]], axis=1), axis=1)
    pairs, first = np.unique(pairs, axis=0, return_index=True)
    return not_searched(len(vectors))._replace(
        nearest=nearest, edges=edges_of(pairs, "semantic", cosines[first]), notes=notes
    )


class _IndexEdges(NamedTuple):
    """Pairs of index positions with their cosines; shape (edges,) each."""

    rows: Indices
    columns: Indices
    cosines: npt.NDArray[np.float64]


def _edges_above(rows: Indices, neighbours: Matches, similarity: float) -> _IndexEdges:
    """Return the pairs of rows and neighbours with at least the given cosine."""
    row, column = np.nonzero(neighbours.similarities >= similarity)
    cosines = neighbours.similarities[row, column].clip(max=1.0)
    return _IndexEdges(rows[row], neighbours.indices[row, column], cosines)


def _search_others(index: Index, rows: Indices, count: int) -> Matches:
    """Return the nearest other vectors of some rows of the index."""
    neighbours = index.search(index.vectors(rows), count + 1)
    return drop_neighbours(neighbours, neighbours.indices == rows[:, None], count)


def full_lists_remark(texts: str, notes: Json) -> str | None:
    """Return a remark if some near duplicates were not compared, else None.

    Args:
        texts: ``prompts`` or ``responses``.
        notes: The notes of ``find_neighbours``.
    """
    if not notes.get("full_lists"):
        return None
    return (
        f"{notes['full_lists']:,} {texts} have more than {notes['widest_list']:,} semantic near "
        f"duplicates each; only the nearest {notes['widest_list']:,} are joined; raise "
        "`similarity` of `near_duplicates` to get fewer"
    )


def full_text_vectors(
    work: Work, table: VectorTable, part: int | None = None
) -> tuple[list[str], Vectors, pl.Series]:
    """Return ids, unit vectors and reasons of one part; zeros for a truncated text.

    A truncated text is excluded because texts with equal beginnings may continue differently.
    """
    ids, vectors = read_vectors(work, table, part)
    reasons = read_reasons(work, table, part)
    vectors[reasons["is_cut"].to_numpy()] = 0.0
    too_long = pl.when("is_cut").then(pl.lit("too_long"))
    return ids, vectors, reasons.select(pl.coalesce("reason", too_long))["reason"]
