"""Batches distributed over several servers, with adaptive concurrency for each.

All servers take batches from one queue, so a faster server takes more. The batch of a server that
fails permanently returns to the queue for the others. The number of concurrent requests to a server
(its lanes) follows its latency (Brakmo and Peterson 1995, TCP Vegas): one more while requests do
not queue at the server, one fewer when they do, half after a refused request.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence

import httpx

from prefine.errors import ServiceError

_FIRST_WAIT_S = 0.5
_MAX_WAIT_S = 30.0
_MIN_WAITING, _MAX_WAITING = 2.0, 4.0
"""Range of the requests that should queue at a server, so that it is busy at low latency."""

Send = Callable[[str, list[int]], Awaitable[int]]
"""Sends a batch to the server at an address; returns the number of tokens of the batch."""


class RequestError(ServiceError):
    """A request failed in a way that may succeed on a retry."""

    def __init__(self, text: str, wait_s: float = 0.0) -> None:
        super().__init__(text)
        self.wait_s = wait_s
        """Seconds that the server asked to wait before a retry."""


class Backoff:
    """Exponential backoff of one server.

    Args:
        retries: Maximum failures in a row that are retried.
    """

    def __init__(self, retries: int) -> None:
        self._retries = retries
        self._failures = 0
        self._resume_at = 0.0

    @property
    def remaining_s(self) -> float:
        """Seconds until the next request may be sent."""
        return max(0.0, self._resume_at - time.monotonic())

    def reset(self) -> None:
        """Reset the count of failures after a reply."""
        self._failures = 0

    def add_failure(self, url: str, fault: RequestError) -> None:
        """Count a failure and double the wait; failures of concurrent requests count once.

        Raises:
            ServiceError: The server has failed too often in a row.
        """
        if self.remaining_s:
            return
        self._failures += 1
        if self._failures > self._retries:
            raise ServiceError(
                f"{public_url(url)} failed {self._failures} times, last with {fault}; is the "
                "server running?"
            ) from fault
        wait = min(_FIRST_WAIT_S * 2 ** (self._failures - 1), _MAX_WAIT_S)
        self._resume_at = time.monotonic() + max(wait, fault.wait_s)


class Lanes:
    """Number of concurrent requests to one server, adapted to its latency.

    Args:
        limit: Maximum concurrent requests.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._fastest = float("inf")
        self.width = float(min(2, limit))
        self.active = 0

    @property
    def free(self) -> bool:
        """Whether another request may be sent."""
        return self.active < int(self.width)

    def adapt(self, seconds: float, num_tokens: int) -> None:
        """Adapt to a reply: compare its seconds per token with the fastest so far."""
        pace = seconds / max(num_tokens, 1)
        self._fastest = min(self._fastest, pace)
        waiting = self.width * (1 - self._fastest / pace)
        if waiting < _MIN_WAITING:
            self.width = min(self._limit, self.width + 1 / self.width)
        elif waiting > _MAX_WAITING:
            self.width = max(1.0, self.width - 1 / self.width)

    def halve(self) -> None:
        """Halve the number of concurrent requests after a failure."""
        self.width = max(1.0, self.width / 2)


class Dispatch:
    """One pass over batches with all servers."""

    def __init__(
        self,
        urls: Sequence[str],
        batches: Iterable[list[int]],
        send: Send,
        *,
        limit: int,
        retries: int,
    ) -> None:
        """Prepare a pass; ``finish`` runs it.

        Args:
            urls: Addresses of the servers.
            batches: Indices of each batch.
            send: Sends one batch to one server; raises ``RequestError`` for failures to retry.
            limit: Maximum concurrent requests to one server.
            retries: Maximum failures in a row of a server that are retried.
        """
        self._urls = urls
        self._queue = deque(batches)
        self._remaining = len(self._queue)
        self._send = send
        self._limit, self._retries = limit, retries
        self._changed = asyncio.Condition()
        self._available = set(urls)
        self._last_error: ServiceError | None = None

    async def finish(self) -> None:
        """Process all batches.

        Raises:
            ServiceError: All servers have failed too often in a row.
        """
        try:
            async with asyncio.TaskGroup() as group:
                for url in self._urls:
                    lanes, backoff = Lanes(self._limit), Backoff(self._retries)
                    for _ in range(self._limit):
                        group.create_task(self._lane(url, lanes, backoff))
        except ExceptionGroup as group_error:
            raise group_error.exceptions[0] from group_error
        if self._remaining:
            assert self._last_error is not None, "batches remain only if all servers failed"
            raise self._last_error

    async def _lane(self, url: str, lanes: Lanes, backoff: Backoff) -> None:
        """Process batches until none remains or the server has failed too often."""
        while (batch := await self._next(url, lanes)) is not None:
            try:
                await asyncio.sleep(backoff.remaining_s)
                start = time.monotonic()
                num_tokens = await self._send(url, batch)
                lanes.adapt(time.monotonic() - start, num_tokens)
                backoff.reset()
                self._remaining -= 1
            except RequestError as fault:
                self._queue.appendleft(batch)
                lanes.halve()
                self._back_off(url, backoff, fault)
            finally:
                lanes.active -= 1
                async with self._changed:
                    self._changed.notify_all()

    def _back_off(self, url: str, backoff: Backoff, fault: RequestError) -> None:
        try:
            backoff.add_failure(url, fault)
        except ServiceError as error:
            self._last_error = error
            self._available.discard(url)

    async def _next(self, url: str, lanes: Lanes) -> list[int] | None:
        """Wait for a batch; return null if all are done or this server has failed too often."""

        def ready() -> bool:
            return (
                not self._remaining
                or url not in self._available
                or bool(self._queue and lanes.free)
            )

        async with self._changed:
            await self._changed.wait_for(ready)
            if not self._remaining or url not in self._available:
                return None
            lanes.active += 1
            return self._queue.popleft()


def public_url(url: str) -> str:
    """Return an address without user and password."""
    return str(httpx.URL(url).copy_with(userinfo=b""))
