"""Prompts that say the same in nearly the same words.

What comes in: prompt vectors and texts of the whole corpus. What goes out: a cluster for every
prompt. What never happens: two prompts merged because their vectors are near; the words decide.
Prompts shorter than a shingle are duplicates only when their words are equal, and prompts of equal
words are duplicates whatever their vectors say.
"""

from collections.abc import Iterator

import faiss
import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import connected_components

from prefine.measure.embeddings import Vectors, read_vectors
from prefine.measure.texts import texts
from prefine.recipe import NearDuplicates
from prefine.step import Counts, Work

Places = npt.NDArray[np.int64]

_LISTS_PER_ROOT = 4
_PROBES = 16
_TRAINED_ON = 40
_SEARCHED = 2048
"""Queries in one search; their neighbours' vectors are in memory at once."""
_PROSE = (
    r"(\p{L})[.,;:!?…]+(\s|$)",
    r"(\d)[.?](\s|$)",
    r"(\p{L}{2})\s+[-–—]+\s+(\p{L}{2})",  # noqa: RUF001 - these are the dashes of prose
)
_COMPARED = 100_000
"""Candidate pairs whose shingles are compared at once."""


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
    del vectors
    edges = candidates[overlaps(_shingles(work, candidates, config), candidates) >= config.jaccard]
    edges = np.concatenate([edges, _equal(work)])
    table = clusters(ids, components(len(ids), edges))
    table = table.with_columns(prompt_similarity=pl.Series(nearest).fill_nan(None))
    work.notes["num_candidates"], work.notes["num_edges"] = len(candidates), len(edges)
    start = 0
    for part in work.parts("prompts"):
        size = work.read("prompts", ["prompt_id"], part=part).height
        work.emit("measure_near_duplicates", table[start : start + size], part=part)
        start += size
    return Counts(len(ids), start)


def pairs_near(vectors: Vectors, config: NearDuplicates) -> tuple[npt.NDArray[np.float64], Places]:
    """Find the pairs of vectors above the similarity bound, among each one's neighbours.

    Returns:
        The cosine of each vector to its nearest other one (NaN where there is none), and the pairs
        of places whose cosine is at least ``similarity``, smaller place first, shape (pairs, 2).
    """
    nearest = np.full(len(vectors), np.nan)
    found: list[Places] = [np.empty((0, 2), np.int64)]
    for rows, neighbours in _search(vectors, config):
        others = (neighbours >= 0) & (neighbours != rows[:, None])
        cosines = np.einsum("bkd,bd->bk", vectors[neighbours], vectors[rows]).astype(np.float64)
        cosines = np.where(others, np.clip(cosines, -1.0, 1.0), -np.inf)
        best = cosines.max(axis=1, initial=-np.inf)
        nearest[rows] = np.where(np.isfinite(best), best, np.nan)
        row, column = np.nonzero(cosines >= config.similarity - 1e-6)
        both = np.stack([rows[row], neighbours[row, column]], axis=1)
        found.append(np.sort(both, axis=1))
    return nearest, np.unique(np.concatenate(found), axis=0)


def _search(vectors: Vectors, config: NearDuplicates) -> Iterator[tuple[Places, Places]]:
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


def _shingles(work: Work, candidates: Places, config: NearDuplicates) -> csr_matrix:
    """Return which shingles the candidate prompts have: prompts by shingles, ones and zeros."""
    wanted = np.unique(candidates)
    frames: list[pl.DataFrame] = []
    start = 0
    for part in work.parts("prompts"):
        _, of_part = texts(work, "prompts", "prompt_id", part)
        mine = wanted[(wanted >= start) & (wanted < start + len(of_part))]
        frames.append(shingles([of_part[i - start] for i in mine], mine, config.shingle_words))
        start += len(of_part)
    found = pl.concat(frames).unique()
    columns = found["shingle"].rank("dense").cast(pl.Int64).to_numpy() - 1
    shape = (start, int(columns.max(initial=-1)) + 1)
    ones = np.ones(found.height, np.float32)
    return coo_matrix((ones, (found["place"].to_numpy(), columns)), shape=shape).tocsr()


def _equal(work: Work) -> Places:
    """Return edges between prompts whose words are equal, near or not in the encoder's eyes."""
    seen: list[pl.Series] = []
    for part in work.parts("prompts"):
        _, of_part = texts(work, "prompts", "prompt_id", part)
        found = pl.DataFrame({"text": of_part}, schema={"text": pl.String})
        seen.append(found.select(_words("text").list.join(" ")).to_series().hash(seed=0))
    frame = pl.DataFrame({"words": pl.concat(seen)}).with_row_index("place")
    first = pl.col("place").min().over("words")
    again = frame.select(first.alias("first"), "place").filter(pl.col("first") != pl.col("place"))
    return again.cast(pl.Int64).to_numpy()


def _words(column: str) -> pl.Expr:
    """Return the words of texts, without case and without the punctuation of prose.

    A symbol is a word too: C# is not C++, and 12 - 4 is not 12 + 4. What is left out is the
    punctuation behind a letter, one stop or question mark behind a number, and a dash between
    words of several letters.
    """
    plain = pl.col(column).str.to_lowercase()
    for prose in _PROSE:
        plain = plain.str.replace_all(prose, "${1} ${2}")
    return plain.str.extract_all(r"\w+|[^\w\s]")


def shingles(found: list[str], places: Places, size: int) -> pl.DataFrame:
    """Return the shingles of texts: runs of words, without case and prose's punctuation, hashed.

    A text with fewer words than a shingle is one shingle as a whole, so that it equals only the
    very same words.

    Args:
        found: The texts.
        places: A number for each of them.
        size: Words in a shingle.

    Returns:
        Columns ``place`` and ``shingle``, one row a shingle and text.
    """
    words = pl.DataFrame({"place": places, "text": found}, schema={"place": int, "text": str})
    listed = words.select("place", _words("text"))
    short = listed.filter(pl.col("text").list.len() < size)
    long = listed.filter(pl.col("text").list.len() >= size).explode("text")
    runs = [pl.col("text").shift(-ahead).over("place") for ahead in range(size)]
    whole = short.select("place", pl.concat_str(pl.lit("="), pl.col("text").list.join(" ")))
    parts = long.select("place", pl.concat_str(runs, separator=" ").alias("literal")).drop_nulls()
    both = pl.concat([whole, parts.rename({"literal": whole.columns[1]})])
    return both.select("place", pl.col(whole.columns[1]).hash(seed=0).alias("shingle"))


def overlaps(ones: csr_matrix, pairs: Places) -> npt.NDArray[np.float64]:
    """Return the Jaccard overlap of the rows of each pair, shape (pairs,)."""
    sizes = np.asarray(ones.sum(axis=1)).ravel()
    found = [np.empty(0)]
    for start in range(0, len(pairs), _COMPARED):
        left, right = pairs[start : start + _COMPARED].T
        shared = np.asarray(ones[left].multiply(ones[right]).sum(axis=1)).ravel()
        found.append(shared / np.maximum(sizes[left] + sizes[right] - shared, 1))
    return np.concatenate(found)


def components(count: int, edges: Places) -> npt.NDArray[np.int32]:
    """Return a label for each of ``count`` places: equal for places joined by edges."""
    ones = np.ones(len(edges), dtype=np.int8)
    graph = coo_matrix((ones, (edges[:, 0], edges[:, 1])), shape=(count, count))
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
