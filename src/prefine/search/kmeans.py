"""Spherical k-means: centres of lists for an inverted file, and topics."""

from typing import Any

import numpy as np

from prefine.search.pool import BLOCK, Pool, nearest_of, pooled
from prefine.search.storage import Vectors

_ROUNDS = 10
_TRAINED_ON = 256
"""Vectors a centre that centres are fitted on, where there are more: the library's default."""


def list_centres(sample: Vectors, num_lists: int, pool: Pool) -> Vectors:
    """Return centres of lists: unit vectors, by spherical k-means.

    FAISS has k-means too, whose products run on all threads and so depend on their number.

    Args:
        sample: At least one vector a list, in a random order; the first ones are where it begins.
        num_lists: How many.
        pool: Does the products.
    """
    centres = _unit(sample[:num_lists])
    best = np.empty((len(sample), 1), np.float32)
    nearest = np.empty((len(sample), 1), np.int64)

    def assign(block: int) -> None:
        mine = slice(block * BLOCK, (block + 1) * BLOCK)
        best[mine], nearest[mine] = nearest_of(sample[mine], centres, 1)

    from scipy.sparse import csr_matrix

    for _ in range(_ROUNDS):
        pool.each(assign, -(-len(sample) // BLOCK))
        ones = np.ones(len(sample), np.float32)
        members = csr_matrix(
            (ones, (nearest[:, 0], np.arange(len(sample)))), shape=(num_lists, len(sample))
        )
        centres = _unit(members @ sample)
        empty = np.flatnonzero(np.diff(members.indptr) == 0)
        centres[empty] = _unit(sample[np.argsort(best[:, 0], kind="stable")[: len(empty)]])
    return centres


def _unit(vectors: Vectors) -> Vectors:
    norms = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))[:, None]
    return np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)


def spherical_kmeans(
    vectors: Vectors, clusters: int, *, rounds: int, starts: int, seed: int
) -> Vectors:
    """Fit unit centres to unit vectors.

    Args:
        vectors: In an order that does not depend on files, shape (vectors, dimensions).
        clusters: How many centres, fewer than vectors.
        rounds: Of each fit.
        starts: Fits from other first centres, of which the best is taken.
        seed: Draws the first centres.

    Returns:
        Shape (clusters, dimensions).

    Source:
        Dhillon and Modha 2001, spherical k-means: centres are scaled to length one each round;
        Arthur and Vassilvitskii 2007, k-means++: the first centres are drawn far from each other.
    """
    import faiss

    step = max(1, len(vectors) // (_TRAINED_ON * clusters))
    model: Any = faiss.Kmeans(
        vectors.shape[1],
        clusters,
        niter=rounds,
        nredo=starts,
        seed=seed % 2**31,
        spherical=True,
        min_points_per_centroid=1,
        max_points_per_centroid=len(vectors),
    )
    model.cp.init_method = faiss.ClusteringInitMethod_KMEANS_PLUS_PLUS
    sample = np.ascontiguousarray(vectors[::step])
    with pooled() as pool:  # one thread learns, for sums are rounded differently by several
        pool.each(lambda _: model.train(sample), 1)
    return model.centroids
