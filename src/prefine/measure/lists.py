"""Products of matrices that come out the same on any number of threads, and k-means made of them.

What comes in: vectors. What goes out: nearest vectors, centres of lists. What never happens: a
product that is shared by several threads, for its last bits would depend on their number.
"""

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import faiss
import numpy as np
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits  # pyright: ignore[reportMissingTypeStubs]

from prefine.measure.rows import Places, Vectors

BLOCK = 2048
"""Most queries in one product."""
_ROUNDS = 10


class Pool:
    """Threads that each do whole products of matrices."""

    def __init__(self, executor: ThreadPoolExecutor) -> None:
        self._executor = executor

    def each(self, job: Callable[[int], None], count: int) -> None:
        """Do jobs 0 to ``count`` - 1, which must not touch each other's results."""
        for _ in self._executor.map(job, range(count)):
            pass


@contextmanager
def pooled() -> Generator[Pool]:
    """Make as many threads as OpenMP may use, and leave one to each product inside."""
    threads = faiss.omp_get_max_threads()
    limit = faiss.omp_set_num_threads
    with threadpool_limits(1), ThreadPoolExecutor(threads, "index", limit, (1,)) as executor:
        try:
            yield Pool(executor)
        finally:
            limit(threads)


def nearest_of(queries: Vectors, vectors: Vectors, count: int) -> tuple[Vectors, Places]:
    """Return the largest inner products and their places, on the calling thread alone."""
    return faiss.knn(queries, vectors, count, metric=faiss.METRIC_INNER_PRODUCT)


def trained(sample: Vectors, num_lists: int, pool: Pool) -> Vectors:
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
