"""Embeddings of texts, and the reasons why a text has none."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from prefine.serve.scores import Vectors

BLANK = "blank"
"""The text has no tokens."""
UNKNOWN_WORDS = "unknown_words"
"""The encoder's vocabulary covers too few of the text's words."""


class Embedded(NamedTuple):
    """Embeddings of some texts."""

    vectors: Vectors
    """Unit vectors, shape (texts, dimensions); zeros for a text without an embedding."""
    is_cut: list[bool]
    """Whether each text was truncated before it was embedded."""
    reasons: list[str | None]
    """Why each text has no embedding: ``blank`` or ``unknown_words``; null if it has one."""


class Encodes(Protocol):
    """An encoder whose truncation and vocabulary can be checked without embedding."""

    def encode(self, texts: Sequence[str], done: Callable[[int], None]) -> Vectors:
        """Return one unit vector per text, shape (texts, dimensions)."""
        ...

    def cuts(self, texts: Sequence[str]) -> list[bool]:
        """Return whether each text is truncated before it is embedded."""
        ...

    def reasons(self, texts: Sequence[str]) -> list[str | None]:
        """Return why each text has no embedding; null if it has one."""
        ...


def embed_known(encoder: Encodes, texts: Sequence[str], done: Callable[[int], None]) -> Embedded:
    """Embed texts; those that have no embedding get zeros and are not encoded.

    Args:
        encoder: Embeds the texts.
        texts: Texts to embed.
        done: Called with the number of texts finished since its last call.
    """
    reasons = encoder.reasons(texts)
    known = [index for index, reason in enumerate(reasons) if reason is None]
    vectors = np.zeros((len(texts), 1), np.float32)
    if known:
        encoded = encoder.encode([texts[index] for index in known], done)
        vectors = np.zeros((len(texts), encoded.shape[1]), np.float32)
        vectors[known] = encoded
    done(len(texts) - len(known))
    return Embedded(vectors, encoder.cuts(texts), reasons)
