"""Raw rewards from vLLM servers.

In vLLM 0.32, ids are accepted as lists of lists; with ``use_activation: false`` the field ``probs``
contains raw logits, otherwise their sigmoid, without any mark; a request longer than
``max_model_len`` is rejected with status 400.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import httpx
import numpy as np

from prefine.errors import RecipeError
from prefine.serve.scores import Conversation, OnBatch, Rewards, require_finite
from prefine.serve.vllm.lanes import public_url
from prefine.serve.vllm.replicas import Call, Replica, Replicas, request, require_tokens_as_sent
from prefine.serve.vllm.served import Served
from prefine.settings import Runtime
from prefine.settings.json import Json

_PROBE = (np.array([1, 2], np.int32), np.array([2, 1, 2], np.int32))
"""Two conversations of token ids that exist in every vocabulary."""


class RewardClient:
    """Scores conversations with one or more servers of one reward model.

    Args:
        served: The reward model.
        runtime: Addresses of the servers, limits and timeouts.
        num_heads: Number of rewards per conversation.
    """

    def __init__(self, served: Served, runtime: Runtime, *, num_heads: int) -> None:
        self._replicas = Replicas(served, runtime)
        self._model = served.served_model
        self._num_heads = num_heads

    def check(self) -> list[Json]:
        """Check model, maximum length and raw logits of every server.

        Returns:
            Facts of the servers, for the manifest.

        Raises:
            RecipeError: A server has a different model, a shorter maximum length than the recipe or
                a different number of heads, returns activated rewards, or rejects token ids.
            ServiceError: A server does not respond.
        """
        return asyncio.run(self._replicas.check(self._probe))

    async def _probe(self, replica: Replica, call: Call) -> Json:
        raw, activated = [
            await self._probe_rewards(replica, call, activation=activation)
            for activation in (False, True)
        ]
        if np.array_equal(raw, activated) and ((raw > 0) & (raw < 1)).all():
            raise RecipeError(
                f"{public_url(replica.url)} returns activated rewards instead of raw logits; use a "
                "vLLM that supports `use_activation`, or disable the activation in the server's "
                "pooler configuration"
            )
        if raw.shape[1] != self._num_heads:
            raise RecipeError(
                f"{public_url(replica.url)} returns {raw.shape[1]} rewards per response, the "
                f"recipe names {self._num_heads}; name each reward in `heads` of the measure"
            )
        return {"token_ids": "as sent", "rewards": "raw logits", "heads": raw.shape[1]}

    async def _probe_rewards(self, replica: Replica, call: Call, *, activation: bool) -> Rewards:
        path, body = replica.dialect.reward_request(self._model, _PROBE, activation=activation)
        try:
            reply = await call("POST", f"{replica.url}{path}", body)
        except RecipeError as error:
            raise RecipeError(
                f"{error}; the request was for the rewards of token ids: is it a reward model, "
                "started with `--runner pooling`?"
            ) from error
        require_tokens_as_sent(reply, _PROBE, replica.url)
        return replica.dialect.rewards_of(reply, len(_PROBE))

    def score(
        self, conversations: Sequence[Conversation], on_batch: OnBatch | None = None
    ) -> Rewards:
        """Return raw logits, shape (conversations, heads), in the order of the conversations.

        Args:
            conversations: Token ids.
            on_batch: Called after each batch with its indices and rewards.

        Raises:
            ServiceError: All servers keep failing after all retries.
            IntegrityError: A reward is NaN or infinite.
        """
        if not conversations:
            return np.empty((0, self._num_heads), dtype=np.float32)
        return asyncio.run(self._score(conversations, on_batch))

    async def _score(
        self, conversations: Sequence[Conversation], on_batch: OnBatch | None
    ) -> Rewards:
        rows: dict[int, Any] = {}
        async with self._replicas.client() as client:

            async def send(url: str, batch: list[int]) -> int:
                inputs = [conversations[index] for index in batch]
                rewards = require_finite(await self._request(client, url, inputs))
                rows.update(zip(batch, rewards, strict=True))
                if on_batch is not None:
                    on_batch(batch, rewards)
                return sum(map(len, inputs))

            batches = self._replicas.batches([len(ids) for ids in conversations])
            await self._replicas.dispatch(batches, send)
        return np.stack([rows[index] for index in range(len(conversations))])

    async def _request(
        self, client: httpx.AsyncClient, url: str, inputs: Sequence[Conversation]
    ) -> Rewards:
        dialect = self._replicas.dialect(url)
        path, body = dialect.reward_request(self._model, inputs, activation=False)
        reply = await request(client, "POST", f"{url}{path}", body)
        require_tokens_as_sent(reply, inputs, url)
        return dialect.rewards_of(reply, len(inputs))
