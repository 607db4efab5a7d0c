"""Hidden states of a policy from vLLM servers, summed while they are received.

A server sends the states of all tokens as raw float32, and their shape in a header (vLLM 0.32:
``token_embed`` with ``encoding_format: bytes``). They are the states after the final norm, on which
CHES is defined.
"""

import asyncio
from collections.abc import Sequence

import httpx
import numpy as np

from prefine.errors import RecipeError
from prefine.serve.chat import PromptResponse
from prefine.serve.scores import require_finite
from prefine.serve.states import Beginning, Reading, Sums, Values
from prefine.serve.vllm.lanes import RequestError, public_url
from prefine.serve.vllm.replicas import Call, Replica, Replicas, stream
from prefine.serve.vllm.served import Served
from prefine.settings import Runtime
from prefine.settings.json import Json

_PROBE = [1, 2, 1, 1, 2]
"""Token ids that exist in every vocabulary."""


class _Window:
    """Sum over a range of the states of a stream."""

    def __init__(self, start: int, count: int) -> None:
        self._span = (start, start + count)
        self.total: Values | None = None

    def add(self, first: int, states_TD: Sums) -> None:
        """Add the states within the range.

        Args:
            first: Position of the first state.
            states_TD: Consecutive states.
        """
        start, end = (min(max(0, at - first), len(states_TD)) for at in self._span)
        added = states_TD[start:end].sum(axis=0, dtype=np.float64)
        self.total = added if self.total is None else self.total + added


class HiddenStatesClient:
    """Computes sums of hidden states with one or more servers of one policy.

    Args:
        served: The policy.
        runtime: Addresses of the servers, limits and timeouts.
    """

    packs = False

    def __init__(self, served: Served, runtime: Runtime) -> None:
        self._replicas = Replicas(served, runtime)
        self._model = served.served_model

    def check(self) -> list[Json]:
        """Check the model of every server, and that its states are unscaled.

        Returns:
            Facts of the servers, for the manifest.

        Raises:
            RecipeError: A server has a different model, returns no states, or scaled ones.
            ServiceError: A server does not respond.
        """
        return asyncio.run(self._replicas.check(self._probe))

    async def _probe(self, replica: Replica, _call: Call) -> Json:
        windows = [_Window(position, 1) for position in range(len(_PROBE))]
        async with self._replicas.client() as client:
            try:
                await self._stream(client, replica.url, _PROBE, windows)
            except RecipeError as error:
                raise RecipeError(
                    f"{error}; the request was for the states of token ids: start it with "
                    "`--runner pooling --convert embed --pooler-config "
                    '\'{"task": "token_embed", "use_activation": false}\'`'
                ) from error
        states_TD = np.stack([window.total for window in windows if window.total is not None])
        if np.allclose(np.linalg.norm(states_TD, axis=1), 1, atol=1e-3):
            raise RecipeError(
                f"{public_url(replica.url)} sends states scaled to length 1; disable the "
                "activation in the server's pooler configuration"
            )
        return {"token_ids": "as sent", "states": "unscaled", "width": states_TD.shape[1]}

    def read(
        self, sequences: Sequence[PromptResponse], beginnings: Sequence[Beginning] = ()
    ) -> Reading:
        """Compute the sums of each response; see ``StateReader``. Likelihoods are NaN.

        Raises:
            ServiceError: All servers keep failing after all retries.
            IntegrityError: A sum is NaN or infinite.
        """
        windows = [[_Window(len(prompt) - 1, len(response))] for prompt, response in sequences]
        firsts: list[_Window] = []
        for index, count in beginnings:
            firsts.append(_Window(len(sequences[index].prompt) - 1, count))
            windows[index].append(firsts[-1])
        if sequences:
            asyncio.run(self._read(sequences, windows))
        sums = require_finite(_stack([first for first, *_ in windows]), "sums of hidden states")
        unknown = np.full(len(sequences), np.nan)
        return Reading(
            sums, require_finite(_stack(firsts), "sums of hidden states"), unknown, unknown
        )

    async def _read(
        self, sequences: Sequence[PromptResponse], windows: Sequence[list[_Window]]
    ) -> None:
        async with self._replicas.client() as client:

            async def send(url: str, batch: list[int]) -> int:
                (index,) = batch
                for window in windows[index]:
                    window.total = None
                ids = [*sequences[index].prompt, *sequences[index].response[:-1]]
                await self._stream(client, url, ids, windows[index])
                return len(ids)

            await self._replicas.dispatch(([index] for index in range(len(sequences))), send)

    async def _stream(
        self, client: httpx.AsyncClient, url: str, ids: Sequence[int], windows: Sequence[_Window]
    ) -> None:
        """Request the states of token ids, and add them to the windows while they are received."""
        dialect = self._replicas.dialect(url)
        path, body = dialect.hidden_request(self._model, ids)
        async with stream(client, f"{url}{path}", body) as reply:
            tokens, width = dialect.shape_of(reply.headers.get("metadata"))
            if tokens != len(ids):
                raise RecipeError(
                    f"{public_url(url)} read {tokens} tokens where {len(ids)} were sent: it "
                    "adds special tokens or truncates; start it without options for truncation"
                )
            num_states, buffer = 0, b""
            async for piece in reply.aiter_bytes():
                buffer += piece
                complete = len(buffer) // (4 * width)
                states = np.frombuffer(buffer, "<f4", complete * width).reshape(complete, width)
                for window in windows:
                    window.add(num_states, states)
                num_states, buffer = num_states + complete, buffer[4 * width * complete :]
        if num_states != tokens or buffer:
            raise RequestError(f"response has {num_states} states, its header announced {tokens}")


def _stack(windows: Sequence[_Window]) -> Sums:
    totals: list[Values] = []
    for window in windows:
        assert window.total is not None, "a complete reply fills every window"
        totals.append(window.total)
    return np.stack(totals).astype(np.float32) if totals else np.empty((0, 1), np.float32)
