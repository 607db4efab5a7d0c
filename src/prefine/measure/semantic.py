"""Texts whose embeddings lie near each other.

What comes in: unit vectors, in an order that does not depend on files. What goes out: near pairs
and the nearest neighbour's cosine. What never happens: a text that is its own neighbour.
"""

import numpy as np
import numpy.typing as npt

from prefine.measure.clusters import Edges, edges_of, joined
from prefine.measure.embeddings import Vectors
from prefine.measure.index import built
from prefine.recipe import NearDuplicates, Runtime, Search
from prefine.schema.json import Json


def near(
    vectors: Vectors, config: NearDuplicates, runtime: Runtime
) -> tuple[npt.NDArray[np.float64], Edges, Json]:
    """Find the pairs of vectors above the similarity bound, among each one's neighbours.

    Args:
        vectors: Unit vectors, zeros for what has no direction; shape (places, dimensions).
        config: The bound, and how many neighbours are looked at.
        runtime: How much memory the index may take.

    Returns:
        The cosine of each vector to its nearest other one (NaN where there is none), edges between
        those whose cosine is at least ``similarity``, and what the index notes, recall included.
    """
    best = np.full(len(vectors), -np.inf)
    edges = [edges_of(np.empty((0, 2), np.int64), "semantic", np.empty(0))]
    notes: Json = {}
    count = min(config.neighbours, len(vectors) - 1)
    if count > 0:
        ids = [f"{place:012d}" for place in range(len(vectors))]
        everything = [(np.arange(len(vectors)), vectors)]
        search = Search(exact_up_to=config.exact_up_to)
        with built(
            ids, lambda: everything, count=count, config=search, runtime=runtime, seed=0
        ) as (index, notes):
            for mine, found in index.join(count):
                cosines = np.clip(found.similarities, None, 1.0)
                best[mine] = cosines.max(axis=1)
                row, column = np.nonzero(cosines >= config.similarity)
                pairs = np.stack([mine[row], found.places[row, column]], axis=1)
                edges.append(edges_of(np.sort(pairs, axis=1), "semantic", cosines[row, column]))
    return np.where(np.isfinite(best), best, np.nan), joined(*edges), notes
