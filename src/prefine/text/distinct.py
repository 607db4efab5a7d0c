"""The distinct texts of a corpus and their sketches, without holding all texts in memory."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from prefine.text.sketches import NUM_HASHES, Sketches, sketches
from prefine.text.words import (
    Hashes,
    Indices,
    byte_shingles,
    exact_texts,
    hash_words,
    split_words,
    word_shingles,
)

Read = Callable[[int], tuple[list[str], list[str]]]
"""Returns the ids and the texts of one part; called again when words are needed again."""

SHORT = 256
"""Maximum characters of a text in Latin letters that is also sketched by its characters."""


@dataclass(frozen=True)
class Sketched:
    """Sketches of some of the distinct texts."""

    sketches: Sketches
    """Shape (sketched, NUM_HASHES)."""
    indices: Indices
    """Indices of the distinct texts that are sketched, ascending; shape (sketched,)."""


@dataclass(frozen=True)
class Distinct:
    """Ids, hashes and sketches of the texts of a corpus."""

    read: Read
    ids: list[str]
    """Ids of all texts, part by part."""
    sizes: list[int]
    """Number of texts of each part."""
    exact: Hashes
    """Hash of each text after ``exact_texts``, shape (texts,)."""
    keys: Hashes
    """Hash of each distinct sequence of words, ascending; shape (distinct,)."""
    indices: Indices
    """Index into ``keys`` of each text, shape (texts,)."""
    words: Sketched
    """Sketches of word shingles; empty where none were requested."""
    characters: Sketched
    """Sketches of byte shingles, for texts of at most ``SHORT`` characters and those with at least
    1.5 bytes per character, i.e. not in Latin letters."""

    @property
    def first(self) -> Indices:
        """Index of one text for each distinct sequence of words; does not depend on files."""
        order = np.lexsort((self.exact, self.indices))
        return order[np.unique(self.indices[order], return_index=True)[1]]

    def texts(self, rows: Indices) -> list[str]:
        """Return the texts with these indices among all texts."""
        text_of: dict[int, str] = {}
        wanted = np.unique(rows)
        start = 0
        for part, size in enumerate(self.sizes):
            here = wanted[np.searchsorted(wanted, start) : np.searchsorted(wanted, start + size)]
            if len(here):
                _, texts = self.read(part)
                for row in here.tolist():
                    text_of[row] = texts[row - start]
            start += size
        return [text_of[row] for row in rows.tolist()]


def sketch_texts(
    read: Read, parts: range, shingle_words: int | None, *, characters: bool = False
) -> Distinct:
    """Read all texts once; hash and sketch the distinct ones.

    Args:
        read: Returns the ids and texts of a part.
        parts: Numbers of the parts.
        shingle_words: Words in a shingle; null makes no sketches of words.
        characters: Whether to sketch byte shingles as well.
    """
    ids: list[str] = []
    sizes: list[int] = []
    keys, exact, seen = ([np.empty(0, np.uint64)] for _ in range(3))
    by_words, by_characters = ([np.empty((0, NUM_HASHES), np.uint32)] for _ in range(2))
    unsure: list[npt.NDArray[np.bool_]] = [np.empty(0, np.bool_)]
    for part in parts:
        names, texts = read(part)
        words = split_words(texts)
        of_part = hash_words(words)
        exact.append(exact_texts(texts).hash(seed=0).to_numpy())
        new, first = np.unique(of_part, return_index=True)
        unseen = ~np.isin(new, np.concatenate(seen))
        seen.append(new[unseen])
        fresh = words.gather(first[unseen])
        if shingle_words is not None:
            by_words.append(sketches(word_shingles(fresh, shingle_words)))
        unsure.append(_unsure(fresh) if characters else np.zeros(len(fresh), np.bool_))
        by_characters.append(sketches(byte_shingles(fresh.filter(pl.Series(unsure[-1])))))
        ids += names
        sizes.append(len(names))
        keys.append(of_part)
    order = np.argsort(np.concatenate(seen))
    all_, indices = np.unique(np.concatenate(keys), return_inverse=True)
    sketched = [_sketched(by_words, np.full(len(order), shingle_words is not None), order)]
    sketched.append(_sketched(by_characters, np.concatenate(unsure), order))
    return Distinct(read, ids, sizes, np.concatenate(exact), all_, indices, *sketched)


def _unsure(words: pl.Series) -> npt.NDArray[np.bool_]:
    """Return for which texts a small change affects a large share of the words."""
    joined = words.list.join("")
    size = joined.str.len_chars()
    return ((size <= SHORT) | (joined.str.len_bytes() >= size * 1.5)).to_numpy()


def _sketched(parts: list[Sketches], chosen: npt.NDArray[np.bool_], order: Indices) -> Sketched:
    """Return the sketches of the chosen texts in the order of ``keys``."""
    rows = np.concatenate(parts)
    rank = np.cumsum(chosen) - 1
    kept = order[chosen[order]]
    return Sketched(rows[rank[kept]], np.flatnonzero(chosen[order]))
