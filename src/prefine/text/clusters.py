"""Clusters out of edges: connected texts, as long as all of them resemble the cluster's centre.

A member that does not resemble the centre is clustered anew with what is left, so that no chain of
small steps puts unrelated texts into one cluster.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from prefine.text.words import Places

Labels = npt.NDArray[np.int32]

METHODS = ("words", "characters", "semantic")
"""What may make an edge, the strongest first."""

Alike = Callable[[Places], npt.NDArray[np.bool_]]
"""Tells of pairs that no edge joins whether they are alike enough for one cluster."""


class Edges(NamedTuple):
    """Pairs of texts that are near duplicates."""

    pairs: Places
    """Smaller place first, each pair once; shape (edges, 2)."""
    methods: npt.NDArray[np.int64]
    """Places in ``METHODS``."""
    overlaps: npt.NDArray[np.float64]
    """Jaccard overlap of words or characters, or cosine, as the method says."""

    def where(self, chosen: npt.NDArray[np.bool_]) -> "Edges":
        """Return some of the edges."""
        return Edges(self.pairs[chosen], self.methods[chosen], self.overlaps[chosen])


def edges_of(pairs: Places, method: str, overlaps: npt.NDArray[np.float64]) -> Edges:
    """Return edges that one method made."""
    return Edges(pairs, np.full(len(pairs), METHODS.index(method)), overlaps)


def joined(*edges: Edges) -> Edges:
    """Return all edges; of those between the same two places the strongest method's."""
    pairs = np.concatenate([part.pairs for part in edges])
    methods = np.concatenate([part.methods for part in edges])
    order = np.lexsort((methods, pairs[:, 1], pairs[:, 0]))
    _, first = np.unique(pairs[order], axis=0, return_index=True)
    kept = order[first]
    return Edges(pairs[kept], methods[kept], np.concatenate([e.overlaps for e in edges])[kept])


def components(count: int, pairs: Places) -> Labels:
    """Return a label for each of ``count`` places: equal for places joined by edges."""
    ones = np.ones(len(pairs), dtype=np.int8)
    graph = coo_matrix((ones, (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    _, labels = connected_components(graph, directed=False)
    return labels


def centres(count: int, pairs: Places, alike: Alike) -> Places:
    """Return the centre of each place's cluster.

    The centre of a component is the place with the most edges, the first where several have as
    many. A place stays with it when an edge joins the two or ``alike`` says so; the places that do
    not are components of their own, by the edges among them.

    Args:
        count: How many places there are.
        pairs: Edges, shape (edges, 2); places are in an order that does not depend on files.
        alike: Asked of (place, centre) pairs without an edge.

    Returns:
        A place for each place, shape (count,); a centre is its own.
    """
    found = np.full(count, -1)
    left = pairs
    while True:
        labels = components(count, left)
        degrees = np.bincount(left.ravel(), minlength=count)
        centre = _centre_of(labels, degrees)
        stays = (centre == np.arange(count)) | (found >= 0)
        stays[left[centre[left[:, 0]] == left[:, 0], 1]] = True
        stays[left[centre[left[:, 1]] == left[:, 1], 0]] = True
        asked = np.flatnonzero(~stays)
        stays[asked] = alike(np.stack([asked, centre[asked]], axis=1))
        found = np.where((found < 0) & stays, centre, found)
        if (found >= 0).all():
            return found
        left = left[(found[left] < 0).all(axis=1)]


def _centre_of(labels: Labels, degrees: Places) -> Places:
    """Return for each place the one of its component with the most edges, the first of several."""
    order = np.lexsort((-degrees, labels))
    first = np.unique(labels[order], return_index=True)[1]
    return order[first][labels]
