"""Static embeddings: a text is the mean of its tokens' vectors.

What comes in: a distilled encoder, texts. What goes out: unit vectors, float32. What never happens:
an import of torch; this is what makes the default encoder quick to start.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

Vectors = npt.NDArray[np.float32]

_BATCH = 512
"""Texts tokenised at once."""


class Static(NamedTuple):
    """A distilled encoder."""

    tokenizer: str
    """JSON of the fast tokenizer."""
    vectors: npt.NDArray[np.float16]
    """Shape (tokens, dimensions)."""


class StaticEmbedder:
    """Turns texts into unit vectors by table look-up."""

    def __init__(self, static: Static, max_chars: int) -> None:
        self._tokenizer = Tokenizer.from_str(static.tokenizer)
        self._vectors: Vectors = static.vectors.astype(np.float32)
        self._max_chars = max_chars

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return one unit vector a text, shape (texts, dimensions); zeros for a blank text."""
        width = self._vectors.shape[1]
        found = [np.empty((0, width), np.float32), *self._batches(texts)]
        return np.concatenate(found)

    def _batches(self, texts: Sequence[str]) -> Iterator[Vectors]:
        for start in range(0, len(texts), _BATCH):
            cut = [text[: self._max_chars] for text in texts[start : start + _BATCH]]
            encoded = self._tokenizer.encode_batch(cut, add_special_tokens=False)
            yield np.stack([self._mean(encoding.ids) for encoding in encoded])

    def _mean(self, ids: list[int]) -> Vectors:
        if not ids:
            return np.zeros_like(self._vectors[0])
        total: Vectors = np.einsum("td->d", self._vectors[ids])
        norm = float(np.sqrt(np.einsum("d,d->", total, total)))
        if norm > 0:
            total /= norm
        return total
