"""Static embeddings: a text's vector is the mean of its tokens' vectors. Does not import torch.

The mean excludes special tokens and the unknown-word token.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix
from tokenizers import Tokenizer

from prefine.serve.embedded import Embedded
from prefine.serve.scores import Vectors
from prefine.serve.vocabulary import Vocabulary

_BATCH = 512
"""Texts tokenized at once."""


class Static(NamedTuple):
    """A distilled encoder."""

    tokenizer: str
    """JSON of the fast tokenizer."""
    vectors: npt.NDArray[np.float16]
    """One vector per vocabulary token, shape (tokens, dimensions)."""


class StaticEmbedder:
    """Embeds texts as unit vectors by table lookup.

    Args:
        static: Tokenizer and vectors.
        max_chars: Characters after which texts are truncated.
        max_unknown_ratio: Maximum share of unknown words in a text with an embedding.
    """

    def __init__(self, static: Static, max_chars: int, max_unknown_ratio: float) -> None:
        self._tokenizer = Tokenizer.from_str(static.tokenizer)
        self._vocabulary = Vocabulary(static.tokenizer, max_unknown_ratio)
        self._vectors: Vectors = static.vectors.astype(np.float32)
        self._vectors[self._vocabulary.without_meaning] = 0.0
        self._max_chars = max_chars

    def embed(self, texts: Sequence[str], done: Callable[[int], None]) -> Embedded:
        """Embed texts.

        Args:
            texts: Texts to embed.
            done: Called with the number of texts finished since its last call.
        """
        embeddings = [np.empty((0, self._vectors.shape[1]), np.float32)]
        reasons: list[str | None] = []
        for cut, ids in self._batches(texts):
            of_batch = self._vocabulary.reasons(cut, ids)
            vectors = self._mean_directions(ids)
            vectors[[reason is not None for reason in of_batch]] = 0.0
            embeddings.append(vectors)
            reasons += of_batch
            done(len(cut))
        is_cut = [len(text) > self._max_chars for text in texts]
        return Embedded(np.concatenate(embeddings), is_cut, reasons)

    def _batches(self, texts: Sequence[str]) -> Iterator[tuple[list[str], list[list[int]]]]:
        """Yield truncated texts and their token ids, in batches."""
        for start in range(0, len(texts), _BATCH):
            cut = [text[: self._max_chars] for text in texts[start : start + _BATCH]]
            encoded = self._tokenizer.encode_batch_fast(cut, add_special_tokens=False)
            yield cut, [encoding.ids for encoding in encoded]

    def _mean_directions(self, ids: list[list[int]]) -> Vectors:
        """Return the sum of each text's token vectors, scaled to unit length.

        A sparse product is three times as fast as gathering the vectors of each text: 0.7 s against
        2.2 s for 10,000 texts of 103 tokens.
        """
        ends = np.cumsum([0, *map(len, ids)])
        columns = np.fromiter(chain.from_iterable(ids), np.int64, int(ends[-1]))
        ones = np.ones(len(columns), np.float32)
        counts = csr_matrix((ones, columns, ends), shape=(len(ids), len(self._vectors)))
        totals: Vectors = counts @ self._vectors
        norms = np.sqrt(np.einsum("nd,nd->n", totals, totals))[:, None]
        return np.divide(totals, norms, out=np.zeros_like(totals), where=norms > 0)
