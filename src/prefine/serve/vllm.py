"""Rewards from vLLM servers: a client for the pooling endpoint ``/classify``.

What comes in: token ids. What goes out: raw logits. What never happens: an activated score, a
reply with another number of rows taken as it is, a silent cut.

Facts behind it (vLLM 0.32): ids are accepted as lists of lists; with ``use_activation: false`` the
raw logit stands in ``probs``, without it the reply is a sigmoid that does not say so; a request
over ``max_model_len`` is refused with 400.
"""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import httpx
import numpy as np
import orjson

from prefine.errors import RecipeError
from prefine.recipe import Runtime, VllmReward
from prefine.schema.json import Json, is_array, is_object
from prefine.serve.lanes import Backoff, RequestError, Shared, bare
from prefine.serve.reward import Conversation, OnBatch, Rewards, finite

_RETRIED = {408, 409, 425, 429, 500, 502, 503, 504}
_LONGEST_ASKED_WAIT_S = 60.0
_PROBE = (np.array([1, 2], np.int32), np.array([2, 1, 2], np.int32))
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
                reply = await self._patiently(client, "GET", f"{url}/v1/models", None)
                self._check(url, reply)
                raw, activated = [
                    _rewards(
                        await self._patiently(
                            client, "POST", f"{url}/classify", self._body(_PROBE, activation=on)
                        ),
                        len(_PROBE),
                    )
                    for on in (False, True)
                ]
                if np.array_equal(raw, activated) and ((raw > 0) & (raw < 1)).all():
                    raise RecipeError(
                        f"{bare(url)} gives activated rewards though raw logits are asked for; "
                        "start it with an engine that knows `use_activation`, or turn the "
                        "activation off in its pooler configuration"
                    )

    def _check(self, url: str, reply: Json) -> None:
        listed = reply.get("data")
        rows: list[Any] = listed if is_array(listed) else []
        models = {str(item.get("id")): item for item in rows if is_object(item)}
        wanted, url = self._config.served_model, bare(url)
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
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        timeout = httpx.Timeout(self._runtime.timeout_s)
        return httpx.AsyncClient(timeout=timeout, limits=limits, trust_env=False)

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
            return np.empty((0, 1), dtype=np.float32)
        return asyncio.run(self._score(conversations, on_batch))

    async def _score(
        self, conversations: Sequence[Conversation], on_batch: OnBatch | None
    ) -> Rewards:
        done: dict[int, Any] = {}
        async with self._client() as client:

            async def ask(url: str, batch: list[int]) -> int:
                asked = [conversations[place] for place in batch]
                reply = await _request(client, "POST", f"{url}/classify", self._body(asked))
                rewards = finite(_rewards(reply, len(batch)))
                done.update(zip(batch, rewards, strict=True))
                if on_batch is not None:
                    on_batch(batch, rewards)
                return sum(map(len, asked))

            most, retries = self._runtime.in_flight, self._runtime.retries
            batches = self._batches(conversations)
            await Shared(self._urls, batches, ask, most=most, retries=retries).finish()
        return np.stack([done[place] for place in range(len(conversations))])

    def _batches(self, conversations: Sequence[Conversation]) -> Iterator[list[int]]:
        """Group neighbours, which share their prompts, up to so many rows and tokens."""
        batch: list[int] = []
        tokens = 0
        for place, ids in enumerate(conversations):
            full = len(batch) == self._runtime.batch_rows
            if batch and (full or tokens + len(ids) > self._runtime.request_tokens):
                yield batch
                batch, tokens = [], 0
            batch.append(place)
            tokens += len(ids)
        if batch:
            yield batch

    def _body(self, batch: Sequence[Conversation], *, activation: bool = False) -> Json:
        """Return a request for the rewards of some conversations."""
        model = self._config.served_model
        return {"model": model, "input": list(batch), "use_activation": activation}

    async def _patiently(
        self, client: httpx.AsyncClient, method: str, url: str, body: object
    ) -> Json:
        """Send a request; wait and repeat while the fault may pass."""
        backoff = Backoff(self._runtime.retries)
        while True:
            try:
                return await _request(client, method, url, body)
            except RequestError as fault:
                backoff.failed(url, fault)
                await asyncio.sleep(backoff.left_s)


async def _request(client: httpx.AsyncClient, method: str, url: str, body: object) -> Json:
    content = None if body is None else orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)
    headers = {"content-type": "application/json"}
    try:
        reply = await client.request(method, url, content=content, headers=headers)
        if reply.is_success:
            found = reply.json()
            if is_object(found):
                return found
            raise RequestError("an answer that is no JSON object")
    except (httpx.TransportError, ValueError) as error:
        raise RequestError(f"{type(error).__name__}: {error}") from error
    fault = f"status {reply.status_code}: {reply.text[:300]}"
    if reply.status_code in _RETRIED:
        raise RequestError(fault, _wanted_wait(reply))
    raise RecipeError(f"{bare(url)} refuses the request with {fault}")


def _wanted_wait(reply: httpx.Response) -> float:
    """Return the seconds of ``Retry-After``, where they are given as a number."""
    given = reply.headers.get("retry-after", "")
    return min(float(given), _LONGEST_ASKED_WAIT_S) if given.isdigit() else 0.0


def _rewards(reply: Json, count: int) -> Rewards:
    """Read a reply: one row a conversation, in any order."""
    rows = reply.get("data")
    if not is_array(rows) or len(rows) != count:
        got = len(rows) if is_array(rows) else "no"
        raise RequestError(f"an answer of {got} rows to a request of {count}")
    try:
        found = {row["index"]: row["probs"] for row in rows}
        return np.array([found[index] for index in range(count)], dtype=np.float32)
    except (KeyError, TypeError, ValueError) as error:
        raise RequestError("an answer of rows that are not those of the request") from error
