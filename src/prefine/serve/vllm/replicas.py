"""Requests to one or many servers that do the same, and what each server reports of itself.

Faults that may pass are retried, every request has a time limit, and no password or data stands in
a message.
"""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence, Sized
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx
import orjson

from prefine.errors import RecipeError
from prefine.serve.vllm.dialect import Dialect, parse
from prefine.serve.vllm.lanes import Ask, Backoff, RequestError, Shared, bare
from prefine.serve.vllm.served import Served
from prefine.settings import Runtime
from prefine.settings.json import Json, is_array, is_object

_RETRIED = {408, 409, 425, 429, 500, 502, 503, 504}
_LONGEST_ASKED_WAIT_S = 60.0
_HEADERS = {"content-type": "application/json"}
_ECHO = re.compile(r"""\\*["']input\\*["']\s*:""")
"""Where an error begins to repeat the request, which holds the data."""


class Replica(NamedTuple):
    """One server that passed its check."""

    url: str
    dialect: Dialect
    facts: Json
    """Version, served model, longest input: what a manifest tells of it."""


Call = Callable[[str, str, object], Awaitable[Json]]
"""Sends a request (method, address, body) and waits out faults that pass."""


class Replicas:
    """One or many servers that do the same."""

    def __init__(self, served: Served, runtime: Runtime) -> None:
        urls = runtime.servers.get(served.name, ())
        if not urls:
            raise RecipeError(
                f"no server for the measure `{served.name}`: give its address with "
                f"--server {served.name}=http://HOST:PORT, or start one with "
                f"--server {served.name}=start"
            )
        self.urls = [url.rstrip("/") for url in urls]
        self._served = served
        self._runtime = runtime
        self._known: dict[str, Dialect] = {}

    def dialect(self, url: str) -> Dialect:
        """Return how to speak to a server; one that was not checked counts as new."""
        return self._known.get(url, Dialect(parse(None)))

    @asynccontextmanager
    async def client(self) -> AsyncGenerator[httpx.AsyncClient]:
        """Yield what requests are sent with."""
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        timeout = httpx.Timeout(self._runtime.timeout_s)
        async with httpx.AsyncClient(timeout=timeout, limits=limits, trust_env=False) as client:
            yield client

    async def check(self, probe: Callable[[Replica, Call], Awaitable[Json]]) -> list[Json]:
        """Ask every server what it serves, and probe it.

        Args:
            probe: Asks what the task needs; returns what it found out.

        Returns:
            What is known of the servers, alike ones once.

        Raises:
            RecipeError: Another model is served, or a shorter one than the recipe allows.
            ServiceError: A server does not answer.
        """
        found: list[Json] = []
        async with self.client() as client:

            async def call(method: str, url: str, body: object) -> Json:
                return await self._patiently(client, method, url, body)

            for url in self.urls:
                replica = await self._asked(client, url)
                self._known[url] = replica.dialect
                facts = replica.facts | await probe(replica, call)
                if facts not in found:
                    found.append(facts)
        return sorted(found, key=lambda facts: orjson.dumps(facts, option=orjson.OPT_SORT_KEYS))

    async def _asked(self, client: httpx.AsyncClient, url: str) -> Replica:
        listed = (await self._patiently(client, "GET", f"{url}/v1/models", None)).get("data")
        rows: list[Any] = listed if is_array(listed) else []
        models = {str(item.get("id")): item for item in rows if is_object(item)}
        facts = self._model_facts(models, bare(url))
        try:
            told = (await request(client, "GET", f"{url}/version", None)).get("version")
        except (RequestError, RecipeError):
            told = None
        dialect = Dialect(parse(told))
        dialect.require(self._served.task, bare(url))
        return Replica(url, dialect, {"vllm": str(dialect.version), **facts})

    def _model_facts(self, models: Mapping[str, Json], url: str) -> Json:
        wanted = self._served.served_model
        if wanted not in models:
            known = ", ".join(models) or "nothing"
            raise RecipeError(f"{url} serves {known}, not `{wanted}` as the recipe says")
        longest = models[wanted].get("max_model_len") or 0
        if longest < (self._served.max_tokens or 0):
            raise RecipeError(
                f"{url} accepts {longest} tokens, the recipe allows {self._served.max_tokens}: set "
                f"`max_tokens: {longest}` or start the server with a longer --max-model-len"
            )
        root, model = _hub_name(models[wanted].get("root")), self._served.model
        mine = None if model.digest else _hub_name(model.model)  # a folder has a digest
        if root and mine and root != mine:
            raise RecipeError(f"{url} serves {root} as `{wanted}`, and the recipe means {mine}")
        return {"model": wanted, "root": root, "max_model_len": longest}

    async def share(self, batches: Iterable[list[int]], ask: Ask) -> None:
        """Do batches on all servers, each as fast as it can.

        Raises:
            ServiceError: All servers keep failing after all retries.
        """
        most, retries = self._runtime.in_flight, self._runtime.retries
        await Shared(self.urls, batches, ask, most=most, retries=retries).finish()

    def batches(self, lengths: Sequence[int]) -> Iterable[list[int]]:
        """Group neighbours, which share their prompts, up to so many rows and tokens."""
        batch: list[int] = []
        tokens = 0
        for place, length in enumerate(lengths):
            full = len(batch) == self._runtime.batch_rows
            if batch and (full or tokens + length > self._runtime.request_tokens):
                yield batch
                batch, tokens = [], 0
            batch.append(place)
            tokens += length
        if batch:
            yield batch

    async def _patiently(
        self, client: httpx.AsyncClient, method: str, url: str, body: object
    ) -> Json:
        """Send a request; wait and repeat while the fault may pass."""
        backoff = Backoff(self._runtime.retries)
        while True:
            try:
                return await request(client, method, url, body)
            except RequestError as fault:
                backoff.failed(url, fault)
                await asyncio.sleep(backoff.left_s)


def as_sent(reply: Json, asked: Sequence[Sized], url: str) -> None:
    """Check that a server read the tokens that it was sent: none added, none cut off.

    Raises:
        RecipeError: It tells of another number.
    """
    usage = reply.get("usage")
    read = usage.get("prompt_tokens") if is_object(usage) else None
    sent = sum(map(len, asked))
    if isinstance(read, int) and read != sent:
        raise RecipeError(
            f"{bare(url)} read {read} tokens where {sent} were sent: it adds special tokens or "
            "cuts; start it without settings for truncation"
        )


def _hub_name(root: object) -> str | None:
    """Return what a server calls its model's origin, unless that is a place on its disk."""
    if not isinstance(root, str) or root.count("/") != 1:
        return None
    return None if root.startswith((".", "/", "~")) else root


async def request(client: httpx.AsyncClient, method: str, url: str, body: object) -> Json:
    """Send one request and return the JSON object that it is answered with.

    Raises:
        RequestError: A fault that may pass.
        RecipeError: The server refuses the request for good.
    """
    async with _answered(client, method, url, body) as reply:
        try:
            found = json.loads(await reply.aread())
        except (httpx.TransportError, ValueError) as error:
            raise RequestError(f"{type(error).__name__}: {error}") from error
    if is_object(found):
        return found
    raise RequestError("response is not a JSON object")


@asynccontextmanager
async def streamed(
    client: httpx.AsyncClient, url: str, body: object
) -> AsyncGenerator[httpx.Response]:
    """Send one request; yield the reply once it begins, to be read piece by piece.

    Raises:
        RequestError: A fault that may pass, also while the reply is read.
        RecipeError: The server refuses the request for good.
    """
    async with _answered(client, "POST", url, body) as reply:
        try:
            yield reply
        except httpx.TransportError as error:
            raise RequestError(f"{type(error).__name__}: {error}") from error


@asynccontextmanager
async def _answered(
    client: httpx.AsyncClient, method: str, url: str, body: object
) -> AsyncGenerator[httpx.Response]:
    content = None if body is None else orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)
    asked = client.build_request(method, url, content=content, headers=_HEADERS)
    try:
        reply = await client.send(asked, stream=True)
    except httpx.TransportError as error:
        raise RequestError(f"{type(error).__name__}: {error}") from error
    try:
        if not reply.is_success:
            await _refused(reply, url)
        yield reply
    finally:
        await reply.aclose()


async def _refused(reply: httpx.Response, url: str) -> None:
    try:
        await reply.aread()
    except httpx.TransportError as error:
        raise RequestError(f"{type(error).__name__}: {error}") from error
    fault = f"status {reply.status_code}: {_ECHO.split(reply.text)[0][:300]}"
    if reply.status_code in _RETRIED:
        raise RequestError(fault, _wanted_wait(reply))
    raise RecipeError(f"{bare(url)} refuses the request with {fault}")


def _wanted_wait(reply: httpx.Response) -> float:
    """Return the seconds of ``Retry-After``, where they are given as a number."""
    given = reply.headers.get("retry-after", "")
    return min(float(given), _LONGEST_ASKED_WAIT_S) if given.isdigit() else 0.0
