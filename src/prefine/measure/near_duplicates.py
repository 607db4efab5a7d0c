"""Prompts that say the same in nearly the same words.

What comes in: prompt vectors and texts of the whole corpus. What goes out: a cluster for every
prompt. What never happens: two prompts merged because their vectors are near; the words decide.
Prompts shorter than a shingle are duplicates only when their words are equal.
"""

import re
from collections.abc import Iterable, Iterator

import faiss
import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from prefine.measure.embeddings import Vectors, read_vectors
from prefine.measure.texts import texts
from prefine.recipe import NearDuplicates
from prefine.step import Counts, Work

_WORD = re.compile(r"\w+")
_LISTS_PER_ROOT = 4
_PROBES = 16
_TRAINED_ON = 40
_SEARCHED = 8192
"""Queries in one call; memory of a search is this times the number of lists or prompts."""


def measure(work: Work, config: NearDuplicates) -> Counts:
    """Cluster the prompts of all shards.

    Args:
        work: Reads ``prompts`` and ``prompt_vectors``; writes ``measure_near_duplicates``.
        config: Bounds, and how many neighbours are looked at.
    """
    parts = [read_vectors(work, "prompt_vectors", part) for part in work.parts("prompts")]
    ids = [name for names, _ in parts for name in names]
    vectors = np.concatenate([v for _, v in parts if len(v)] or [np.empty((0, 1), np.float32)])
    del parts
    nearest, candidates = pairs_near(vectors, config)
    wanted = {index for pair in candidates for index in pair}
    words = _words(work, wanted)
    edges = [(a, b) for a, b in candidates if same(words[a], words[b], config)]
    labels = components(len(ids), edges)
    table = clusters(ids, labels).with_columns(prompt_similarity=pl.Series(nearest))
    work.notes["num_candidates"], work.notes["num_edges"] = len(candidates), len(edges)
    start = 0
    for part in work.parts("prompts"):
        size = work.read("prompts", ["prompt_id"], part=part).height
        work.emit("measure_near_duplicates", table[start : start + size], part=part)
        start += size
    return Counts(len(ids), start)


def pairs_near(
    vectors: Vectors, config: NearDuplicates
) -> tuple[npt.NDArray[np.float64], list[tuple[int, int]]]:
    """Find the pairs of vectors above the similarity bound, among each one's neighbours.

    Returns:
        The cosine of each vector to its nearest other one (NaN where there is none), and the pairs
        of places whose cosine is at least ``similarity``, smaller place first.
    """
    nearest = np.full(len(vectors), np.nan)
    found: set[tuple[int, int]] = set()
    for rows, neighbours in search(vectors, config):
        for row, near in zip(rows, neighbours, strict=True):
            others = near[(near >= 0) & (near != row)]
            if not len(others):
                continue
            cosines = vectors[others].astype(np.float64) @ vectors[row].astype(np.float64)
            cosines = np.clip(cosines, -1.0, 1.0)
            nearest[row] = cosines.max()
            for other in others[cosines >= config.similarity - 1e-9]:
                found.add((min(int(row), int(other)), max(int(row), int(other))))
    return nearest, sorted(found)


def search(
    vectors: Vectors, config: NearDuplicates
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Yield blocks of places and their neighbours' places, -1 where there are fewer."""
    count = min(config.neighbours + 1, len(vectors))
    if not count:
        return
    index = _index(vectors, config.exact_up_to)
    for start in range(0, len(vectors), _SEARCHED):
        block = vectors[start : start + _SEARCHED]
        _, places = index.search(block, count)
        yield np.arange(start, start + len(block)), places


def _index(vectors: Vectors, exact_up_to: int) -> faiss.Index:
    count, width = vectors.shape
    if count <= exact_up_to:
        flat = faiss.IndexFlatIP(width)
        flat.add(vectors)
        return flat
    num_lists = int(_LISTS_PER_ROOT * count**0.5)
    index = faiss.IndexIVFFlat(
        faiss.IndexFlatIP(width), width, num_lists, faiss.METRIC_INNER_PRODUCT
    )
    step = max(1, count // (_TRAINED_ON * num_lists))
    index.train(np.ascontiguousarray(vectors[::step]))
    index.add(vectors)
    index.nprobe = _PROBES
    return index


def _words(work: Work, wanted: set[int]) -> dict[int, tuple[str, ...]]:
    """Return the normalised words of the prompts at some places."""
    found: dict[int, tuple[str, ...]] = {}
    start = 0
    for part in work.parts("prompts"):
        _, of_part = texts(work, "prompts", "prompt_id", part)
        for place, text in enumerate(of_part, start):
            if place in wanted:
                found[place] = words_of(text)
        start += len(of_part)
    return found


def words_of(text: str) -> tuple[str, ...]:
    """Return the words of a text without case and punctuation."""
    return tuple(_WORD.findall(text.casefold()))


def same(a: tuple[str, ...], b: tuple[str, ...], config: NearDuplicates) -> bool:
    """Tell whether two prompts share enough shingles to be one.

    Prompts with fewer words than a shingle must be equal word for word.
    """
    size = config.shingle_words
    if a == b:
        return True
    if min(len(a), len(b)) < size:
        return False
    left, right = _shingles(a, size), _shingles(b, size)
    return len(left & right) >= config.jaccard * len(left | right)


def _shingles(words: tuple[str, ...], size: int) -> set[tuple[str, ...]]:
    return {words[i : i + size] for i in range(len(words) - size + 1)}


def components(count: int, edges: Iterable[tuple[int, int]]) -> npt.NDArray[np.int32]:
    """Return a label for each of ``count`` places: equal for places joined by edges."""
    pairs = np.array(list(edges), dtype=np.int64).reshape(-1, 2)
    ones = np.ones(len(pairs), dtype=np.int8)
    graph = coo_matrix((ones, (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    _, labels = connected_components(graph, directed=False)
    return labels


def clusters(ids: list[str], labels: npt.NDArray[np.int32]) -> pl.DataFrame:
    """Name each cluster after its smallest id, which also stands for it."""
    frame = pl.DataFrame(
        {"prompt_id": ids, "label": labels}, schema_overrides={"prompt_id": pl.String}
    )
    name = pl.col("prompt_id").min().over("label")
    return frame.select(
        "prompt_id",
        name.alias("prompt_cluster"),
        pl.len().over("label").cast(pl.Int64).alias("prompt_cluster_size"),
        (pl.col("prompt_id") == name).alias("prompt_is_representative"),
    )
