"""Near duplicates of texts by words and characters, and the clusters that they form."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from prefine.text.clusters import Edges, centres, edges_of, merge_edges
from prefine.text.differences import TRAITS, Apart, traits
from prefine.text.distinct import Distinct, Sketched
from prefine.text.overlap import overlaps
from prefine.text.sketches import candidates, estimates, sketches
from prefine.text.typos import are_typos
from prefine.text.words import Indices, character_shingles, split_words, word_shingles

_CHARACTERS = 0.65
"""Overlap of byte shingles from which texts are compared by characters. Texts with 4 % wrong
letters have 0.72 to 0.88 (medians of English, Chinese and Korean prompts)."""

_MARGIN = 0.15
"""Pairs whose estimated overlap is further below the bound are not compared: more than three
standard errors."""


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
    """Edges that form clusters, and pairs that a difference keeps apart."""

    edges: Edges
    apart: dict[Apart, Indices]
    """Pairs of texts by their most serious difference."""


def lexical_edges(texts: Distinct, bounds: Bounds) -> Edges:
    """Return the edges between distinct texts whose words or characters overlap enough."""
    proposed = _proposed(texts, bounds)
    wanted, rows = np.unique(proposed, return_inverse=True)
    rows = rows.reshape(-1, 2)
    words = words_at(texts, wanted)
    likely = estimates(texts.words.sketches, proposed) >= bounds.jaccard - _MARGIN
    by_words = np.zeros(len(proposed))
    by_words[likely] = word_overlaps(words, rows[likely], bounds.shingle_words)
    same = by_words >= bounds.jaccard
    edges = edges_of(proposed[same], "words", by_words[same])
    if bounds.character_jaccard is None or same.all():
        return edges
    by_characters = _character_overlaps(words, rows[~same], bounds, bounds.character_jaccard)
    near = np.flatnonzero(by_characters >= bounds.character_jaccard)
    only_typos = [
        are_typos(words[int(a)].to_list(), words[int(b)].to_list()) for a, b in rows[~same][near]
    ]
    near = near[np.array(only_typos, np.bool_)]
    return merge_edges(edges, edges_of(proposed[~same][near], "characters", by_characters[near]))


def word_overlaps(words: pl.Series, pairs: Indices, shingle_words: int) -> npt.NDArray[np.float64]:
    """Return the Jaccard overlap of the word shingles of each pair.

    Args:
        words: Lists of words, one list for each text.
        pairs: Rows of ``words``, shape (pairs, 2).
        shingle_words: Words in a shingle.
    """
    wanted, rows = np.unique(pairs, return_inverse=True)
    return overlaps(word_shingles(words.gather(wanted), shingle_words), rows.reshape(-1, 2))


def _character_overlaps(
    words: pl.Series, pairs: Indices, bounds: Bounds, least: float
) -> npt.NDArray[np.float64]:
    """Return the character overlap of each pair; 0 where the estimate is far below ``least``."""
    wanted, rows = np.unique(pairs, return_inverse=True)
    rows = rows.reshape(-1, 2)
    shingles = character_shingles(words.gather(wanted), bounds.shingle_characters)
    likely = estimates(sketches(shingles), rows) >= least - _MARGIN
    overlap = np.zeros(len(pairs))
    overlap[likely] = overlaps(shingles, rows[likely])
    return overlap


def _proposed(texts: Distinct, bounds: Bounds) -> Indices:
    """Return the candidate pairs, each once."""

    def of(sketched: Sketched, bound: float) -> Indices:
        return sketched.indices[candidates(sketched.sketches, bound)]

    by_words = of(texts.words, bounds.jaccard)
    if bounds.character_jaccard is None:
        return by_words
    both = np.concatenate([by_words, of(texts.characters, _CHARACTERS)])
    return np.unique(both, axis=0)


def split_by_traits(texts: Distinct, bounds: Bounds, edges: Edges) -> Kept:
    """Remove the edges between texts that differ in a trait of ``bounds.apart``.

    Equality of traits is transitive, so all texts of a cluster of the remaining edges agree in
    these traits.
    """
    wanted, rows = np.unique(edges.pairs, return_inverse=True)
    rows = rows.reshape(-1, 2)
    of_texts = traits(texts.texts(texts.first[wanted]))
    joined_rows = np.ones(len(rows), np.bool_)
    apart: dict[Apart, Indices] = {}
    for column, name in enumerate(TRAITS):
        if name in bounds.apart:
            unlike = joined_rows & (of_texts[rows[:, 0], column] != of_texts[rows[:, 1], column])
            apart[name] = edges.pairs[unlike]
            joined_rows &= ~unlike
    return Kept(edges.where(joined_rows), apart)


def cluster_centres(texts: Distinct, bounds: Bounds, edges: Edges) -> Indices:
    """Return the centre of each distinct text's cluster, shape (distinct,)."""

    def alike(pairs: Indices) -> npt.NDArray[np.bool_]:
        if not len(pairs):
            return np.empty(0, np.bool_)
        wanted, rows = np.unique(pairs, return_inverse=True)
        overlap = word_overlaps(words_at(texts, wanted), rows.reshape(-1, 2), bounds.shingle_words)
        return overlap >= bounds.chained

    return centres(len(texts.keys), edges.pairs, alike)


def words_at(texts: Distinct, indices: Indices) -> pl.Series:
    """Return the words of some of the distinct texts, one list for each."""
    return split_words(texts.texts(texts.first[indices]))
