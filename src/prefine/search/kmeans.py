"""Spherical k-means, for the lists of an inverted file and for topics."""

from typing import Any

import numpy as np

from prefine.search.pool import BLOCK, Pool, knn, thread_pool
from prefine.search.storage import Vectors

_ROUNDS = 10
_TRAINED_ON = 256
"""Maximum number of training vectors per centre; the default of FAISS."""


def list_centres(sample: Vectors, num_lists: int, pool: Pool) -> Vectors:
    """Fit the centres of lists by spherical k-means.

    The k-means of FAISS is not used because its result depends on the number of threads.

    Args:
        sample: At least one vector per list, in random order; the first are the initial centres.
        num_lists: Number of lists.
        pool: Computes the products.

    Returns:
        Unit vectors, shape (num_lists, dimensions).
    """
    centres = _unit(sample[:num_lists])
    best = np.empty((len(sample), 1), np.float32)
    nearest = np.empty((len(sample), 1), np.int64)

    def assign(block: int) -> None:
        rows = slice(block * BLOCK, (block + 1) * BLOCK)
        best[rows], nearest[rows] = knn(sample[rows], centres, 1)

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
        vectors: Unit vectors in a reproducible order, shape (vectors, dimensions).
        clusters: Number of centres, smaller than the number of vectors.
        rounds: Number of iterations.
        starts: Number of initialisations, of which the best is kept.
        seed: Seed of the initial centres.

    Returns:
        Unit vectors, shape (clusters, dimensions).

    Source:
        Dhillon and Modha 2001, spherical k-means (centres are normalized in each iteration); Arthur
        and Vassilvitskii 2007, k-means++ (initial centres are drawn far from each other).
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
    with thread_pool() as pool:  # one thread, because rounding depends on the number of threads
        pool.each(lambda _: model.train(sample), 1)
    return model.centroids
