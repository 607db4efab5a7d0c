"""The texts of a whole corpus, each set of words once, without holding all texts in memory."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

from prefine.text.sketches import NUM_HASHES, Sketches, sketches
from prefine.text.words import Hashes, Places, keys_of, word_shingles, words_of

Read = Callable[[int], tuple[list[str], list[str]]]
"""Returns the ids and the texts of one part; asked again where words are wanted again."""


@dataclass(frozen=True)
class Distinct:
    """What is kept of the texts of a corpus."""

    read: Read
    ids: list[str]
    """Of all texts, part by part."""
    sizes: list[int]
    """How many texts each part has."""
    keys: Hashes
    """One number for each distinct text, ascending; shape (places,)."""
    places: Places
    """Which of them each text is; shape (texts,)."""
    sketches: Sketches
    """Of the distinct texts, shape (places, NUM_HASHES); no rows when none were asked for."""

    def words(self, wanted: Places) -> pl.Series:
        """Return the words of some distinct texts, whose places are ascending."""
        frames: list[pl.DataFrame] = []
        missing = np.zeros(len(self.keys), np.bool_)
        missing[wanted] = True
        start = 0
        for part, size in enumerate(self.sizes):
            here = self.places[start : start + size]
            start += size
            if not missing[here].any():
                continue
            _, first = np.unique(here, return_index=True)
            first = first[missing[here[first]]]
            missing[here[first]] = False
            _, found = self.read(part)
            of_part = {"place": here[first], "words": words_of([found[i] for i in first])}
            frames.append(pl.DataFrame(of_part))
        empty = pl.DataFrame(schema={"place": pl.Int64, "words": pl.List(pl.String)})
        return pl.concat([empty, *frames]).sort("place")["words"]


def survey(read: Read, parts: range, shingle_words: int | None) -> Distinct:
    """Look at all texts once.

    Args:
        read: Where they are.
        parts: Which parts there are.
        shingle_words: Words in the shingles that are sketched; null sketches nothing.
    """
    ids: list[str] = []
    sizes: list[int] = []
    keys: list[Hashes] = [np.empty(0, np.uint64)]
    seen: list[Hashes] = [np.empty(0, np.uint64)]
    sketched: list[Sketches] = [np.empty((0, NUM_HASHES), np.uint32)]
    for part in parts:
        names, found = read(part)
        words = words_of(found)
        of_part = keys_of(words)
        new, first = np.unique(of_part, return_index=True)
        unseen = ~np.isin(new, np.concatenate(seen))
        seen.append(new[unseen])
        if shingle_words is not None:
            shingles = word_shingles(words.gather(first[unseen]), shingle_words)
            sketched.append(sketches(shingles))
        ids += names
        sizes.append(len(names))
        keys.append(of_part)
    order = np.argsort(np.concatenate(seen))
    all_, places = np.unique(np.concatenate(keys), return_inverse=True)
    found_ = np.concatenate(sketched)
    return Distinct(read, ids, sizes, all_, places, found_[order] if len(found_) else found_)
