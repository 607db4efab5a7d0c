"""Work shared by several servers, each as fast as it can.

Every server has a number of lanes. All lanes take the next batch from one queue, so a faster server
takes more, and the batch of a server that fails for good goes back to the queue for the others. How
many lanes of a server work at a time follows its latency (Brakmo and Peterson 1995, TCP Vegas): one
more while requests do not wait at the server, one fewer when they do, half when it refuses.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence

import httpx

from prefine.errors import ServiceError

_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 30.0
_FEWEST_WAITING, _MOST_WAITING = 2.0, 4.0
"""Requests that should wait at a server, so that it never idles and no latency is wasted."""

Ask = Callable[[str, list[int]], Awaitable[int]]
"""Does a batch on a server, named by its address; returns the tokens that it had."""


class RequestError(ServiceError):
    """One request that failed in a way that may pass."""

    def __init__(self, text: str, wait_s: float = 0.0) -> None:
        super().__init__(text)
        self.wait_s = wait_s
        """How long the server asked to be left alone."""


class Backoff:
    """How long a server is left alone after faults, and when it is given up."""

    def __init__(self, retries: int) -> None:
        self._retries = retries
        self._faults = 0
        self._resume_at = 0.0

    @property
    def left_s(self) -> float:
        """Seconds until the next request."""
        return max(0.0, self._resume_at - time.monotonic())

    def answered(self) -> None:
        """Forget the faults: the server answers again."""
        self._faults = 0

    def failed(self, url: str, fault: RequestError) -> None:
        """Wait longer after each fault; those of requests sent side by side count once.

        Raises:
            ServiceError: The server has failed too often in a row.
        """
        if self.left_s:
            return
        self._faults += 1
        if self._faults > self._retries:
            raise ServiceError(
                f"{bare(url)} failed {self._faults} times, last with {fault}; is the server up?"
            ) from fault
        wait = min(_FIRST_WAIT_S * 2 ** (self._faults - 1), _LONGEST_WAIT_S)
        self._resume_at = time.monotonic() + max(wait, fault.wait_s)


class Lanes:
    """How many requests one server gets at a time."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._quickest = float("inf")
        self.width = float(min(2, most))
        self.active = 0

    @property
    def free(self) -> bool:
        """Whether another request may be sent."""
        return self.active < int(self.width)

    def answered(self, seconds: float, num_tokens: int) -> None:
        """Learn from a reply: its seconds a token, against the quickest so far."""
        pace = seconds / max(num_tokens, 1)
        self._quickest = min(self._quickest, pace)
        waiting = self.width * (1 - self._quickest / pace)
        if waiting < _FEWEST_WAITING:
            self.width = min(self._most, self.width + 1 / self.width)
        elif waiting > _MOST_WAITING:
            self.width = max(1.0, self.width - 1 / self.width)

    def refused(self) -> None:
        """Learn from a server that has too much to do."""
        self.width = max(1.0, self.width / 2)


class Shared:
    """One pass over batches by all servers."""

    def __init__(
        self,
        urls: Sequence[str],
        batches: Iterable[list[int]],
        ask: Ask,
        *,
        most: int,
        retries: int,
    ) -> None:
        """Prepare a pass.

        Args:
            urls: The servers.
            batches: What is to be done.
            ask: Does one batch on one server; raises ``RequestError`` for what may pass.
            most: Most requests to one server at a time.
            retries: How often a server may fail in a row before it is given up.
        """
        self._urls = urls
        self._waiting = deque(batches)
        self._left = len(self._waiting)
        self._ask = ask
        self._most, self._retries = most, retries
        self._changed = asyncio.Condition()
        self._up = set(urls)
        self._last: ServiceError | None = None

    async def finish(self) -> None:
        """Do everything.

        Raises:
            ServiceError: All servers have failed too often.
        """
        try:
            async with asyncio.TaskGroup() as group:
                for url in self._urls:
                    lanes, backoff = Lanes(self._most), Backoff(self._retries)
                    for _ in range(self._most):
                        group.create_task(self._lane(url, lanes, backoff))
        except ExceptionGroup as several:
            raise several.exceptions[0] from several
        if self._left:
            assert self._last is not None, "batches are left only when all servers failed"
            raise self._last

    async def _lane(self, url: str, lanes: Lanes, backoff: Backoff) -> None:
        """Take one batch after another until none is left, or the server is given up."""
        while (batch := await self._next(url, lanes)) is not None:
            try:
                await asyncio.sleep(backoff.left_s)
                start = time.monotonic()
                num_tokens = await self._ask(url, batch)
                lanes.answered(time.monotonic() - start, num_tokens)
                backoff.answered()
                self._left -= 1
            except RequestError as fault:
                self._waiting.appendleft(batch)
                lanes.refused()
                self._wait_or_give_up(url, backoff, fault)
            finally:
                lanes.active -= 1
                async with self._changed:
                    self._changed.notify_all()

    def _wait_or_give_up(self, url: str, backoff: Backoff, fault: RequestError) -> None:
        try:
            backoff.failed(url, fault)
        except ServiceError as error:
            self._last = error
            self._up.discard(url)

    async def _next(self, url: str, lanes: Lanes) -> list[int] | None:
        """Wait for a batch; null when all are done, or this server is given up."""

        def ready() -> bool:
            return not self._left or url not in self._up or bool(self._waiting and lanes.free)

        async with self._changed:
            await self._changed.wait_for(ready)
            if not self._left or url not in self._up:
                return None
            lanes.active += 1
            return self._waiting.popleft()


def bare(url: str) -> str:
    """Return an address without the user and password that it may hold."""
    return str(httpx.URL(url).copy_with(userinfo=b""))
