"""Sentence embeddings: an encoder, or static vectors distilled from one.

Distilling runs every vocabulary token through the encoder once, reduces the vectors with PCA and
weighs them by an estimate of their frequency; a text is then the mean of its tokens' vectors.
Measured on 2 cores: 13 s for 30,522 tokens, once; two runs gave the same bytes.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sentence_transformers import SentenceTransformer
from sklearn.decomposition import PCA  # pyright: ignore[reportMissingTypeStubs]
from threadpoolctl import threadpool_limits  # pyright: ignore[reportMissingTypeStubs]
from tokenizers import Tokenizer

from prefine.errors import RecipeError, ServiceError
from prefine.serve.chat import fast_tokenizer, load_tokenizer
from prefine.serve.embedded import Embedded, embedded
from prefine.serve.local.backends import prepare
from prefine.serve.local.batches import by_budget
from prefine.serve.local.load import load_model
from prefine.serve.local.static import Static
from prefine.serve.processes import start_processes
from prefine.serve.scores import Vectors, require_finite
from prefine.serve.vocabulary import Vocabulary
from prefine.serve.weights import located, unloadable
from prefine.settings import Encoder, Model, Runtime

_BATCH = 512
_WORTH = 8
"""Batches for each process from which on it is worth to start processes."""
_SMOOTHING = 1e-3
"""Tokens more frequent than this share lose weight (Arora et al. 2017, SIF)."""


def distil(source: Model, dimensions: int) -> Static:
    """Distil one vector a vocabulary token.

    Args:
        source: The encoder.
        dimensions: Of the vectors, at most; there are no more than the encoder has.

    Returns:
        The tokenizer and the vectors, rounded to float16.

    Source:
        Minish Lab's Model2Vec for the idea; Arora et al. 2017 for the weights, with Zipf's law
        over token ids as the estimate of frequency (vocabularies are sorted by frequency).
    """
    tokenizer = load_tokenizer(source)
    model = load_model("AutoModel", source, "float32", "cpu")
    states = _token_states(model, tokenizer)
    pca: Any = PCA(min(dimensions, *states.shape), svd_solver="full")
    with threadpool_limits(1):  # several threads would round its sums differently
        reduced: npt.NDArray[np.float64] = pca.fit_transform(states.astype(np.float64))
    rank = np.arange(1, len(states) + 1)
    share = (1 / rank) / (1 / rank).sum()
    weighted = reduced * (_SMOOTHING / (_SMOOTHING + share))[:, None]
    fast = Tokenizer.from_str(fast_tokenizer(tokenizer))
    fast.no_truncation()
    fast.no_padding()
    return Static(fast.to_str(), weighted.astype(np.float16))


def _token_states(model: Any, tokenizer: Any) -> Vectors:
    """Return the mean hidden state of each token between the tokenizer's own special tokens."""
    before, after = _frame(tokenizer)
    found: list[Vectors] = []
    with torch.inference_mode():
        for start in range(0, len(tokenizer), _BATCH):
            ids = torch.arange(start, min(start + _BATCH, len(tokenizer)))[:, None]
            columns = [torch.tensor(before).expand(len(ids), -1), ids]
            columns.append(torch.tensor(after).expand(len(ids), -1))
            full = torch.cat([column.long() for column in columns], dim=1)
            states = model(input_ids=full, attention_mask=torch.ones_like(full))
            found.append(states.last_hidden_state.mean(dim=1).float().numpy())
    return np.concatenate(found)


def _frame(tokenizer: Any) -> tuple[list[int], list[int]]:
    """Return the special tokens that the tokenizer puts before and after a text."""
    empty: list[int] = tokenizer("")["input_ids"]
    half = (len(empty) + 1) // 2
    return empty[:half], empty[half:]


class LocalEmbedder:
    """Turns texts into unit vectors with a sentence encoder."""

    def __init__(self, encoder: Encoder, source: Model, runtime: Runtime) -> None:
        self._runtime = runtime
        self._job = tuple(part.model_dump_json() for part in (encoder, source, runtime))
        self._max_chars = encoder.max_chars
        self._model = _loaded(encoder, source, runtime.device)
        self._vocabulary = Vocabulary(fast_tokenizer(self._tokenizer), encoder.max_unknown_ratio)

    @property
    def _tokenizer(self) -> Any:
        return self._model.tokenizer

    def embed(self, texts: Sequence[str], done: Callable[[int], None]) -> Embedded:
        """Embed texts; those whose words the encoder does not know do not pass through it.

        Args:
            texts: What is embedded.
            done: Told how many more texts are.
        """
        return embedded(self, texts, done)

    def encode(self, texts: Sequence[str], done: Callable[[int], None]) -> Vectors:
        """Return one unit vector a text, shape (texts, dimensions).

        Args:
            texts: What is embedded, those of like length together.
            done: Told how many more texts are.
        """
        cut = [text[: self._max_chars] for text in texts]
        longest = self._model.get_max_seq_length() or self._max_chars
        lengths = [min(length, longest) for length in self._lengths(texts)]
        vectors = np.empty((len(texts), self._model.get_embedding_dimension() or 0), np.float32)
        batches = list(by_budget(lengths, self._runtime.token_budget))
        found = self._encoded([[cut[place] for place in batch] for batch in batches])
        for batch, rows in zip(batches, found, strict=True):
            vectors[batch] = require_finite(rows, "embeddings")
            done(len(batch))
        return vectors

    def _encoded(self, batches: Sequence[list[str]]) -> Iterator[Vectors]:
        """Encode batches in this process, or many batches on a CPU in as many as ``workers`` says.

        A batch's vectors are the same from any process and any number of threads.
        """
        runtime = self._runtime
        shared = runtime.workers > 1 and torch.device(runtime.device).type == "cpu"
        if not shared or len(batches) < _WORTH * runtime.workers:
            return (_vectors(self._model, batch) for batch in batches)
        return _in_processes(self._job, runtime.workers, batches)

    def _lengths(self, texts: Sequence[str]) -> list[int]:
        """Return the tokens of each text, special ones included."""
        return [len(ids) for ids in self._ids(texts)]

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        cut = [text[: self._max_chars] for text in texts]
        return self._tokenizer(cut, truncation=False)["input_ids"] if cut else []

    def reasons(self, texts: Sequence[str]) -> list[str | None]:
        """Tell of each text why it has no embedding; null where it has one."""
        cut = [text[: self._max_chars] for text in texts]
        return self._vocabulary.reasons(cut, self._ids(texts))

    def cuts(self, texts: Sequence[str]) -> list[bool]:
        """Tell of each text whether its vector is that of its beginning alone."""
        longest = self._model.get_max_seq_length() or self._max_chars
        return [
            len(text) > self._max_chars or length > longest
            for text, length in zip(texts, self._lengths(texts), strict=True)
        ]


def _loaded(encoder: Encoder, source: Model, device: str) -> SentenceTransformer:
    try:
        model = SentenceTransformer(located(source), device=device, revision=source.revision)
    except (OSError, ValueError) as error:
        raise unloadable(source, error) from error
    except (AssertionError, RuntimeError) as error:
        raise RecipeError(f"the device `{device}` cannot be used: {error}") from error
    prepare(encoder.backend, model, device)
    return model


def _vectors(model: SentenceTransformer, batch: list[str]) -> Vectors:
    return model.encode(
        batch,
        batch_size=len(batch),
        normalize_embeddings=True,
        show_progress_bar=False,
        convert_to_numpy=True,
    )


def _in_processes(
    job: tuple[str, ...], workers: int, batches: Sequence[list[str]]
) -> Iterator[Vectors]:
    try:
        yield from _processes(job, workers).map(_in_process, batches)
    except BrokenProcessPool as error:
        _processes.cache_clear()
        raise ServiceError(
            "a process that embeds texts was ended, perhaps for lack of memory; "
            "`workers` of the runtime says how many there are"
        ) from error


@lru_cache(maxsize=1)
def _processes(job: tuple[str, ...], workers: int) -> ProcessPoolExecutor:
    """Return the processes that embed, which load the encoder once for all shards."""
    return start_processes(workers, _begin, *job)


_OWN: list[SentenceTransformer] = []
"""The encoder of a process that embeds for another."""


def _begin(encoder: str, source: str, runtime: str) -> None:
    settings = Runtime.model_validate_json(runtime)
    torch.set_num_threads(max(1, torch.get_num_threads() // settings.workers))
    loaded = _loaded(
        Encoder.model_validate_json(encoder), Model.model_validate_json(source), settings.device
    )
    _OWN.append(loaded)


def _in_process(batch: list[str]) -> Vectors:
    return _vectors(_OWN[0], batch)
