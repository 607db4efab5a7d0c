import numpy as np
import pytest

from prefine.errors import RecipeError
from prefine.serve.vllm.dialect import Dialect, Version, parse_version
from prefine.serve.vllm.lanes import RequestError

IDS = [np.array([5, 6], np.int32), np.array([7], np.int32)]


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("0.32.0+cpu", (0, 32, 0)),
        ("0.9.0.1", (0, 9, 0)),
        ("0.20rc1", (0, 20, 0)),
        ("1.2.3", (1, 2, 3)),
        ("main", Version()),
        (None, Version()),
    ],
)
def test_versions_are_read_and_an_unknown_one_is_the_newest(text: object, version: tuple) -> None:
    assert parse_version(text) == version
    assert Version() > (0, 33, 0)


@pytest.mark.parametrize(
    ("version", "path", "task"),
    [
        ("0.11.1", "/pooling", "classify"),
        ("0.14.1", "/pooling", "classify"),
        ("0.15.0", "/classify", None),
        ("0.33.0", "/classify", None),
    ],
)
def test_rewards_are_asked_where_ids_are_accepted(version: str, path: str, task: object) -> None:
    found, body = Dialect(parse_version(version)).reward_request("rm", IDS, activation=False)

    assert (found, body.get("task")) == (path, task)
    assert body["use_activation"] is False


def test_rewards_are_read_from_both_kinds_of_replies() -> None:
    old = {"data": [{"index": 1, "data": [2.0]}, {"index": 0, "data": [1.0]}]}
    new = {"data": [{"index": 0, "probs": [1.0, 3.0]}, {"index": 1, "probs": [2.0, 4.0]}]}

    assert Dialect(parse_version("0.12.0")).rewards_of(old, 2).tolist() == [[1.0], [2.0]]
    assert Dialect(parse_version("0.32.0")).rewards_of(new, 2).tolist() == [[1.0, 3.0], [2.0, 4.0]]


def test_states_are_asked_unscaled_by_the_name_that_the_version_knows() -> None:
    for version, yes, no in (
        ("0.13.0", "normalize", "use_activation"),
        ("0.14.0", "use_activation", "normalize"),
    ):
        _, body = Dialect(parse_version(version)).hidden_request("policy", [1, 2])
        assert body[yes] is False
        assert no not in body


@pytest.mark.parametrize(
    "header", [None, "{", '{"data": []}', '{"data": [{"shape": [3]}]}', '{"data": [{}, {}]}']
)
def test_a_reply_that_does_not_tell_the_shape_of_its_states_is_a_fault(header: str | None) -> None:
    with pytest.raises(RequestError, match="shape of its states"):
        Dialect(Version()).shape_of(header)


def test_the_shape_of_states_is_read_from_the_header() -> None:
    header = '{"data": [{"index": 0, "shape": [7, 64], "start": 0, "end": 1792}]}'

    assert Dialect(Version()).shape_of(header) == (7, 64)


@pytest.mark.parametrize("task", ["reward", "hidden"])
def test_a_version_that_takes_no_ids_is_refused(task: str) -> None:
    old = Dialect(parse_version("0.10.2"))

    with pytest.raises(RecipeError, match=r"runs vLLM 0\.10\.2, which does not accept token ids"):
        old.require(task, "http://gpu:8000")
    with pytest.raises(RecipeError, match=r"use 0\.11\.1 or later"):
        old.arguments(task)
    old.require("judge", "http://gpu:8000")


def test_named_tokens_are_asked_for_where_the_version_can() -> None:
    assert "logprob_token_ids" not in Dialect(parse_version("0.20.0")).logprobs([3])
    assert Dialect(parse_version("0.21.0")).logprobs([3, 4])["logprob_token_ids"] == [3, 4]


def test_a_server_of_hidden_states_gets_one_task_where_servers_have_one() -> None:
    assert Dialect(parse_version("0.32.0")).arguments("hidden") == [
        *("--runner", "pooling", "--convert", "embed", "--pooler-config"),
        '{"task":"token_embed","use_activation":false}',
    ]
    assert Dialect(parse_version("0.12.0")).arguments("hidden")[-1] == '{"normalize":false}'
    assert Dialect(parse_version("0.12.0")).arguments("reward") == [
        *("--runner", "pooling", "--convert", "classify")
    ]
