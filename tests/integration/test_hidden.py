"""Hidden states from a server, against a real socket that misbehaves on purpose."""

import json
from collections.abc import Callable, Generator
from typing import Any

import numpy as np
import pytest

from prefine.errors import IntegrityError, RecipeError, ServiceError
from prefine.measure.ches.vllm import VllmChes
from prefine.serve.chat import PromptResponse
from prefine.serve.states import Beginning
from prefine.serve.vllm import lanes
from prefine.serve.vllm.hidden import HiddenStatesClient
from prefine.settings import Inputs, Runtime, Weights
from tests.scripted import Listener, Request

WIDTH = 3


def states(ids: list[int]) -> np.ndarray:
    """Return the state at each token: the sum of all tokens up to it."""
    return np.cumsum([[n, n * n, -n] for n in ids], axis=0).astype("<f4")


class Streaming(Listener):
    """A server that sends states in pieces of odd sizes."""

    def __init__(self, spoil: Callable[[bytes, int], bytes]) -> None:
        def post(request: Request, body: dict[str, Any], number: int) -> None:
            found = states(body["input"])
            request.send_response(200)
            request.send_header("metadata", json.dumps({"data": [{"shape": found.shape}]}))
            request.send_header("transfer-encoding", "chunked")
            request.end_headers()
            data = spoil(found.tobytes(), number)
            for start in range(0, len(data), 7):
                piece = data[start : start + 7]
                request.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            request.wfile.write(b"0\r\n\r\n")

        super().__init__(post, id="policy", max_model_len=500)


@pytest.fixture
def streaming(
    monkeypatch: pytest.MonkeyPatch,
) -> Generator[Callable[[Callable[[bytes, int], bytes]], HiddenStatesClient]]:
    monkeypatch.setattr(lanes, "_FIRST_WAIT_S", 0.01)
    made: list[Streaming] = []

    def make(spoil: Callable[[bytes, int], bytes] = lambda data, _: data) -> HiddenStatesClient:
        made.append(Streaming(spoil))
        measure = VllmChes(
            kind="ches/vllm", weights=Weights(model="a/b"), served_model="policy", max_tokens=500
        )
        runtime = Runtime(servers={"ches": (made[-1].url,)}, retries=1)
        return HiddenStatesClient(measure.server(Inputs()), runtime)

    yield make
    for one in made:
        one.close()


SEQUENCES = [
    PromptResponse([1, 2, 3], [4, 5, 6]),
    PromptResponse([7], [8]),
    PromptResponse([1, 2, 3], list(range(4, 200))),
]


def test_states_are_summed_as_they_arrive_whatever_the_pieces(streaming: Any) -> None:
    beginnings = [Beginning(2, 2), Beginning(0, 1)]

    found = streaming().read(SEQUENCES, beginnings)

    fed = [states([*prompt, *response[:-1]]) for prompt, response in SEQUENCES]
    expected = [fed[0][2:5].sum(axis=0), fed[1][0:1].sum(axis=0), fed[2][2:].sum(axis=0)]
    assert found.sums.tolist() == [total.tolist() for total in expected]
    assert found.firsts.tolist() == [
        fed[2][2:4].sum(axis=0).tolist(),
        fed[0][2:3].sum(axis=0).tolist(),
    ]
    assert np.isnan(found.logps).all()


def test_nothing_to_read_needs_no_request(streaming: Any) -> None:
    assert streaming().read([]).sums.shape[0] == 0


def test_a_reply_that_is_cut_short_is_asked_for_again_and_counted_once(streaming: Any) -> None:
    hidden = streaming(lambda data, number: data[:-5] if number == 1 else data)

    found = hidden.read(SEQUENCES[:1])

    fed = states([1, 2, 3, 4, 5])
    assert found.sums[0].tolist() == fed[2:5].sum(axis=0).tolist()


def test_a_reply_that_is_always_cut_short_is_a_service_error(streaming: Any) -> None:
    with pytest.raises(ServiceError, match="response has 4 states, its header announced 5"):
        streaming(lambda data, _: data[:-5]).read(SEQUENCES[:1])


def test_states_that_are_no_numbers_are_an_error(streaming: Any) -> None:
    spoilt = np.full(WIDTH, np.nan, "<f4").tobytes()

    with pytest.raises(IntegrityError, match="not finite"):
        streaming(lambda data, _: data[: -len(spoilt)] + spoilt).read(SEQUENCES[:1])


def test_scaled_states_are_refused(streaming: Any) -> None:
    def scaled(data: bytes, _: int) -> bytes:
        found = np.frombuffer(data, "<f4").reshape(-1, WIDTH)
        return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype("<f4").tobytes()

    with pytest.raises(RecipeError, match="sends states scaled to length 1"):
        streaming(scaled).check()
    (facts,) = streaming().check()
    assert facts["width"] == WIDTH
    assert facts["states"] == "unscaled"
