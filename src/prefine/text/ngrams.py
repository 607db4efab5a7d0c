"""N-grams of words that texts share with known texts."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from prefine.text.words import Hashes, Indices

_MULTIPLY = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)
_SIEVE = 16
"""Bits of the filter for each known n-gram; one in 16 unknown n-grams passes it."""
_JOINED = 2_000_000
"""Maximum rows in memory when n-grams are joined with the known texts that contain them."""


class Flat(NamedTuple):
    """Hashed words of several texts, concatenated."""

    words: Hashes
    """Shape (words of all texts,)."""
    indices: Indices
    """Index of the text of each word, ascending; shape (words of all texts,)."""
    left: Indices
    """Number of words from each word to the end of its text, itself included; same shape."""


class Sieve(NamedTuple):
    """A filter for the known n-grams of one length."""

    hashes: Hashes
    """Hashes of the known n-grams, distinct, ascending."""
    marks: npt.NDArray[np.bool_]
    """Whether a known hash begins with these bits; the length is a power of two."""


class Postings(NamedTuple):
    """The n-grams of known texts."""

    rows: pl.DataFrame
    """``item``, ``at`` (index of the first word in the item), ``words`` (length), ``run`` (hash)
    and ``first`` (whether the item does not contain it before)."""
    often: pl.DataFrame
    """Number of rows of each ``run``, as ``often``."""


def postings(rows: pl.DataFrame) -> Postings:
    """Return n-grams with the number of occurrences of each."""
    return Postings(rows, rows.group_by("run").agg(pl.len().alias("often")))


def flat_words(words: pl.Series, indices: Indices | None = None) -> Flat:
    """Return the hashed words of texts.

    Args:
        words: Lists of words.
        indices: Index of the text that each list belongs to, ascending; null makes each list a
            text.
    """
    sizes = words.list.len().to_numpy().astype(np.int64)
    owners = np.arange(len(sizes)) if indices is None else indices
    of_words = np.repeat(owners, sizes)
    flat = words.list.explode(keep_nulls=False, empty_as_null=False).hash(seed=0).to_numpy()
    ends = np.searchsorted(of_words, of_words, side="right") if len(flat) else of_words
    return Flat(flat, of_words, ends - np.arange(len(flat)))


def all_runs(flat: Flat, sizes: set[int]) -> Iterator[tuple[int, Hashes]]:
    """Yield each length and the hash of the n-gram that begins at each word.

    An n-gram that begins too close to the end of its text extends into the next text.
    """
    count, last = len(flat.words), max(sizes, default=0)
    padded = np.concatenate([flat.words, np.zeros(last, np.uint64)])
    mixed = np.zeros(count, np.uint64)
    for ahead in range(last):
        mixed = (mixed ^ padded[ahead : ahead + count]) * _MULTIPLY
        mixed ^= mixed >> _SHIFT
        if ahead + 1 in sizes:
            yield ahead + 1, mixed


def runs_of(words: pl.Series, size: int) -> pl.DataFrame:
    """Return the n-grams of known texts; a text shorter than ``size`` is one n-gram as a whole.

    Args:
        words: Lists of words.
        size: Words in an n-gram.

    Returns:
        ``place`` (index of the text), ``at`` (index of the first word), ``words`` (length) and
        ``run`` (hash of the words).
    """
    flat = flat_words(words)
    lengths = words.list.len().to_numpy().astype(np.int64)[flat.indices]
    long = flat.left >= size
    short = (lengths < size) & (flat.left == lengths)
    frames: list[pl.DataFrame] = []
    for length, mixed in all_runs(flat, set(range(1, size + 1))):
        here = np.flatnonzero(long if length == size else short & (lengths == length))
        columns = {"place": flat.indices[here], "at": (lengths - flat.left)[here]}
        frame = pl.DataFrame({**columns, "words": np.full(len(here), length)})
        frames.append(frame.with_columns(pl.Series("run", mixed[here], pl.UInt64)))
    return pl.concat(frames).sort("place", "at")


def sieves(known: pl.DataFrame) -> dict[int, Sieve]:
    """Return a filter for the known n-grams of each length.

    Args:
        known: ``run`` (hash, as of ``all_runs``) and ``words`` (length).
    """
    filters: dict[int, Sieve] = {}
    for size in known["words"].unique().sort().to_list():
        hashes = known.filter(pl.col("words") == size)["run"].unique().sort().to_numpy()
        marks = np.zeros(1 << max((len(hashes) * _SIEVE).bit_length(), 8), np.bool_)
        marks[hashes >> _bits(marks)] = True
        filters[size] = Sieve(hashes, marks)
    return filters


def _bits(marks: npt.NDArray[np.bool_]) -> np.uint64:
    return np.uint64(64 - (len(marks).bit_length() - 1))


def known_runs(flat: Flat, known: Mapping[int, Sieve]) -> pl.DataFrame:
    """Return the known n-grams of each text: ``place`` and ``run``, distinct."""
    indices: list[Indices] = [np.empty(0, np.int64)]
    runs: list[Hashes] = [np.empty(0, np.uint64)]
    for size, mixed in all_runs(flat, set(known)):
        hashes, marks = known[size]
        passed = np.flatnonzero(marks[mixed >> _bits(marks)] & (flat.left >= size))
        passing = mixed[passed]
        nearest = np.minimum(np.searchsorted(hashes, passing), len(hashes) - 1)
        same = hashes[nearest] == passing
        indices.append(flat.indices[passed[same]])
        runs.append(passing[same])
    rows = {"place": np.concatenate(indices), "run": np.concatenate(runs)}
    return pl.DataFrame(rows).unique()


def shared_runs(texts: pl.DataFrame, known: Postings) -> Iterator[pl.DataFrame]:
    """Yield the n-grams that texts share with known texts, in frames of bounded size.

    Args:
        texts: ``place`` and ``run``, distinct.
        known: The n-grams of known texts.

    Yields:
        ``place`` and the columns of the postings, all rows of a text in one frame, sorted by
        ``place``, ``item`` and ``at``.
    """
    hits = texts.join(known.often, on="run").sort("place", "run")
    ahead = pl.col("often").cum_sum() - pl.col("often")
    blocks = hits.with_columns(block=(ahead // _JOINED).first().over("place")).drop("often")
    for _, block in blocks.group_by("block", maintain_order=True):
        yield block.drop("block").join(known.rows, on="run").sort("place", "item", "at")


def extents(rows: pl.DataFrame) -> pl.DataFrame:
    """Return how much of each known text a text contains.

    Args:
        rows: A frame of ``shared_runs``.

    Returns:
        ``place`` and ``item`` with ``runs`` (number of distinct shared n-grams), ``covered``
        (number of words that they cover) and ``longest`` (words of the longest contiguous part of
        the item whose n-grams are all shared).
    """
    same = (pl.col("place") == pl.col("place").shift()) & (pl.col("item") == pl.col("item").shift())
    joined = same & (pl.col("at") == pl.col("at").shift() + 1)
    apart = pl.col("at").shift(-1) - pl.col("at")
    rows = rows.with_columns(
        stretch=(~joined).fill_null(value=True).cum_sum(),
        new=pl.when(same.shift(-1).fill_null(value=False))
        .then(pl.min_horizontal("words", apart))
        .otherwise("words"),
    )
    stretches = rows.group_by("place", "item", "stretch").agg(
        pl.col("first").sum().alias("runs"),
        pl.col("new").sum(),
        (pl.len() + pl.col("words").first() - 1).alias("longest"),
    )
    return stretches.group_by("place", "item").agg(
        pl.col("runs").sum(),
        pl.col("new").sum().alias("covered"),
        pl.col("longest").max().cast(pl.Int64),
    )
