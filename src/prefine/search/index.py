"""Which vectors lie near which: one search for every measure that asks for neighbours.

Results are ordered by inner product, equal ones by id, and depend neither on the order of the parts
nor on the number of threads.

Up to ``exact_up_to`` vectors every one is compared with every one. Above, an inverted file: k-means
on a sample gives lists, each vector stands in the list of its nearest centre, and a query looks
into so many lists as the wanted recall takes on a sample. The sample's true neighbours tell how
many: the rank of a neighbour's list is the number of lists that must be looked into to find it.

Queries are answered list by list and not one by one, so that a list is compared with all queries
that look into it in one product of matrices: 8,900 queries a second against 1,500 of a search query
by query (100,000 vectors of 384 dimensions, 32 of 512 lists, 2 cores). Each product runs on one
thread and has a shape of its own whatever the number of threads.
"""

import logging
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from prefine.schema import hash_unit
from prefine.search.kmeans import list_centres
from prefine.search.pool import BLOCK, Pool, nearest_of, pooled
from prefine.search.recall import Block, Blocks, Truth, pick, recall_of, truth_of
from prefine.search.settings import Search
from prefine.search.storage import Places, StoredVectors, Vectors, bytes_of, storage_of
from prefine.settings import Runtime
from prefine.settings.json import Json

log = logging.getLogger(__name__)


_LISTS_PER_ROOT = 4
_TRAINED_ON = 40
"""Vectors a list in the sample that k-means sees."""
_CHUNK = 32_768
"""Most queries that are answered together."""
_FIRST = 4
"""Nearest lists of a query, whose best set the bound that others must reach."""
_SPARE = 4
"""Neighbours found beyond those asked for, so that equal ones are ordered before the cut."""
_RESCORED = 512


class Found(NamedTuple):
    """Neighbours of some queries, the most similar first."""

    places: Places
    """Shape (queries, k); -1 where there are fewer."""
    similarities: npt.NDArray[np.float64]
    """Inner products, shape (queries, k); minus infinity where there are fewer."""


def ranked(parts: Iterable[Sequence[str]]) -> tuple[list[str], list[Places]]:
    """Return all ids in order, and for each part the places of its ids in that order."""
    listed = [list(part) for part in parts]
    names = np.array([name for part in listed for name in part], dtype=np.str_)
    order = np.argsort(names, kind="stable")
    places = np.empty(len(names), np.int64)
    places[order] = np.arange(len(names))
    ends = np.cumsum([0, *map(len, listed)])
    return names[order].tolist(), [places[a:b] for a, b in pairwise(ends)]


def lists_for(count: int, exact_up_to: int) -> int:
    """Return how many lists so many vectors get; one is no inverted file, but an exact search."""
    if count <= exact_up_to:
        return 1
    return max(1, min(int(_LISTS_PER_ROOT * count**0.5), count // 8))


class Index:
    """Vectors that can be asked for neighbours."""

    def __init__(self, rows: StoredVectors, centres: Vectors, pool: Pool) -> None:
        self._rows, self._centres, self._pool = rows, centres, pool
        self.probes = 1
        nearest = np.zeros(len(rows), np.int64)
        if len(centres) > 1:

            def assign(block: int) -> None:
                mine = np.arange(block * BLOCK, min((block + 1) * BLOCK, len(rows)))
                nearest[mine] = nearest_of(rows.get(mine), centres, 1)[1][:, 0]

            pool.each(assign, -(-len(rows) // BLOCK))
        self.list_of = nearest
        self._order = np.argsort(nearest, kind="stable")
        self._ends = np.searchsorted(nearest[self._order], np.arange(len(centres) + 1))

    def look_into(self, truth: Truth, share: float) -> None:
        """Look into so many lists of a query as hold a share of the true neighbours of a sample."""
        order = nearest_of(truth.queries, self._centres, len(self._centres))[1]
        ranks = np.take_along_axis(np.argsort(order, axis=1), self.list_of[truth.places], axis=1)
        self.probes = int(np.sort(ranks, axis=None)[int(np.ceil(share * ranks.size)) - 1]) + 1

    def knn_self_join(self, count: int) -> Iterator[tuple[Places, Found]]:
        """Yield places and the ``count`` nearest other vectors of each; every place once."""
        for mine in self.chunks():
            found = self.search(self._rows.get(mine), count + 1)
            yield mine, without(found, found.places == mine[:, None], count)

    def vectors(self, places: Places) -> Vectors:
        """Return the vectors at some places, shape (places, dimensions)."""
        return self._rows.get(places)

    def chunks(self) -> Iterator[Places]:
        """Yield all places list by list, for those of a list look into the same lists."""
        for start in range(0, len(self._order), _CHUNK):
            yield self._order[start : start + _CHUNK]

    def search(self, queries: Vectors, count: int) -> Found:
        """Return the nearest vectors of each query.

        Args:
            queries: Shape (queries, dimensions), float32.
            count: How many; k.
        """
        starts = range(0, len(queries), _CHUNK)
        found = [self._search(queries[start : start + _CHUNK], count) for start in starts]
        if not found:
            return Found(np.empty((0, count), np.int64), np.empty((0, count)))
        return Found(np.concatenate([f[0] for f in found]), np.concatenate([f[1] for f in found]))

    def _search(self, queries: Vectors, count: int) -> Found:
        """Find the best in the nearest lists, then what is better in the others."""
        lists = self._lists(queries)
        first = self._first(queries, lists[:, :_FIRST], count + _SPARE)
        better = self._better(queries, lists[:, _FIRST:], first.values.min(axis=1))
        return self._exact(queries, _merged(first, better), count)

    def _lists(self, queries: Vectors) -> Places:
        """Return the lists that each query looks into, shape (queries, probes)."""
        found = np.zeros((len(queries), self.probes), np.int64)

        def look(block: int) -> None:
            mine = slice(block * BLOCK, (block + 1) * BLOCK)
            found[mine] = nearest_of(queries[mine], self._centres, self.probes)[1]

        if len(self._centres) > 1:
            self._pool.each(look, -(-len(queries) // BLOCK))
        return found

    def _jobs(self, lists: Places) -> list[tuple[Places, Places]]:
        """Return the products to do: the places of a list, and who looks into it.

        A query is named by its number times the number of lists it looks into, plus which of them.
        """
        flat = lists.ravel()
        by_list = np.argsort(flat, kind="stable")
        ends = np.searchsorted(flat[by_list], np.arange(len(self._centres) + 1))
        return [
            (
                self._order[self._ends[number] : self._ends[number + 1]],
                by_list[start : min(start + BLOCK, end)],
            )
            for number, (begin, end) in enumerate(pairwise(ends))
            for start in range(begin, end, BLOCK)
            if self._ends[number] < self._ends[number + 1]
        ]

    def _first(self, queries: Vectors, lists: Places, kept: int) -> "_Candidates":
        """Return the best of some lists of each query, shape (queries, kept)."""
        values = np.full((lists.size, kept), -np.inf, np.float32)
        places = np.full((lists.size, kept), -1, np.int64)
        jobs = self._jobs(lists)

        def compare(job: int) -> None:
            mine, asked = jobs[job]
            best = min(kept, len(mine))
            found = nearest_of(queries[asked // lists.shape[1]], self._rows.get(mine), best)
            values[asked, :best], places[asked, :best] = found[0], mine[found[1]]

        self._pool.each(compare, len(jobs))
        shape = (len(queries), lists.shape[1] * kept)
        values, places = values.reshape(shape), places.reshape(shape)
        top = np.argpartition(-values, kept - 1, axis=1)[:, :kept]
        numbers = np.repeat(np.arange(len(queries)), kept).reshape(-1, kept)
        values, places = np.take_along_axis(values, top, 1), np.take_along_axis(places, top, 1)
        return _Candidates(numbers, values, places)

    def _better(self, queries: Vectors, lists: Places, bounds: Vectors) -> "_Candidates":
        """Return what exceeds a bound of its query's own in some lists of each query, flat."""
        jobs = self._jobs(lists)
        found: list[_Candidates] = [_NONE] * (len(jobs) + 1)

        def compare(job: int) -> None:
            mine, asked = jobs[job]
            numbers = asked // lists.shape[1]
            products = queries[numbers] @ self._rows.get(mine).T
            row, column = np.nonzero(products > bounds[numbers, None])
            found[job] = _Candidates(numbers[row], products[row, column], mine[column])

        self._pool.each(compare, len(jobs))
        return _Candidates(
            np.concatenate([one.queries for one in found]),
            np.concatenate([one.values for one in found]),
            np.concatenate([one.places for one in found]),
        )

    def _exact(self, queries: Vectors, found: "_Candidates", count: int) -> Found:
        """Score candidates again in float64, so that the shape of a product does not show."""
        result = Found(
            np.full((len(queries), count), -1, np.int64), np.full((len(queries), count), -np.inf)
        )

        def settle(block: int) -> None:
            mine = slice(block * _RESCORED, (block + 1) * _RESCORED)
            near = found.places[mine]
            vectors = self._rows.get(near.ravel()).reshape(*near.shape, -1).astype(np.float64)
            asked = queries[mine].astype(np.float64)
            exact: npt.NDArray[np.float64] = np.einsum("qkd,qd->qk", vectors, asked)
            exact = np.where(near < 0, -np.inf, np.round(exact, 9))
            order = np.lexsort((near, -exact), axis=1)[:, :count]
            result.places[mine, : order.shape[1]] = np.take_along_axis(near, order, axis=1)
            result.similarities[mine, : order.shape[1]] = np.take_along_axis(exact, order, axis=1)

        self._pool.each(settle, -(-len(queries) // _RESCORED))
        return result


class _Candidates(NamedTuple):
    """What may be among the nearest."""

    queries: Places
    values: Vectors
    places: Places


_NONE = _Candidates(np.empty(0, np.int64), np.empty(0, np.float32), np.empty(0, np.int64))


def _merged(first: _Candidates, better: _Candidates) -> _Candidates:
    """Return the best of both for each query, shape (queries, kept)."""
    kept = first.places.shape[1]
    queries = np.concatenate([first.queries.ravel(), better.queries])
    values = np.concatenate([first.values.ravel(), better.values])
    places = np.concatenate([first.places.ravel(), better.places])
    order = np.lexsort((-values, queries))
    starts = np.searchsorted(queries[order], np.arange(len(first.places)))
    used = order[starts[:, None] + np.arange(kept)]
    return _Candidates(queries[used], values[used], places[used])


def without(found: Found, dropped: npt.NDArray[np.bool_], count: int) -> Found:
    """Return the first ``count`` neighbours of each query that are not dropped, in their order."""
    order = np.argsort(dropped | (found.places < 0), axis=1, kind="stable")[:, :count]
    gone = np.take_along_axis(dropped, order, axis=1)
    places = np.where(gone, -1, np.take_along_axis(found.places, order, axis=1))
    similarities = np.take_along_axis(found.similarities, order, axis=1)
    return Found(places, np.where(gone, -np.inf, similarities))


@contextmanager
def built(
    ids: Sequence[str], blocks: Blocks, *, count: int, config: Search, runtime: Runtime, seed: int
) -> Generator[tuple[Index, Json]]:
    """Build an index over all vectors, and measure it.

    Args:
        ids: The names of the vectors, sorted; a vector's place is that of its id.
        blocks: Yields every vector once, all of one width.
        count: How many neighbours will be asked for: what recall is measured at.
        config: Up to where the search is exact, and the recall that is wanted above.
        runtime: How much memory there is.
        seed: Draws the vectors that k-means learns from, and those that recall is measured on.

    Yields:
        The index, and what is worth noting: its kind, lists, storage, and measured recall.
    """
    width = next((vectors.shape[1] for _, vectors in blocks() if len(vectors)), 1)
    num_lists = lists_for(len(ids), config.exact_up_to)
    taught, asked = _drawn(ids, num_lists, config, seed)
    both = pick(blocks, np.concatenate([taught, asked]), width)
    sample, queries = both[: len(taught)], both[len(taught) :]
    storage = storage_of(len(ids), width, config)
    on_disk = bytes_of(len(ids), width, storage) > runtime.index_bytes
    with pooled() as pool, StoredVectors(len(ids), width, storage, on_disk=on_disk) as rows:
        rows.train(sample)
        truth = truth_of(asked, queries, _kept(blocks(), rows), min(count, len(ids) - 1))
        notes: Json = {"index": "flat", "storage": storage, "vectors": len(ids), "recall": 1.0}
        if num_lists == 1:
            index = Index(rows, np.zeros((1, width), np.float32), pool)
        else:
            index = Index(rows, list_centres(sample, num_lists, pool), pool)
            notes |= {"index": "ivf", "lists": num_lists, "trained_on": len(taught)}
            index.look_into(truth, config.recall)
            found = index.search(queries, count + 1)
            found = without(found, found.places == asked[:, None], truth.places.shape[1])
            recall = round(recall_of(found.places, truth, blocks), 4)
            notes |= {"probes": index.probes, "recall": recall, "recall_sampled": len(asked)}
        log.info("index %s", " ".join(f"{key}={value}" for key, value in notes.items()))
        yield index, notes


def _drawn(ids: Sequence[str], num_lists: int, config: Search, seed: int) -> tuple[Places, Places]:
    """Return the places that k-means learns from, and others that recall is measured on."""
    if num_lists == 1:
        return np.arange(min(len(ids), BLOCK)), np.empty(0, np.int64)
    drawn = np.argsort([hash_unit(seed, "index", name) for name in ids], kind="stable")
    num_asked = min(config.sampled, len(ids) // 2)
    most = min(num_lists * _TRAINED_ON, len(ids) - num_asked)
    return drawn[:most], drawn[most : most + num_asked]


def _kept(blocks: Iterable[Block], rows: StoredVectors) -> Iterator[Block]:
    """Put blocks into the index as they go by; an empty one may be of any width."""
    for places, vectors in blocks:
        if len(places):
            rows.put(places, vectors)
            yield places, vectors
