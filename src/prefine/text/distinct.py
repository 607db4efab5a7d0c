"""The texts of a whole corpus, each set of words once, without holding all texts in memory."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from prefine.text.sketches import NUM_HASHES, Sketches, sketches
from prefine.text.words import (
    Hashes,
    Places,
    byte_shingles,
    exact_texts,
    keys_of,
    word_shingles,
    words_of,
)

Read = Callable[[int], tuple[list[str], list[str]]]
"""Returns the ids and the texts of one part; asked again where words are wanted again."""

SHORT = 256
"""Characters of the longest text in Latin letters that is sketched by its characters too."""


@dataclass(frozen=True)
class Sketched:
    """Sketches of some of the distinct texts."""

    sketches: Sketches
    """Shape (sketched, NUM_HASHES)."""
    places: Places
    """Which texts they are of, ascending; shape (sketched,)."""


@dataclass(frozen=True)
class Distinct:
    """What is kept of the texts of a corpus."""

    read: Read
    ids: list[str]
    """Of all texts, part by part."""
    sizes: list[int]
    """How many texts each part has."""
    exact: Hashes
    """A number for each text, equal for texts that are the same but for white space at the ends
    and Unicode form; shape (texts,)."""
    keys: Hashes
    """One number for each distinct sequence of words, ascending; shape (places,)."""
    places: Places
    """Which of them each text has; shape (texts,)."""
    words: Sketched
    """By runs of words; empty when none were asked for."""
    characters: Sketched
    """By runs of characters, of the texts where words are no good guide: those of at most ``SHORT``
    characters, and those with 1.5 bytes or more to a character, so not in Latin letters."""

    @property
    def first(self) -> Places:
        """A text for each distinct sequence of words, whichever files it lies in."""
        order = np.lexsort((self.exact, self.places))
        return order[np.unique(self.places[order], return_index=True)[1]]

    def texts(self, rows: Places) -> list[str]:
        """Return some of the texts, by their place among all of them."""
        found: dict[int, str] = {}
        wanted = np.unique(rows)
        start = 0
        for part, size in enumerate(self.sizes):
            here = wanted[np.searchsorted(wanted, start) : np.searchsorted(wanted, start + size)]
            if len(here):
                _, texts = self.read(part)
                for row in here.tolist():
                    found[row] = texts[row - start]
            start += size
        return [found[row] for row in rows.tolist()]


def survey(
    read: Read, parts: range, shingle_words: int | None, *, characters: bool = False
) -> Distinct:
    """Look at all texts once.

    Args:
        read: Where they are.
        parts: Which parts there are.
        shingle_words: Words in the shingles that are sketched; null sketches nothing.
        characters: Whether runs of characters are sketched as well.
    """
    ids: list[str] = []
    sizes: list[int] = []
    keys, exact, seen = ([np.empty(0, np.uint64)] for _ in range(3))
    by_words, by_characters = ([np.empty((0, NUM_HASHES), np.uint32)] for _ in range(2))
    unsure: list[npt.NDArray[np.bool_]] = [np.empty(0, np.bool_)]
    for part in parts:
        names, found = read(part)
        words = words_of(found)
        of_part = keys_of(words)
        exact.append(exact_texts(found).hash(seed=0).to_numpy())
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
    all_, places = np.unique(np.concatenate(keys), return_inverse=True)
    sketched = [_sketched(by_words, np.full(len(order), shingle_words is not None), order)]
    sketched.append(_sketched(by_characters, np.concatenate(unsure), order))
    return Distinct(read, ids, sizes, np.concatenate(exact), all_, places, *sketched)


def _unsure(words: pl.Series) -> npt.NDArray[np.bool_]:
    """Tell in which texts a small change is a large part of the words."""
    joined = words.list.join("")
    size = joined.str.len_chars()
    return ((size <= SHORT) | (joined.str.len_bytes() >= size * 1.5)).to_numpy()


def _sketched(parts: list[Sketches], chosen: npt.NDArray[np.bool_], order: Places) -> Sketched:
    """Put the sketches of the chosen texts into the order of the places."""
    found = np.concatenate(parts)
    rank = np.cumsum(chosen) - 1
    kept = order[chosen[order]]
    return Sketched(found[rank[kept]], np.flatnonzero(chosen[order]))
