"""Texts whose embeddings lie near each other."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from prefine.search.index import built
from prefine.search.settings import Search
from prefine.settings import Runtime
from prefine.settings.json import Json
from prefine.tables.embeddings import Vectors
from prefine.text.clusters import Edges, edges_of
from prefine.text.words import Places


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
    notes: Json
    """How the index was built, and its recall."""


def unsearched(count: int) -> Near:
    """Return what is known of texts whose embeddings nobody looked at."""
    nothing = edges_of(np.empty((0, 2), np.int64), "semantic", np.empty(0))
    return Near(np.full(count, np.nan), nothing, {})


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
    places = np.empty((len(solid), count), np.int64)
    cosines = np.empty((len(solid), count))
    with built(
        names, lambda: everything, count=count, config=config.search, runtime=runtime, seed=seed
    ) as (index, notes):
        for mine, found in index.knn_self_join(count):
            places[mine], cosines[mine] = found.places, np.clip(found.similarities, None, 1.0)
    nearest = np.full(len(vectors), np.nan)
    nearest[solid] = np.where(np.isfinite(cosines[:, 0]), cosines[:, 0], np.nan)
    row, column = np.nonzero(cosines >= config.similarity)
    pairs = np.sort(np.stack([solid[row], solid[places[row, column]]], axis=1), axis=1)
    pairs, first = np.unique(pairs, axis=0, return_index=True)
    return Near(nearest, edges_of(pairs, "semantic", cosines[row, column][first]), notes)
