"""Runs of words that texts share with known texts."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from prefine.text.words import Hashes, Places

_MULTIPLY = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)
_SIEVE = 16
"""Places in a sieve for each known run: one in so many unknown runs passes it."""
_JOINED = 2_000_000
"""Rows that are in memory at once when runs meet the known texts that have them."""


class Flat(NamedTuple):
    """Words of many texts as numbers, one text behind the other."""

    words: Hashes
    """Shape (words of all texts,)."""
    places: Places
    """The text that each word is of, ascending; shape (words of all texts,)."""
    left: Places
    """Words from each on to the end of its text, itself included; shape (words of all texts,)."""


class Sieve(NamedTuple):
    """The known runs of one length."""

    hashes: Hashes
    """Distinct, ascending."""
    marks: npt.NDArray[np.bool_]
    """Whether a known run begins with these bits; its length is a power of two."""


class Postings(NamedTuple):
    """Where known texts have their runs."""

    rows: pl.DataFrame
    """``item``, ``at``, where in the item the run begins, ``words``, its length, ``run`` and
    ``first``, whether the item has the run nowhere before."""
    often: pl.DataFrame
    """How many rows each ``run`` has, as ``often``."""


def postings(rows: pl.DataFrame) -> Postings:
    """Return rows of runs with how often each run occurs."""
    return Postings(rows, rows.group_by("run").agg(pl.len().alias("often")))


def flat_words(words: pl.Series, places: Places | None = None) -> Flat:
    """Return the words of texts as numbers.

    Args:
        words: Lists of words.
        places: The text that each list is a piece of, ascending; null for a text each.
    """
    sizes = words.list.len().to_numpy().astype(np.int64)
    owners = np.arange(len(sizes)) if places is None else places
    of_words = np.repeat(owners, sizes)
    flat = words.list.explode(keep_nulls=False, empty_as_null=False).hash(seed=0).to_numpy()
    ends = np.searchsorted(of_words, of_words, side="right") if len(flat) else of_words
    return Flat(flat, of_words, ends - np.arange(len(flat)))


def all_runs(flat: Flat, sizes: set[int]) -> Iterator[tuple[int, Hashes]]:
    """Yield a number for the run that begins at each word, for each of some lengths.

    What begins less than a run before the end of its text reaches into the next one.
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
    """Return the runs of known texts; a text shorter than ``size`` is one run as a whole.

    Args:
        words: Lists of words.
        size: Words in a run.

    Returns:
        ``place``, ``at``, where in the text the run begins, ``words``, its length, and ``run``, a
        number that is the same for the same words in the same order.
    """
    flat = flat_words(words)
    lengths = words.list.len().to_numpy().astype(np.int64)[flat.places]
    long = flat.left >= size
    short = (lengths < size) & (flat.left == lengths)
    frames: list[pl.DataFrame] = []
    for length, mixed in all_runs(flat, set(range(1, size + 1))):
        here = np.flatnonzero(long if length == size else short & (lengths == length))
        columns = {"place": flat.places[here], "at": (lengths - flat.left)[here]}
        found = pl.DataFrame({**columns, "words": np.full(len(here), length)})
        frames.append(found.with_columns(pl.Series("run", mixed[here], pl.UInt64)))
    return pl.concat(frames).sort("place", "at")


def sieves(known: pl.DataFrame) -> dict[int, Sieve]:
    """Return what tells known runs from others, by their length.

    Args:
        known: ``run``, a number as of ``all_runs``, and ``words``, its length.
    """
    found: dict[int, Sieve] = {}
    for size in known["words"].unique().sort().to_list():
        hashes = known.filter(pl.col("words") == size)["run"].unique().sort().to_numpy()
        marks = np.zeros(1 << max((len(hashes) * _SIEVE).bit_length(), 8), np.bool_)
        marks[hashes >> _bits(marks)] = True
        found[size] = Sieve(hashes, marks)
    return found


def _bits(marks: npt.NDArray[np.bool_]) -> np.uint64:
    return np.uint64(64 - (len(marks).bit_length() - 1))


def known_runs(flat: Flat, known: Mapping[int, Sieve]) -> pl.DataFrame:
    """Return the known runs that each text has: ``place`` and ``run``, distinct."""
    places: list[Places] = [np.empty(0, np.int64)]
    runs: list[Hashes] = [np.empty(0, np.uint64)]
    for size, mixed in all_runs(flat, set(known)):
        hashes, marks = known[size]
        passed = np.flatnonzero(marks[mixed >> _bits(marks)] & (flat.left >= size))
        asked = mixed[passed]
        nearest = np.minimum(np.searchsorted(hashes, asked), len(hashes) - 1)
        same = hashes[nearest] == asked
        places.append(flat.places[passed[same]])
        runs.append(asked[same])
    rows = {"place": np.concatenate(places), "run": np.concatenate(runs)}
    return pl.DataFrame(rows).unique()


def met(texts: pl.DataFrame, known: Postings) -> Iterator[pl.DataFrame]:
    """Yield the places of known texts whose runs a text has, few enough at once.

    Args:
        texts: ``place`` and ``run``, distinct.
        known: Where known texts have their runs.

    Yields:
        ``place`` and the columns of the postings, all rows of a place in one frame, sorted by
        ``place``, ``item`` and ``at``.
    """
    hits = texts.join(known.often, on="run").sort("place", "run")
    ahead = pl.col("often").cum_sum() - pl.col("often")
    blocks = hits.with_columns(block=(ahead // _JOINED).first().over("place")).drop("often")
    for _, block in blocks.group_by("block", maintain_order=True):
        yield block.drop("block").join(known.rows, on="run").sort("place", "item", "at")


def extents(rows: pl.DataFrame) -> pl.DataFrame:
    """Return how much of each known text is met.

    Args:
        rows: As ``met`` yields them, with ``words``, the length of each run, and ``first``, whether
            the item has the run nowhere before.

    Returns:
        ``place`` and ``item`` with ``runs``, the distinct runs that are met, ``covered``, the words
        that these cover, and ``longest``, the words of the longest stretch of the item every run of
        which is met.
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
