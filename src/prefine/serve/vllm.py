"""Rewards from vLLM servers: a plain client for the pooling endpoint ``/classify``.

What comes in: token ids. What goes out: raw logits. What never happens: an activated score, a
reply with another number of rows taken as it is, a silent cut.

Facts behind it (vLLM 0.32): ids are accepted as lists of lists; with ``use_activation: false`` the
raw logit stands in ``probs``, without it the reply is a sigmoid that does not say so; a request
over ``max_model_len`` is refused with 400.
"""

import asyncio
import itertools
from collections.abc import Sequence
from typing import Any

import httpx
import numpy as np

from prefine.errors import RecipeError, ServiceError
from prefine.recipe import Runtime, VllmReward
from prefine.schema.json import Json, is_array, is_object
from prefine.serve.reward import Rewards, finite

_RETRIED = {408, 409, 425, 429, 500, 502, 503, 504}
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 30.0
_PROBE = ((1, 2), (2, 1, 2))
"""Two made conversations, of ids that every vocabulary has."""


class VllmServers:
    """One or many servers of one reward model."""

    def __init__(self, config: VllmReward, runtime: Runtime) -> None:
        urls = runtime.servers.get(config.name, ())
        if not urls:
            raise RecipeError(
                f"no server for the reward `{config.name}`: give its address with "
                f"--server {config.name}=http://HOST:PORT"
            )
        self._urls = [url.rstrip("/") for url in urls]
        self._config = config
        self._runtime = runtime

    def check(self) -> None:
        """Ask every server which model it serves, how long a conversation may be, and for logits.

        Raises:
            RecipeError: Another model is served, a shorter one than the recipe allows, or one whose
                rewards are activated.
            ServiceError: A server does not answer.
        """
        asyncio.run(self._check_all())

    async def _check_all(self) -> None:
        async with self._client() as client:
            for url in self._urls:
                reply = await self._send(client, "GET", f"{url}/v1/models", None)
                self._check(url, reply)
                raw, activated = [
                    await self._classify(client, url, _PROBE, activation=on) for on in (False, True)
                ]
                if np.array_equal(raw, activated) and ((raw > 0) & (raw < 1)).all():
                    raise RecipeError(
                        f"{_bare(url)} gives activated rewards though raw logits are asked for; "
                        "start it with an engine that knows `use_activation`, or turn the "
                        "activation off in its pooler configuration"
                    )

    def _check(self, url: str, reply: Json) -> None:
        listed = reply.get("data")
        rows: list[Any] = listed if is_array(listed) else []
        models = {str(item.get("id")): item for item in rows if is_object(item)}
        wanted, url = self._config.served_model, _bare(url)
        if wanted not in models:
            known = ", ".join(models) or "nothing"
            raise RecipeError(f"{url} serves {known}, not `{wanted}` as the recipe says")
        longest = models[wanted].get("max_model_len") or 0
        if longest < self._config.max_tokens:
            raise RecipeError(
                f"{url} accepts {longest} tokens, the recipe allows {self._config.max_tokens}: set "
                f"`max_tokens: {longest}` or start the server with a longer --max-model-len"
            )

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(timeout=self._runtime.timeout_s, trust_env=False)

    def score(self, conversations: Sequence[Sequence[int]]) -> Rewards:
        """Return raw logits, shape (rows, heads), in the order of the conversations.

        Raises:
            ServiceError: A server keeps failing after all retries, or replies with other rows.
        """
        if not conversations:
            return np.empty((0, 1), dtype=np.float32)
        return finite(asyncio.run(self._score(conversations)))

    async def _score(self, conversations: Sequence[Sequence[int]]) -> Rewards:
        size = self._runtime.batch_rows
        batches = [conversations[i : i + size] for i in range(0, len(conversations), size)]
        limits = {url: asyncio.Semaphore(self._runtime.in_flight) for url in self._urls}
        async with self._client() as client:

            async def one(batch: Sequence[Sequence[int]], url: str) -> Rewards:
                async with limits[url]:
                    return await self._classify(client, url, batch)

            shared = zip(batches, itertools.cycle(self._urls), strict=False)
            return np.concatenate(await asyncio.gather(*(one(b, url) for b, url in shared)))

    async def _classify(
        self,
        client: httpx.AsyncClient,
        url: str,
        batch: Sequence[Sequence[int]],
        *,
        activation: bool = False,
    ) -> Rewards:
        body = {
            "model": self._config.served_model,
            "input": [list(ids) for ids in batch],
            "use_activation": activation,
        }
        reply = await self._send(client, "POST", f"{url}/classify", body)
        rows = reply.get("data")
        if not is_array(rows) or len(rows) != len(batch):
            got = len(rows) if is_array(rows) else "no"
            raise ServiceError(f"{_bare(url)} answered {got} rows to a request of {len(batch)}")
        try:
            found = {row["index"]: row["probs"] for row in rows}
            return np.array([found[index] for index in range(len(batch))], dtype=np.float32)
        except (KeyError, TypeError, ValueError) as error:
            text = f"{_bare(url)} answered rows that are not those of the request"
            raise ServiceError(text) from error

    async def _send(
        self, client: httpx.AsyncClient, method: str, url: str, body: object
    ) -> dict[str, Any]:
        """Send a request; wait and repeat while the fault may pass."""
        wait, fault = _FIRST_WAIT_S, "nothing"
        for attempt in range(self._runtime.retries + 1):
            try:
                reply = await client.request(method, url, json=body)
                if reply.is_success:
                    return _object(reply)
                fault = f"status {reply.status_code}: {reply.text[:300]}"
                if reply.status_code not in _RETRIED:
                    raise RecipeError(f"{_bare(url)} refuses the request with {fault}")
            except (httpx.TransportError, ValueError) as error:
                fault = f"{type(error).__name__}: {error}"
            if attempt == self._runtime.retries:
                break
            await asyncio.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT_S)
        tries = self._runtime.retries + 1
        where = _bare(url)
        raise ServiceError(f"{where} failed {tries} times, last with {fault}; is the server up?")


def _object(reply: httpx.Response) -> Json:
    found = reply.json()
    if not is_object(found):
        raise ValueError("the answer is no JSON object")
    return found


def _bare(url: str) -> str:
    """Return an address without the user and password that it may hold."""
    return str(httpx.URL(url).copy_with(userinfo=b""))
