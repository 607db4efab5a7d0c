"""Raw rewards from vLLM servers.

Facts behind it (vLLM 0.32): ids are accepted as lists of lists; with ``use_activation: false`` the
raw logit stands in ``probs``, without it the reply is a sigmoid that does not say so; a request
over ``max_model_len`` is refused with 400.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import httpx
import numpy as np

from prefine.errors import RecipeError
from prefine.serve.scores import Conversation, OnBatch, Rewards, require_finite
from prefine.serve.vllm.lanes import bare
from prefine.serve.vllm.replicas import Call, Replica, Replicas, as_sent, request
from prefine.serve.vllm.served import Served
from prefine.settings import Runtime
from prefine.settings.json import Json

_PROBE = (np.array([1, 2], np.int32), np.array([2, 1, 2], np.int32))
"""Two made conversations, of ids that every vocabulary has."""


class RewardClient:
    """One or many servers of one reward model."""

    def __init__(self, served: Served, runtime: Runtime, *, num_heads: int) -> None:
        self._replicas = Replicas(served, runtime)
        self._model = served.served_model
        self._num_heads = num_heads

    def check(self) -> list[Json]:
        """Ask every server which model it serves, how long a conversation may be, and for logits.

        Returns:
            What is known of the servers, for the manifest.

        Raises:
            RecipeError: Another model is served, a shorter one than the recipe allows, one of other
                heads, one whose rewards are activated, or one that takes no token ids.
            ServiceError: A server does not answer.
        """
        return asyncio.run(self._replicas.check(self._probe))

    async def _probe(self, replica: Replica, call: Call) -> Json:
        raw, activated = [
            await self._probed(replica, call, activation=activation) for activation in (False, True)
        ]
        if np.array_equal(raw, activated) and ((raw > 0) & (raw < 1)).all():
            raise RecipeError(
                f"{bare(replica.url)} gives activated rewards though raw logits are asked for; "
                "start it with an engine that knows `use_activation`, or turn the "
                "activation off in its pooler configuration"
            )
        if raw.shape[1] != self._num_heads:
            raise RecipeError(
                f"{bare(replica.url)} gives {raw.shape[1]} rewards a response, the recipe names "
                f"{self._num_heads}; `heads` of the measure gives each a name"
            )
        return {"token_ids": "as sent", "rewards": "raw logits", "heads": raw.shape[1]}

    async def _probed(self, replica: Replica, call: Call, *, activation: bool) -> Rewards:
        asked = replica.dialect.reward_request(self._model, _PROBE, activation=activation)
        try:
            reply = await call("POST", f"{replica.url}{asked[0]}", asked[1])
        except RecipeError as error:
            raise RecipeError(
                f"{error}; it was asked for the rewards of token ids, which it must accept: is it "
                "a reward model, started with `--runner pooling`?"
            ) from error
        as_sent(reply, _PROBE, replica.url)
        return replica.dialect.rewards_of(reply, len(_PROBE))

    def score(
        self, conversations: Sequence[Conversation], on_batch: OnBatch | None = None
    ) -> Rewards:
        """Return raw logits, shape (rows, heads), in the order of the conversations.

        Args:
            conversations: Token ids.
            on_batch: Told of each batch as it is answered: places, and rewards.

        Raises:
            ServiceError: All servers keep failing after all retries, or reply with other rows.
        """
        if not conversations:
            return np.empty((0, self._num_heads), dtype=np.float32)
        return asyncio.run(self._score(conversations, on_batch))

    async def _score(
        self, conversations: Sequence[Conversation], on_batch: OnBatch | None
    ) -> Rewards:
        done: dict[int, Any] = {}
        async with self._replicas.client() as client:

            async def ask(url: str, batch: list[int]) -> int:
                asked = [conversations[place] for place in batch]
                rewards = require_finite(await self._rewards(client, url, asked))
                done.update(zip(batch, rewards, strict=True))
                if on_batch is not None:
                    on_batch(batch, rewards)
                return sum(map(len, asked))

            batches = self._replicas.batches([len(ids) for ids in conversations])
            await self._replicas.share(batches, ask)
        return np.stack([done[place] for place in range(len(conversations))])

    async def _rewards(
        self, client: httpx.AsyncClient, url: str, asked: Sequence[Conversation]
    ) -> Rewards:
        dialect = self._replicas.dialect(url)
        path, body = dialect.reward_request(self._model, asked, activation=False)
        reply = await request(client, "POST", f"{url}{path}", body)
        as_sent(reply, asked, url)
        return dialect.rewards_of(reply, len(asked))
