"""Embeddings of texts, and why a text has none."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from prefine.serve.scores import Vectors

BLANK = "blank"
UNKNOWN_WORDS = "unknown_words"


class Embedded(NamedTuple):
    """Embeddings of some texts."""

    vectors: Vectors
    """Unit vectors, shape (texts, dimensions); zeros for a text without an embedding."""
    is_cut: list[bool]
    """Whether a text's vector is that of its beginning alone."""
    reasons: list[str | None]
    """Why a text has no embedding: ``blank`` or ``unknown_words``; else null."""


class Encodes(Protocol):
    """An encoder that tokenizes, embeds and cuts in separate passes."""

    def encode(self, texts: Sequence[str], done: Callable[[int], None]) -> Vectors:
        """Return one unit vector a text."""
        ...

    def cuts(self, texts: Sequence[str]) -> list[bool]:
        """Tell of each text whether its vector is that of its beginning alone."""
        ...

    def reasons(self, texts: Sequence[str]) -> list[str | None]:
        """Tell of each text why it has no embedding."""
        ...


def embedded(encoder: Encodes, texts: Sequence[str], done: Callable[[int], None]) -> Embedded:
    """Embed the texts that can be embedded; the others cost no pass through the encoder."""
    reasons = encoder.reasons(texts)
    known = [place for place, reason in enumerate(reasons) if reason is None]
    vectors = np.zeros((len(texts), 1), np.float32)
    if known:
        found = encoder.encode([texts[place] for place in known], done)
        vectors = np.zeros((len(texts), found.shape[1]), np.float32)
        vectors[known] = found
    done(len(texts) - len(known))
    return Embedded(vectors, encoder.cuts(texts), reasons)
