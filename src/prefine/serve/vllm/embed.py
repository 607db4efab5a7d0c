"""Sentence embeddings from vLLM servers.

Token ids are sent, truncated here, and the server must report that it read all of them.
``/v1/embeddings`` takes a list of lists of ids and, with ``encoding_format: base64``, answers with
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
from prefine.serve.embedded import Embedded, embedded
from prefine.serve.scores import Vectors, require_finite
from prefine.serve.vllm.lanes import RequestError
from prefine.serve.vllm.replicas import Call, Replica, Replicas, as_sent, request
from prefine.serve.vllm.served import Served
from prefine.serve.vocabulary import Vocabulary
from prefine.settings import Encoder, Runtime
from prefine.settings.json import Json, is_array

_PROBE = ([1, 2, 1], [2, 1, 2, 1])
"""Ids that every vocabulary has."""


class EmbedClient:
    """Turns texts into unit vectors with one or many servers of a sentence encoder."""

    def __init__(self, served: Served, config: Encoder, runtime: Runtime) -> None:
        self._model, self._config = served.served_model, config
        self._replicas = Replicas(served, runtime)
        self._tokenizer = load_tokenizer(served.model)
        self._vocabulary = Vocabulary(fast_tokenizer(self._tokenizer), config.max_unknown_ratio)

    def check(self) -> list[Json]:
        """Ask every server what it serves, and whether it reads ids as they are.

        Returns:
            What is known of the servers, for the manifest.

        Raises:
            RecipeError: Another model is served, or one that gives no embeddings.
            ServiceError: A server does not answer.
        """
        return asyncio.run(self._replicas.check(self._probe))

    async def _probe(self, replica: Replica, call: Call) -> Json:
        url = f"{replica.url}/v1/embeddings"
        reply = await call("POST", url, self._body(_PROBE))
        vectors = _vectors(reply, _PROBE, replica.url)
        return {"token_ids": "as sent", "dimensions": vectors.shape[1]}

    def _body(self, ids: Sequence[Sequence[int]]) -> Json:
        return {"model": self._model, "input": list(ids), "encoding_format": "base64"}

    def embed(self, texts: Sequence[str], done: Callable[[int], None]) -> Embedded:
        """Embed texts; those whose words the encoder does not know are not sent.

        Args:
            texts: What is embedded.
            done: Told how many more texts are.

        Raises:
            ServiceError: All servers keep failing after all retries.
        """
        return embedded(self, texts, done)

    def encode(self, texts: Sequence[str], done: Callable[[int], None]) -> Vectors:
        """Return one unit vector a text, shape (texts, dimensions).

        Args:
            texts: Not empty as a list.
            done: Told how many more texts are embedded.

        Raises:
            ServiceError: All servers keep failing after all retries.
        """
        ids = self._ids(texts, truncation=True, max_length=self._config.max_tokens)
        return asyncio.run(self._encode(ids, done))

    async def _encode(self, ids: Sequence[Sequence[int]], done: Callable[[int], None]) -> Vectors:
        found: dict[int, Any] = {}
        async with self._replicas.client() as client:

            async def ask(url: str, batch: list[int]) -> int:
                asked = [ids[place] for place in batch]
                found.update(zip(batch, await self._asked(client, url, asked), strict=True))
                done(len(batch))
                return sum(map(len, asked))

            order = sorted(range(len(ids)), key=lambda place: len(ids[place]))
            batches = self._replicas.batches([len(ids[place]) for place in order])
            await self._replicas.share(([order[at] for at in batch] for batch in batches), ask)
        vectors = np.stack([found[place] for place in range(len(ids))])
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)

    async def _asked(
        self, client: httpx.AsyncClient, url: str, ids: Sequence[Sequence[int]]
    ) -> Vectors:
        reply = await request(client, "POST", f"{url}/v1/embeddings", self._body(ids))
        return require_finite(_vectors(reply, ids, url), "embeddings")

    def cuts(self, texts: Sequence[str]) -> list[bool]:
        """Tell of each text whether its vector is that of its beginning alone."""
        longest, ids = self._config.max_tokens, self._ids(texts, truncation=False)
        return [
            len(text) > self._config.max_chars or len(found) > longest
            for text, found in zip(texts, ids, strict=True)
        ]

    def reasons(self, texts: Sequence[str]) -> list[str | None]:
        """Tell of each text why it has no embedding; null where it has one."""
        cut = [text[: self._config.max_chars] for text in texts]
        return self._vocabulary.reasons(cut, self._ids(texts, truncation=False))

    def _ids(self, texts: Sequence[str], **how: object) -> list[list[int]]:
        """Return the ids of texts with the encoder's special tokens, cut texts included."""
        cut = [text[: self._config.max_chars] for text in texts]
        return self._tokenizer(cut, **how)["input_ids"]


def _vectors(reply: Json, asked: Sequence[Sequence[int]], url: str) -> Vectors:
    """Read a reply: one vector a list of ids, in any order.

    Raises:
        RequestError: It has other rows than were asked for.
        RecipeError: The server read other tokens than it was sent.
    """
    as_sent(reply, asked, url)
    rows = reply.get("data")
    if not is_array(rows) or len(rows) != len(asked):
        got = len(rows) if is_array(rows) else "no"
        raise RequestError(f"an answer of {got} rows to a request of {len(asked)}")
    try:
        found = {row["index"]: base64.b64decode(row["embedding"], validate=True) for row in rows}
        return np.stack([np.frombuffer(found[at], "<f4") for at in range(len(asked))])
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise RequestError("an answer of rows that are not those of the request") from error
