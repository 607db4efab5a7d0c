"""Matrix products that are deterministic for any number of threads.

A product computed by several threads is rounded differently for each number of threads, so every
product runs on one thread, and threads compute different products.
"""

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from threadpoolctl import threadpool_limits  # pyright: ignore[reportMissingTypeStubs]

from prefine.search.storage import Indices, Vectors

BLOCK = 2048
"""Maximum number of queries in one product."""


class Pool:
    """A thread pool in which each job runs on one thread."""

    def __init__(self, executor: ThreadPoolExecutor) -> None:
        self._executor = executor

    def each(self, job: Callable[[int], None], count: int) -> None:
        """Run ``job`` with 0 to ``count`` - 1; jobs must write to disjoint results."""
        for _ in self._executor.map(job, range(count)):
            pass


@contextmanager
def thread_pool() -> Generator[Pool]:
    """Start as many threads as OpenMP may use, and limit BLAS and FAISS to one thread each."""
    import faiss

    threads = faiss.omp_get_max_threads()
    limit = faiss.omp_set_num_threads
    with threadpool_limits(1), ThreadPoolExecutor(threads, "index", limit, (1,)) as executor:
        try:
            yield Pool(executor)
        finally:
            limit(threads)


def knn(queries: Vectors, vectors: Vectors, count: int) -> tuple[Vectors, Indices]:
    """Return the largest inner products and their positions, computed on the calling thread.

    Args:
        queries: Shape (queries, dimensions).
        vectors: Shape (vectors, dimensions).
        count: Number of neighbours per query.
    """
    import faiss

    return faiss.knn(queries, vectors, count, metric=faiss.METRIC_INNER_PRODUCT)
