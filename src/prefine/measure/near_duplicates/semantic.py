"""Texts whose embeddings lie near each other."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from prefine.search.index import Found, Index, built, without
from prefine.search.settings import Search
from prefine.search.storage import Vectors
from prefine.settings import Runtime
from prefine.settings.json import Json
from prefine.step import Work
from prefine.tables.vectors import VectorTable, read_reasons, read_vectors
from prefine.text.clusters import Edges, edges_of
from prefine.text.words import Places

_WIDER = 4
"""How many times as many neighbours are looked at next."""
_WIDEST = 256
"""Neighbours that are looked at, at most."""


class Nearness(NamedTuple):
    """How embeddings are compared."""

    similarity: float
    """Least cosine of near duplicates."""
    neighbours: int
    """How many neighbours of each text are looked at."""
    search: Search


class Near(NamedTuple):
    """What the embeddings say of each text."""

    nearest: npt.NDArray[np.float64]
    """Cosine to the nearest other text, NaN where there is none; shape (places,)."""
    edges: Edges
    """Between texts whose cosine is at least ``similarity``."""
    reasons: pl.Series
    """Why a text has no embedding that stands for all of it: ``blank``, ``unknown_words``,
    ``too_long``; null where it has one."""
    notes: Json
    """How the index was built, its recall, how long the longest list of neighbours is and how many
    such lists are full of near duplicates."""


def unsearched(count: int) -> Near:
    """Return what is known of texts whose embeddings nobody looked at."""
    nothing = edges_of(np.empty((0, 2), np.int64), "semantic", np.empty(0))
    return Near(np.full(count, np.nan), nothing, pl.Series([None] * count, dtype=pl.String), {})


def near(
    ids: Sequence[str], vectors: Vectors, config: Nearness, runtime: Runtime, *, seed: int
) -> Near:
    """Find the pairs of vectors above the similarity bound, among each one's neighbours.

    Args:
        ids: A name for each vector; they draw what the index learns from.
        vectors: Unit vectors, zeros for what has no direction; shape (places, dimensions).
        config: The bound, how many neighbours are looked at, and how they are searched.
        runtime: How much memory the index may take.
        seed: Behind the draw.
    """
    solid: Places = np.flatnonzero(vectors.any(axis=1))
    count = min(config.neighbours, len(solid) - 1)
    if count < 1:
        return unsearched(len(vectors))
    names = [ids[int(place)] for place in solid]
    everything = [(np.arange(len(solid)), vectors[solid])]
    nearest = np.full(len(vectors), np.nan)
    found: list[_Joined] = []
    with built(
        names, lambda: everything, count=count, config=config.search, runtime=runtime, seed=seed
    ) as (index, notes):
        full: list[Places] = [np.empty(0, np.int64)]
        for mine, listed in index.knn_self_join(count):
            best = listed.similarities[:, 0].clip(max=1.0)
            nearest[solid[mine]] = np.where(np.isfinite(best), best, np.nan)
            full.append(mine[listed.similarities[:, -1] >= config.similarity])
            found.append(_joined(mine, listed, config.similarity))
        left = np.sort(np.concatenate(full))
        while len(left) and count < min(max(_WIDEST, config.neighbours), len(solid) - 1):
            count = min(count * _WIDER, max(_WIDEST, config.neighbours), len(solid) - 1)
            listed = _others(index, left, count)
            found.append(_joined(left, listed, config.similarity))
            left = left[listed.similarities[:, -1] >= config.similarity]
    cut = 0 if count == len(solid) - 1 else len(left)
    notes |= {"widest_list": count, "full_lists": cut}
    row, column, cosines = (np.concatenate(parts) for parts in zip(*found, strict=True))
    pairs = np.sort(np.stack([solid[row], solid[column]], axis=1), axis=1)
    pairs, first = np.unique(pairs, axis=0, return_index=True)
    return unsearched(len(vectors))._replace(
        nearest=nearest, edges=edges_of(pairs, "semantic", cosines[first]), notes=notes
    )


class _Joined(NamedTuple):
    """Places of an index that are near each other, and their cosines; shape (edges,) each."""

    rows: Places
    columns: Places
    cosines: npt.NDArray[np.float64]


def _joined(mine: Places, near: Found, similarity: float) -> _Joined:
    """Return the neighbours at or above the bound."""
    row, column = np.nonzero(near.similarities >= similarity)
    cosines = near.similarities[row, column].clip(max=1.0)
    return _Joined(mine[row], near.places[row, column], cosines)


def _others(index: Index, mine: Places, count: int) -> Found:
    """Return the nearest other vectors of some places."""
    found = index.search(index.vectors(mine), count + 1)
    return without(found, found.places == mine[:, None], count)


def full_lists_remark(texts: str, notes: Json) -> str | None:
    """Return a sentence on near duplicates that were not looked at; null where there are none."""
    if not notes.get("full_lists"):
        return None
    return (
        f"{notes['full_lists']:,} {texts} have more than {notes['widest_list']:,} semantic near "
        "duplicates each, of which only the nearest are joined; raise `similarity` to tell them "
        "apart"
    )


def whole_vectors(
    work: Work, made: VectorTable, part: int | None = None
) -> tuple[list[str], Vectors, pl.Series]:
    """Return ids, unit vectors and reasons of one part; zeros for a text embedded in part.

    Texts of which only the beginning was embedded may go on in different ways.
    """
    ids, vectors = read_vectors(work, made, part)
    told = read_reasons(work, made, part)
    vectors[told["is_cut"].to_numpy()] = 0.0
    too_long = pl.when("is_cut").then(pl.lit("too_long"))
    return ids, vectors, told.select(pl.coalesce("reason", too_long))["reason"]
