"""Clusters of texts from edges: connected components in which every member resembles the centre.

A member that does not resemble the centre is clustered again with the remaining texts, so that a
chain of near duplicates does not join unrelated texts.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from prefine.text.words import Indices

Labels = npt.NDArray[np.int32]

METHODS = ("words", "characters", "semantic")
"""Methods that find edges, the strongest first."""

Alike = Callable[[Indices], npt.NDArray[np.bool_]]
"""Returns for pairs without an edge, shape (pairs, 2), whether they may share a cluster."""


class Edges(NamedTuple):
    """Pairs of near duplicates."""

    pairs: Indices
    """Indices of texts, the smaller first, each pair once; shape (edges, 2)."""
    methods: npt.NDArray[np.int64]
    """Indices into ``METHODS``, shape (edges,)."""
    overlaps: npt.NDArray[np.float64]
    """Jaccard overlap of words or characters, or cosine, by the method; shape (edges,)."""

    def where(self, chosen: npt.NDArray[np.bool_]) -> "Edges":
        """Return the edges where a mask is true."""
        return Edges(self.pairs[chosen], self.methods[chosen], self.overlaps[chosen])


def edges_of(pairs: Indices, method: str, overlaps: npt.NDArray[np.float64]) -> Edges:
    """Return the edges of one method."""
    return Edges(pairs, np.full(len(pairs), METHODS.index(method)), overlaps)


def merge_edges(*edges: Edges) -> Edges:
    """Return all edges; of several between the same texts only that of the strongest method."""
    pairs = np.concatenate([part.pairs for part in edges])
    methods = np.concatenate([part.methods for part in edges])
    order = np.lexsort((methods, pairs[:, 1], pairs[:, 0]))
    _, first = np.unique(pairs[order], axis=0, return_index=True)
    kept = order[first]
    return Edges(pairs[kept], methods[kept], np.concatenate([e.overlaps for e in edges])[kept])


def components(count: int, pairs: Indices) -> Labels:
    """Return the connected component of each of ``count`` texts, shape (count,)."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    ones = np.ones(len(pairs), dtype=np.int8)
    graph = coo_matrix((ones, (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    _, labels = connected_components(graph, directed=False)
    return labels


def centres(count: int, pairs: Indices, alike: Alike) -> Indices:
    """Return the centre of each text's cluster.

    The centre of a component is the text with the most edges, the first of several. A text stays
    in its cluster when an edge joins it to the centre or ``alike`` accepts it; the others are
    clustered again by the edges among them.

    Args:
        count: Number of texts.
        pairs: Edges, shape (edges, 2); indices must not depend on the order of the input.
        alike: Called with (text, centre) pairs without an edge.

    Returns:
        Index of the centre of each text, shape (count,); a centre is its own.
    """
    assigned = np.full(count, -1)
    left = pairs
    while True:
        labels = components(count, left)
        degrees = np.bincount(left.ravel(), minlength=count)
        centre = _centre_of(labels, degrees)
        stays = (centre == np.arange(count)) | (assigned >= 0)
        stays[left[centre[left[:, 0]] == left[:, 0], 1]] = True
        stays[left[centre[left[:, 1]] == left[:, 1], 0]] = True
        unsure = np.flatnonzero(~stays)
        stays[unsure] = alike(np.stack([unsure, centre[unsure]], axis=1))
        assigned = np.where((assigned < 0) & stays, centre, assigned)
        if (assigned >= 0).all():
            return assigned
        left = left[(assigned[left] < 0).all(axis=1)]


def _centre_of(labels: Labels, degrees: Indices) -> Indices:
    """Return for each text the text of its component with the most edges, the first of several."""
    order = np.lexsort((-degrees, labels))
    first = np.unique(labels[order], return_index=True)[1]
    return order[first][labels]
