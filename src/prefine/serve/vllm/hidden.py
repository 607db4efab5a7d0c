"""Hidden states of the policy from vLLM servers, summed as they arrive.

A server sends the states of all tokens of a request as raw float32 behind a header with their shape
(vLLM 0.32: ``token_embed`` with ``encoding_format: bytes``). They are the states after the final
norm, which CHES is defined on.
"""

import asyncio
from collections.abc import Sequence

import httpx
import numpy as np

from prefine.errors import RecipeError
from prefine.serve.chat import PromptResponse
from prefine.serve.scores import require_finite
from prefine.serve.states import Beginning, Reading, Sums, Values
from prefine.serve.vllm.lanes import RequestError, bare
from prefine.serve.vllm.replicas import Call, Replica, Replicas, streamed
from prefine.serve.vllm.served import Served
from prefine.settings import Runtime
from prefine.settings.json import Json

_PROBE = [1, 2, 1, 1, 2]
"""Ids that every vocabulary has."""


class _Window:
    """A sum over some of the states of a stream."""

    def __init__(self, start: int, count: int) -> None:
        self._span = (start, start + count)
        self.total: Values | None = None

    def take(self, first: int, states_TD: Sums) -> None:
        """Add what of some states, the first of which has a number, lies in the window."""
        start, end = (min(max(0, at - first), len(states_TD)) for at in self._span)
        added = states_TD[start:end].sum(axis=0, dtype=np.float64)
        self.total = added if self.total is None else self.total + added


class HiddenStatesClient:
    """One or many servers of one policy's hidden states."""

    packs = False

    def __init__(self, served: Served, runtime: Runtime) -> None:
        self._replicas = Replicas(served, runtime)
        self._model = served.served_model

    def check(self) -> list[Json]:
        """Ask every server what it serves, and whether it sends states as they are.

        Returns:
            What is known of the servers, for the manifest.

        Raises:
            RecipeError: Another model is served, one that gives no states, or scaled ones.
            ServiceError: A server does not answer.
        """
        return asyncio.run(self._replicas.check(self._probe))

    async def _probe(self, replica: Replica, _call: Call) -> Json:
        every = [_Window(place, 1) for place in range(len(_PROBE))]
        async with self._replicas.client() as client:
            try:
                await self._stream(client, replica.url, _PROBE, every)
            except RecipeError as error:
                raise RecipeError(
                    f"{error}; it was asked for the states of token ids: start it with `--runner "
                    "pooling --convert embed --pooler-config "
                    '\'{"task": "token_embed", "use_activation": false}\'`'
                ) from error
        states_TD = np.stack([window.total for window in every if window.total is not None])
        if np.allclose(np.linalg.norm(states_TD, axis=1), 1, atol=1e-3):
            raise RecipeError(
                f"{bare(replica.url)} sends states of length 1, so they are scaled; turn the "
                "activation off in its pooler configuration"
            )
        return {"token_ids": "as sent", "states": "unscaled", "width": states_TD.shape[1]}

    def read(
        self, sequences: Sequence[PromptResponse], beginnings: Sequence[Beginning] = ()
    ) -> Reading:
        """Read each response. See ``StateReader``.

        Raises:
            ServiceError: All servers keep failing after all retries.
            IntegrityError: The policy's states are not finite numbers.
        """
        windows = [[_Window(len(one.prompt) - 1, len(one.response))] for one in sequences]
        firsts: list[_Window] = []
        for index, count in beginnings:
            firsts.append(_Window(len(sequences[index].prompt) - 1, count))
            windows[index].append(firsts[-1])
        if sequences:
            asyncio.run(self._read(sequences, windows))
        sums = require_finite(_stacked([first for first, *_ in windows]), "sums of hidden states")
        unknown = np.full(len(sequences), np.nan)
        return Reading(
            sums, require_finite(_stacked(firsts), "sums of hidden states"), unknown, unknown
        )

    async def _read(
        self, sequences: Sequence[PromptResponse], windows: Sequence[list[_Window]]
    ) -> None:
        async with self._replicas.client() as client:

            async def ask(url: str, batch: list[int]) -> int:
                (place,) = batch
                for window in windows[place]:
                    window.total = None
                fed = [*sequences[place].prompt, *sequences[place].response[:-1]]
                await self._stream(client, url, fed, windows[place])
                return len(fed)

            await self._replicas.share(([place] for place in range(len(sequences))), ask)

    async def _stream(
        self, client: httpx.AsyncClient, url: str, fed: Sequence[int], windows: Sequence[_Window]
    ) -> None:
        """Ask for the states of some ids, and add them up as they arrive."""
        dialect = self._replicas.dialect(url)
        path, body = dialect.hidden_request(self._model, fed)
        async with streamed(client, f"{url}{path}", body) as reply:
            tokens, width = dialect.shape_of(reply.headers.get("metadata"))
            if tokens != len(fed):
                raise RecipeError(
                    f"{bare(url)} read {tokens} tokens where {len(fed)} were sent: it adds special "
                    "tokens or cuts; start it without settings for truncation"
                )
            seen, waiting = 0, b""
            async for piece in reply.aiter_bytes():
                waiting += piece
                whole = len(waiting) // (4 * width)
                states = np.frombuffer(waiting, "<f4", whole * width).reshape(whole, width)
                for window in windows:
                    window.take(seen, states)
                seen, waiting = seen + whole, waiting[4 * width * whole :]
        if seen != tokens or waiting:
            raise RequestError(f"an answer of {seen} states that promised {tokens}")


def _stacked(windows: Sequence[_Window]) -> Sums:
    totals: list[Values] = []
    for window in windows:
        assert window.total is not None, "every window was filled by a reply that was whole"
        totals.append(window.total)
    return np.stack(totals).astype(np.float32) if totals else np.empty((0, 1), np.float32)
