"""Requests to one or more servers of the same model, and checks of each server.

Transient failures are retried, and every request has a timeout. Error messages contain no
credentials and no text of the data.
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
from prefine.serve.vllm.dialect import Dialect, parse_version
from prefine.serve.vllm.lanes import Backoff, Dispatch, RequestError, Send, public_url
from prefine.serve.vllm.served import Served
from prefine.settings import Runtime
from prefine.settings.json import Json, is_array, is_object

_RETRIED = {408, 409, 425, 429, 500, 502, 503, 504}
"""Status codes of transient failures."""
_MAX_RETRY_AFTER_S = 60.0
_HEADERS = {"content-type": "application/json"}
_ECHO = re.compile(r"""\\*["']input\\*["']\s*:""")
"""Start of the request that a server repeats in its error; it contains the data."""


class Replica(NamedTuple):
    """A checked server."""

    url: str
    """Address of the server."""
    dialect: Dialect
    """Protocol of its version."""
    facts: Json
    """Version, served model and maximum input length, for the manifest."""


Call = Callable[[str, str, object], Awaitable[Json]]
"""Sends a request (method, address, body) and retries transient failures."""


class Replicas:
    """One or more servers of the same model.

    Args:
        served: The model and its task.
        runtime: Addresses of the servers, limits and timeouts.

    Raises:
        RecipeError: The runtime has no address of a server for the model.
    """

    def __init__(self, served: Served, runtime: Runtime) -> None:
        urls = runtime.servers.get(served.name, ())
        if not urls:
            raise RecipeError(
                f"no server for the measure `{served.name}`: set its address with "
                f"--server {served.name}=http://HOST:PORT, or start one with "
                f"--server {served.name}=start"
            )
        self.urls = [url.rstrip("/") for url in urls]
        self._served = served
        self._runtime = runtime
        self._dialects: dict[str, Dialect] = {}

    def dialect(self, url: str) -> Dialect:
        """Return the protocol of a server; the latest if the server was not checked."""
        return self._dialects.get(url, Dialect(parse_version(None)))

    @asynccontextmanager
    async def client(self) -> AsyncGenerator[httpx.AsyncClient]:
        """Yield the HTTP client for requests."""
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        timeout = httpx.Timeout(self._runtime.timeout_s)
        async with httpx.AsyncClient(timeout=timeout, limits=limits, trust_env=False) as client:
            yield client

    async def check(self, probe: Callable[[Replica, Call], Awaitable[Json]]) -> list[Json]:
        """Check the model of every server, and probe it.

        Args:
            probe: Checks a server for the task; returns facts for the manifest.

        Returns:
            Distinct facts of the servers, for the manifest.

        Raises:
            RecipeError: A server has a different model, or its maximum input is shorter than the
                recipe's.
            ServiceError: A server does not respond.
        """
        distinct: list[Json] = []
        async with self.client() as client:

            async def call(method: str, url: str, body: object) -> Json:
                return await self._request_with_retries(client, method, url, body)

            for url in self.urls:
                replica = await self._query(client, url)
                self._dialects[url] = replica.dialect
                facts = replica.facts | await probe(replica, call)
                if facts not in distinct:
                    distinct.append(facts)
        return sorted(distinct, key=lambda facts: orjson.dumps(facts, option=orjson.OPT_SORT_KEYS))

    async def _query(self, client: httpx.AsyncClient, url: str) -> Replica:
        listed = (await self._request_with_retries(client, "GET", f"{url}/v1/models", None)).get(
            "data"
        )
        rows: list[Any] = listed if is_array(listed) else []
        models = {str(item.get("id")): item for item in rows if is_object(item)}
        facts = self._model_facts(models, public_url(url))
        try:
            version = (await request(client, "GET", f"{url}/version", None)).get("version")
        except (RequestError, RecipeError):
            version = None
        dialect = Dialect(parse_version(version))
        dialect.require(self._served.task, public_url(url))
        return Replica(url, dialect, {"vllm": str(dialect.version), **facts})

    def _model_facts(self, models: Mapping[str, Json], url: str) -> Json:
        wanted = self._served.served_model
        if wanted not in models:
            names = ", ".join(models) or "no model"
            raise RecipeError(f"{url} serves {names}, not `{wanted}` as the recipe says")
        longest = models[wanted].get("max_model_len") or 0
        if longest < (self._served.max_tokens or 0):
            raise RecipeError(
                f"{url} accepts {longest} tokens, the recipe allows {self._served.max_tokens}: set "
                f"`max_tokens: {longest}` or start the server with a larger --max-model-len"
            )
        root, model = _hub_name(models[wanted].get("root")), self._served.model
        expected = None if model.digest else _hub_name(model.model)  # a folder has a digest
        if root and expected and root != expected:
            raise RecipeError(f"{url} serves {root} as `{wanted}`, the recipe requires {expected}")
        return {"model": wanted, "root": root, "max_model_len": longest}

    async def dispatch(self, batches: Iterable[list[int]], send: Send) -> None:
        """Distribute batches over all servers.

        Args:
            batches: Indices of each batch.
            send: Sends one batch to one server.

        Raises:
            ServiceError: All servers keep failing after all retries.
        """
        limit, retries = self._runtime.in_flight, self._runtime.retries
        await Dispatch(self.urls, batches, send, limit=limit, retries=retries).finish()

    def batches(self, lengths: Sequence[int]) -> Iterable[list[int]]:
        """Group consecutive inputs, which often share a prompt, into batches.

        Args:
            lengths: Number of tokens of each input.

        Yields:
            Indices, at most ``batch_rows`` with at most ``request_tokens`` tokens together.
        """
        batch: list[int] = []
        tokens = 0
        for index, length in enumerate(lengths):
            full = len(batch) == self._runtime.batch_rows
            if batch and (full or tokens + length > self._runtime.request_tokens):
                yield batch
                batch, tokens = [], 0
            batch.append(index)
            tokens += length
        if batch:
            yield batch

    async def _request_with_retries(
        self, client: httpx.AsyncClient, method: str, url: str, body: object
    ) -> Json:
        """Send a request; retry transient failures."""
        backoff = Backoff(self._runtime.retries)
        while True:
            try:
                return await request(client, method, url, body)
            except RequestError as fault:
                backoff.add_failure(url, fault)
                await asyncio.sleep(backoff.remaining_s)


def require_tokens_as_sent(reply: Json, inputs: Sequence[Sized], url: str) -> None:
    """Check that a server neither added special tokens to a request nor truncated it.

    Args:
        reply: Response with the number of tokens that the server read.
        inputs: Token ids that were sent.
        url: Address of the server, for the message.

    Raises:
        RecipeError: The server read a different number of tokens.
    """
    usage = reply.get("usage")
    read = usage.get("prompt_tokens") if is_object(usage) else None
    sent = sum(map(len, inputs))
    if isinstance(read, int) and read != sent:
        raise RecipeError(
            f"{public_url(url)} read {read} tokens where {sent} were sent: it adds special "
            "tokens or truncates; start it without options for truncation"
        )


def _hub_name(root: object) -> str | None:
    """Return the hub name in a model's ``root``; null if it is a path."""
    if not isinstance(root, str) or root.count("/") != 1:
        return None
    return None if root.startswith((".", "/", "~")) else root


async def request(client: httpx.AsyncClient, method: str, url: str, body: object) -> Json:
    """Send one request and return the JSON object of the response.

    Raises:
        RequestError: A transient failure, or the response is not a JSON object.
        RecipeError: The server rejects the request.
    """
    async with _send(client, method, url, body) as reply:
        try:
            parsed = json.loads(await reply.aread())
        except (httpx.TransportError, ValueError) as error:
            raise RequestError(f"{type(error).__name__}: {error}") from error
    if is_object(parsed):
        return parsed
    raise RequestError("response is not a JSON object")


@asynccontextmanager
async def stream(
    client: httpx.AsyncClient, url: str, body: object
) -> AsyncGenerator[httpx.Response]:
    """Send one request; yield the response after its headers, for streaming.

    Raises:
        RequestError: A transient failure, also while the response is read.
        RecipeError: The server rejects the request.
    """
    async with _send(client, "POST", url, body) as reply:
        try:
            yield reply
        except httpx.TransportError as error:
            raise RequestError(f"{type(error).__name__}: {error}") from error


@asynccontextmanager
async def _send(
    client: httpx.AsyncClient, method: str, url: str, body: object
) -> AsyncGenerator[httpx.Response]:
    content = None if body is None else orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)
    unsent = client.build_request(method, url, content=content, headers=_HEADERS)
    try:
        reply = await client.send(unsent, stream=True)
    except httpx.TransportError as error:
        raise RequestError(f"{type(error).__name__}: {error}") from error
    try:
        if not reply.is_success:
            await _raise_failure(reply, url)
        yield reply
    finally:
        await reply.aclose()


async def _raise_failure(reply: httpx.Response, url: str) -> None:
    """Raise the error for a response whose status is not a success."""
    try:
        await reply.aread()
    except httpx.TransportError as error:
        raise RequestError(f"{type(error).__name__}: {error}") from error
    fault = f"status {reply.status_code}: {_ECHO.split(reply.text)[0][:300]}"
    if reply.status_code in _RETRIED:
        raise RequestError(fault, _retry_after_s(reply))
    raise RecipeError(f"{public_url(url)} rejects the request with {fault}")


def _retry_after_s(reply: httpx.Response) -> float:
    """Return the seconds of the ``Retry-After`` header; 0 unless it is a number."""
    header = reply.headers.get("retry-after", "")
    return min(float(header), _MAX_RETRY_AFTER_S) if header.isdigit() else 0.0
