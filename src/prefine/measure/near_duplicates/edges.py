"""Bounds of near duplicates, and edges between texts whose embeddings are close."""

from typing import NamedTuple

import numpy as np

from prefine.measure.near_duplicates.semantic import Nearness
from prefine.search.settings import Search
from prefine.text import near
from prefine.text.clusters import Edges
from prefine.text.differences import TRAITS, Apart
from prefine.text.distinct import Distinct


class Bounds(NamedTuple):
    """How similar near duplicates are; the settings of the measure explain each bound."""

    by: tuple[str, ...] = ("lexical",)
    jaccard: float = 0.8
    shingle_words: int = 3
    character_jaccard: float | None = 0.7
    shingle_characters: int = 3
    apart: tuple[Apart, ...] = TRAITS
    chained: float = 0.5
    similarity: float = 0.9
    semantic_jaccard: float = 0.5
    neighbours: int = 16
    search: Search = Search()

    @property
    def lexical(self) -> bool:
        """Whether word shingles are compared."""
        return "lexical" in self.by

    @property
    def characters(self) -> bool:
        """Whether character shingles are compared."""
        return self.lexical and self.character_jaccard is not None

    @property
    def of_texts(self) -> near.Bounds:
        """The bounds for words and characters."""
        characters = self.character_jaccard if self.lexical else None
        return near.Bounds(
            *(self.jaccard, self.shingle_words, characters, self.shingle_characters),
            apart=self.apart,
            chained=self.chained,
        )

    @property
    def nearness(self) -> Nearness:
        """The settings for comparing embeddings."""
        return Nearness(self.similarity, self.neighbours, self.search)


def semantic_edges(texts: Distinct, bounds: Bounds, edges: Edges) -> Edges:
    """Return the edges between texts that have enough words in common."""
    if not bounds.semantic_jaccard or not len(edges.pairs):
        return edges
    wanted, rows = np.unique(edges.pairs, return_inverse=True)
    words = near.words_at(texts, wanted)
    overlap = near.word_overlaps(words, rows.reshape(-1, 2), bounds.shingle_words)
    return edges.where(overlap >= bounds.semantic_jaccard)
