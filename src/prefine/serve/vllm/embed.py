"""Sentence embeddings from vLLM servers.

Texts are tokenized and truncated here, and the server must report that it read all token ids.
``/v1/embeddings`` accepts a list of lists of ids and, with ``encoding_format: base64``, returns
little-endian float32.
"""

import asyncio
import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import numpy as np

from prefine.serve.chat import fast_tokenizer, load_tokenizer
from prefine.serve.embedded import Embedded, embed_known
from prefine.serve.scores import Vectors, require_finite
from prefine.serve.vllm.lanes import RequestError
from prefine.serve.vllm.replicas import Call, Replica, Replicas, request, require_tokens_as_sent
from prefine.serve.vllm.served import Served
from prefine.serve.vocabulary import Vocabulary
from prefine.settings import Encoder, Runtime
from prefine.settings.json import Json, is_array

_PROBE = ([1, 2, 1], [2, 1, 2, 1])
"""Token ids that exist in every vocabulary."""


class EmbedClient:
    """Embeds texts as unit vectors with one or more servers of a sentence encoder."""

    def __init__(self, served: Served, config: Encoder, runtime: Runtime) -> None:
        self._model, self._config = served.served_model, config
        self._replicas = Replicas(served, runtime)
        self._tokenizer = load_tokenizer(served.model)
        self._vocabulary = Vocabulary(fast_tokenizer(self._tokenizer), config.max_unknown_ratio)

    def check(self) -> list[Json]:
        """Check the model of every server, and that it reads token ids unchanged.

        Returns:
            Facts of the servers, for the manifest.

        Raises:
            RecipeError: A server has a different model, or one without embeddings.
            ServiceError: A server does not respond.
        """
        return asyncio.run(self._replicas.check(self._probe))

    async def _probe(self, replica: Replica, call: Call) -> Json:
        url = f"{replica.url}/v1/embeddings"
        reply = await call("POST", url, self._body(_PROBE))
        vectors = _parse_vectors(reply, _PROBE, replica.url)
        return {"token_ids": "as sent", "dimensions": vectors.shape[1]}

    def _body(self, ids: Sequence[Sequence[int]]) -> Json:
        return {"model": self._model, "input": list(ids), "encoding_format": "base64"}

    def embed(self, texts: Sequence[str], done: Callable[[int], None]) -> Embedded:
        """Embed texts; blank texts and those of unknown words are not sent.

        Args:
            texts: Texts to embed.
            done: Called with the number of texts finished since its last call.

        Raises:
            ServiceError: All servers keep failing after all retries.
        """
        return embed_known(self, texts, done)

    def encode(self, texts: Sequence[str], done: Callable[[int], None]) -> Vectors:
        """Return one unit vector per text, shape (texts, dimensions).

        Args:
            texts: At least one text.
            done: Called with the number of texts finished since its last call.

        Raises:
            ServiceError: All servers keep failing after all retries.
        """
        ids = self._ids(texts, truncation=True, max_length=self._config.max_tokens)
        return asyncio.run(self._encode(ids, done))

    async def _encode(self, ids: Sequence[Sequence[int]], done: Callable[[int], None]) -> Vectors:
        rows: dict[int, Any] = {}
        async with self._replicas.client() as client:

            async def send(url: str, batch: list[int]) -> int:
                inputs = [ids[index] for index in batch]
                rows.update(zip(batch, await self._request(client, url, inputs), strict=True))
                done(len(batch))
                return sum(map(len, inputs))

            order = sorted(range(len(ids)), key=lambda index: len(ids[index]))
            batches = self._replicas.batches([len(ids[index]) for index in order])
            await self._replicas.dispatch(([order[at] for at in batch] for batch in batches), send)
        vectors = np.stack([rows[index] for index in range(len(ids))])
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)

    async def _request(
        self, client: httpx.AsyncClient, url: str, ids: Sequence[Sequence[int]]
    ) -> Vectors:
        reply = await request(client, "POST", f"{url}/v1/embeddings", self._body(ids))
        return require_finite(_parse_vectors(reply, ids, url), "embeddings")

    def cuts(self, texts: Sequence[str]) -> list[bool]:
        """Return whether each text is truncated before it is encoded."""
        longest, ids = self._config.max_tokens, self._ids(texts, truncation=False)
        return [
            len(text) > self._config.max_chars or len(tokens) > longest
            for text, tokens in zip(texts, ids, strict=True)
        ]

    def reasons(self, texts: Sequence[str]) -> list[str | None]:
        """Return why each text has no embedding; null if it has one."""
        cut = [text[: self._config.max_chars] for text in texts]
        return self._vocabulary.reasons(cut, self._ids(texts, truncation=False))

    def _ids(self, texts: Sequence[str], **options: object) -> list[list[int]]:
        """Return the token ids of texts truncated to ``max_chars``, with special tokens.

        Args:
            texts: Texts to tokenize.
            options: Arguments of the tokenizer.
        """
        cut = [text[: self._config.max_chars] for text in texts]
        return self._tokenizer(cut, **options)["input_ids"]


def _parse_vectors(reply: Json, inputs: Sequence[Sequence[int]], url: str) -> Vectors:
    """Parse a reply as one vector per input, in the order of the request.

    Raises:
        RequestError: The rows of the reply are not those of the request.
        RecipeError: The server read a different number of tokens than it was sent.
    """
    require_tokens_as_sent(reply, inputs, url)
    rows = reply.get("data")
    if not is_array(rows) or len(rows) != len(inputs):
        got = len(rows) if is_array(rows) else "no"
        raise RequestError(f"response has {got} rows, the request had {len(inputs)}")
    try:
        raw = {row["index"]: base64.b64decode(row["embedding"], validate=True) for row in rows}
        return np.stack([np.frombuffer(raw[at], "<f4") for at in range(len(inputs))])
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise RequestError("rows of the response do not match the request") from error
