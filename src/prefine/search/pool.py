"""Products of matrices that come out the same from any number of threads.

A product that several threads share is rounded differently by each number of them, so every product
here runs on one thread, and the threads share out whole products.
"""

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from threadpoolctl import threadpool_limits  # pyright: ignore[reportMissingTypeStubs]

from prefine.search.storage import Places, Vectors

BLOCK = 2048
"""Most queries in one product."""


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
    """Start as many threads as OpenMP may use, and leave one to each product inside."""
    import faiss

    threads = faiss.omp_get_max_threads()
    limit = faiss.omp_set_num_threads
    with threadpool_limits(1), ThreadPoolExecutor(threads, "index", limit, (1,)) as executor:
        try:
            yield Pool(executor)
        finally:
            limit(threads)


def nearest_of(queries: Vectors, vectors: Vectors, count: int) -> tuple[Vectors, Places]:
    """Return the largest inner products and their places, on the calling thread alone."""
    import faiss

    return faiss.knn(queries, vectors, count, metric=faiss.METRIC_INNER_PRODUCT)
