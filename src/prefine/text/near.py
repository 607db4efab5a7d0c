"""Near duplicates of texts by words and characters, and the clusters that they form."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from prefine.text.clusters import Edges, centres, edges_of, joined
from prefine.text.differences import TRAITS, Apart, traits
from prefine.text.distinct import Distinct, Sketched
from prefine.text.overlap import overlaps
from prefine.text.sketches import candidates, estimates, sketches
from prefine.text.slips import are_slips
from prefine.text.words import Places, character_shingles, word_shingles, words_of

_CHARACTERS = 0.65
"""Overlap of runs of 6 bytes at which texts are compared by their characters. Texts in which 4 of
100 letters are wrong have 0.72 to 0.88 (the median of English, Chinese and Korean prompts)."""

_MARGIN = 0.15
"""Pairs whose sketches say so much less than the bound are not compared: more than three standard
errors."""


class Bounds(NamedTuple):
    """How similar two texts must be to be near duplicates."""

    jaccard: float = 0.8
    """Minimum Jaccard overlap of word shingles, in (0, 1]."""
    shingle_words: int = 3
    """Words in a shingle."""
    character_jaccard: float | None = 0.7
    """Minimum Jaccard overlap of character shingles, where the differing words are typos of each
    other; null compares words only."""
    shingle_characters: int = 3
    """Characters in a shingle."""
    apart: tuple[Apart, ...] = TRAITS
    """Differences that keep two texts in different clusters."""
    chained: float = 0.5
    """Minimum Jaccard overlap of word shingles between a cluster's centre and its other members."""


class Kept(NamedTuple):
    """Edges that make clusters, and what keeps the others apart."""

    edges: Edges
    apart: dict[Apart, Places]
    """The pairs of places that differ so, each under the gravest of its differences."""


def lexical_edges(found: Distinct, bounds: Bounds) -> Edges:
    """Return the edges between distinct texts whose words, or characters, overlap enough."""
    proposed = _proposed(found, bounds)
    wanted, rows = np.unique(proposed, return_inverse=True)
    rows = rows.reshape(-1, 2)
    words = words_at(found, wanted)
    likely = estimates(found.words.sketches, proposed) >= bounds.jaccard - _MARGIN
    by_words = np.zeros(len(proposed))
    by_words[likely] = word_overlaps(words, rows[likely], bounds.shingle_words)
    same = by_words >= bounds.jaccard
    edges = edges_of(proposed[same], "words", by_words[same])
    if bounds.character_jaccard is None or same.all():
        return edges
    by_characters = _character_overlaps(words, rows[~same], bounds, bounds.character_jaccard)
    near = np.flatnonzero(by_characters >= bounds.character_jaccard)
    slips = [
        are_slips(words[int(a)].to_list(), words[int(b)].to_list()) for a, b in rows[~same][near]
    ]
    near = near[np.array(slips, np.bool_)]
    return joined(edges, edges_of(proposed[~same][near], "characters", by_characters[near]))


def word_overlaps(words: pl.Series, pairs: Places, shingle_words: int) -> npt.NDArray[np.float64]:
    """Return the Jaccard overlap of the word shingles of each pair.

    Args:
        words: Lists of words, one list for each text.
        pairs: Rows of ``words``, shape (pairs, 2).
        shingle_words: Words in a shingle.
    """
    wanted, rows = np.unique(pairs, return_inverse=True)
    return overlaps(word_shingles(words.gather(wanted), shingle_words), rows.reshape(-1, 2))


def _character_overlaps(
    words: pl.Series, pairs: Places, bounds: Bounds, least: float
) -> npt.NDArray[np.float64]:
    """Return the overlap of the characters of each pair; 0 where it is surely below ``least``."""
    wanted, rows = np.unique(pairs, return_inverse=True)
    rows = rows.reshape(-1, 2)
    shingles = character_shingles(words.gather(wanted), bounds.shingle_characters)
    likely = estimates(sketches(shingles), rows) >= least - _MARGIN
    found = np.zeros(len(pairs))
    found[likely] = overlaps(shingles, rows[likely])
    return found


def _proposed(found: Distinct, bounds: Bounds) -> Places:
    """Return the pairs that are compared, each once."""

    def of(sketched: Sketched, bound: float) -> Places:
        return sketched.places[candidates(sketched.sketches, bound)]

    by_words = of(found.words, bounds.jaccard)
    if bounds.character_jaccard is None:
        return by_words
    both = np.concatenate([by_words, of(found.characters, _CHARACTERS)])
    return np.unique(both, axis=0)


def kept_apart(found: Distinct, bounds: Bounds, edges: Edges) -> Kept:
    """Leave out the edges between texts that differ in what the recipe keeps apart.

    Such a difference is between traits, which are equal or not: whatever chain of the edges that
    are kept leads from one text to another, the two have equal traits.
    """
    wanted, rows = np.unique(edges.pairs, return_inverse=True)
    rows = rows.reshape(-1, 2)
    of_texts = traits(found.texts(found.first[wanted]))
    left = np.ones(len(rows), np.bool_)
    apart: dict[Apart, Places] = {}
    for column, name in enumerate(TRAITS):
        if name in bounds.apart:
            unlike = left & (of_texts[rows[:, 0], column] != of_texts[rows[:, 1], column])
            apart[name] = edges.pairs[unlike]
            left &= ~unlike
    return Kept(edges.where(left), apart)


def centre_of(found: Distinct, bounds: Bounds, edges: Edges) -> Places:
    """Return the centre of each distinct text's cluster, shape (places,)."""

    def alike(pairs: Places) -> npt.NDArray[np.bool_]:
        if not len(pairs):
            return np.empty(0, np.bool_)
        wanted, rows = np.unique(pairs, return_inverse=True)
        overlap = word_overlaps(words_at(found, wanted), rows.reshape(-1, 2), bounds.shingle_words)
        return overlap >= bounds.chained

    return centres(len(found.keys), edges.pairs, alike)


def words_at(found: Distinct, places: Places) -> pl.Series:
    """Return the words of some of the distinct texts, one list for each."""
    return words_of(found.texts(found.first[places]))
