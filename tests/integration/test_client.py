"""The reward client against a real socket that misbehaves on purpose."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prefine.errors import DataError, IntegrityError, RecipeError, ServiceError
from prefine.measure.reward.vllm import VllmReward
from prefine.planning import publish_plan
from prefine.serve.vllm import lanes
from prefine.serve.vllm.reward import RewardClient
from prefine.settings import Inputs, Model, Runtime, Weights
from tests.made import byte_tokenizer, call, explicit, llama, run_recipe, table
from tests.scripted import Listener, Request

Reply = tuple[int, Any]
Answer = Callable[[dict[str, Any], int], Reply]


def rows(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Answer as vLLM does: the sum of the ids is the logit."""
    return [
        {"index": i, "probs": [float(sum(ids))], "num_classes": 1}
        for i, ids in enumerate(body["input"])
    ]


class Scripted(Listener):
    """A reward server."""

    def __init__(self, answer: Answer) -> None:
        def post(request: Request, body: dict[str, Any], number: int) -> None:
            status, reply = answer(body, number)
            if status == 0:
                request.close_connection = True
                return
            request.send(reply, status)

        super().__init__(post, id="rm", max_model_len=10**6, root="/models/rm")


@pytest.fixture
def scripted() -> Generator[Callable[[Answer], Scripted]]:
    made: list[Scripted] = []

    def make(answer: Answer) -> Scripted:
        made.append(Scripted(answer))
        return made[-1]

    yield make
    for server in made:
        server.close()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "_FIRST_WAIT_S", 0.01)


def client_of(runtime: Runtime, model: Model | None = None) -> RewardClient:
    """Return the client of a measure; the recipe was resolved if a model is given."""
    weights = Weights(model="a/b" if model is None else model.model)
    measure = VllmReward(kind="reward/vllm", name="rm", weights=weights, served_model="rm")
    inputs = Inputs() if model is None else Inputs(models={weights.key: model})
    return RewardClient(measure.server(inputs), runtime, num_heads=measure.num_heads)


def client(*servers: Scripted, **more: Any) -> RewardClient:
    urls = tuple(server.url for server in servers)
    return client_of(Runtime(**{"servers": {"rm": urls}, "batch_rows": 2, **more}))


CONVERSATIONS = [np.array(ids, np.int32) for ids in ([1, 2], [3], [4, 5], [6], [7, 8, 9])]
EXPECTED = [3, 3, 9, 6, 24]


def test_rewards_come_back_in_order_whatever_the_order_of_rows(scripted: Any) -> None:
    server = scripted(lambda body, _: (200, {"data": rows(body)[::-1]}))

    found = client(server).score(CONVERSATIONS)

    assert found[:, 0].tolist() == EXPECTED
    assert all(body["use_activation"] is False for body in server.requests)
    assert all(body["model"] == "rm" for body in server.requests)
    assert sorted(len(body["input"]) for body in server.requests) == [1, 2, 2]


def test_two_servers_share_the_work(scripted: Any) -> None:
    servers = [scripted(lambda body, _: (200, {"data": rows(body)})) for _ in range(2)]

    found = client(*servers, batch_rows=1).score(CONVERSATIONS)

    assert found[:, 0].tolist() == EXPECTED
    assert sorted(len(server.requests) for server in servers) == [2, 3]


@pytest.mark.parametrize("fault", [429, 503, 500, 0])
def test_a_fault_that_passes_is_waited_out(scripted: Any, fault: int) -> None:
    def answer(body: dict[str, Any], number: int) -> Reply:
        return (fault, {}) if number <= 2 else (200, {"data": rows(body)})

    server = scripted(answer)

    assert client(server, in_flight=1).score(CONVERSATIONS)[:, 0].tolist() == EXPECTED
    assert len(server.requests) == 5


def test_a_fault_that_stays_is_a_service_error_that_names_it(scripted: Any) -> None:
    server = scripted(lambda _body, _number: (503, {"error": "busy"}))

    with pytest.raises(ServiceError, match=r"failed 3 times, last with status 503: .*busy"):
        client(server, retries=2).score(CONVERSATIONS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda found: found[:-1], "response has 1 rows, the request had 2"),
        (lambda found: [*found, found[0]], "response has 3 rows, the request had 2"),
        (lambda found: [found[0], found[0]], "rows of the response do not match the request"),
        (lambda _: None, "response has no rows"),
        (
            lambda found: [{"index": row["index"]} for row in found],
            "rows of the response do not match the request",
        ),
        (
            lambda found: [row["probs"] for row in found],
            "rows of the response do not match the request",
        ),
    ],
)
def test_another_number_of_rows_is_a_service_error(
    scripted: Any, change: Callable[[Any], Any], message: str
) -> None:
    server = scripted(lambda body, _: (200, {"data": change(rows(body))}))

    with pytest.raises(ServiceError, match=message):
        client(server, retries=0).score(CONVERSATIONS[:2])


def test_a_reward_that_is_no_number_is_an_error(scripted: Any) -> None:
    def answer(body: dict[str, Any], _: int) -> Reply:
        text = json.dumps({"data": [{**row, "probs": [float("nan")]} for row in rows(body)]})
        return 200, text.encode()

    with pytest.raises(IntegrityError, match="not finite"):
        client(scripted(answer)).score(CONVERSATIONS)


def test_a_reply_that_is_no_json_is_tried_again(scripted: Any) -> None:
    def answer(body: dict[str, Any], number: int) -> Reply:
        return (200, b"<html>") if number == 1 else (200, {"data": rows(body)})

    assert client(scripted(answer), in_flight=1).score(CONVERSATIONS[1:2])[:, 0].tolist() == [3.0]


def test_a_request_that_is_refused_is_not_repeated(scripted: Any) -> None:
    server = scripted(lambda _body, _number: (400, {"error": "too many input_tokens"}))

    with pytest.raises(RecipeError, match="rejects the request with status 400"):
        client(server, in_flight=1).score(CONVERSATIONS[1:2])

    assert len(server.requests) == 1


@pytest.mark.parametrize("echo", ["'input': {'messages': 'my secret'}", '"input": "my secret"'])
def test_a_refusal_that_repeats_the_request_is_told_without_it(scripted: Any, echo: str) -> None:
    told = f"1 validation error: [{{'type': 'missing', 'loc': ('body',), {echo}}}]"
    server = scripted(lambda _body, _number: (400, {"error": {"message": told}}))

    with pytest.raises(RecipeError, match=r"1 validation error.*missing") as caught:
        client(server).score(CONVERSATIONS[:1])

    assert "secret" not in str(caught.value)


def test_no_conversations_need_no_request(scripted: Any) -> None:
    server = scripted(lambda _body, _number: (500, {}))

    assert client(server).score([]).shape == (0, 1)
    assert client(server).score([]).dtype == np.float32


def test_a_reward_without_a_server_says_how_to_name_one() -> None:
    with pytest.raises(RecipeError, match=r"--server rm=http://HOST:PORT"):
        client()


def test_rewards_that_are_activated_all_the_same_are_refused(scripted: Any) -> None:
    def sigmoids(body: dict[str, Any], _: int) -> Reply:
        return 200, {"data": [{**row, "probs": [1 / (1 + row["probs"][0])]} for row in rows(body)]}

    def logits(body: dict[str, Any], number: int) -> Reply:
        return sigmoids(body, number) if body["use_activation"] else (200, {"data": rows(body)})

    facts = client(scripted(logits), scripted(logits)).check()
    client(scripted(lambda body, _: (200, {"data": rows(body)}))).check()
    assert facts == [
        {
            "vllm": "0.32.0",
            "model": "rm",
            "root": None,
            "max_model_len": 10**6,
            "token_ids": "as sent",
            "rewards": "raw logits",
            "heads": 1,
        }
    ]
    with pytest.raises(RecipeError, match="returns activated rewards instead of raw logits"):
        client(scripted(sigmoids)).check()


def test_a_server_that_reads_other_tokens_than_were_sent_is_refused(scripted: Any) -> None:
    def adds_bos(body: dict[str, Any], _: int) -> Reply:
        read = sum(len(ids) + 1 for ids in body["input"])
        return 200, {"data": rows(body), "usage": {"prompt_tokens": read}}

    with pytest.raises(RecipeError, match="read 7 tokens where 5 were sent"):
        client(scripted(adds_bos)).check()


def test_a_server_of_another_hub_model_is_refused(scripted: Any) -> None:
    server = scripted(lambda body, _: (200, {"data": rows(body)}))
    server.model["root"] = "other/model"

    with pytest.raises(RecipeError, match="serves other/model as `rm`, the recipe requires a/b"):
        client(server).check()


def test_a_server_of_a_hub_model_may_stand_for_a_folder(scripted: Any) -> None:
    server = scripted(lambda body, _: (200, {"data": rows(body)}))
    server.model["root"] = "other/model"
    folder = Model(model="models/rm", digest="0" * 64)

    (facts,) = client_of(Runtime(servers={"rm": (server.url,)}), folder).check()

    assert facts["root"] == "other/model"


def test_a_server_that_takes_no_token_ids_is_refused(scripted: Any) -> None:
    server = scripted(lambda _body, _: (400, {"error": "input must be text"}))

    with pytest.raises(RecipeError, match="the request was for the rewards of token ids"):
        client(server).check()


def test_other_heads_than_the_recipe_names_are_refused(scripted: Any) -> None:
    def two(body: dict[str, Any], _: int) -> Reply:
        return 200, {"data": [{**row, "probs": [1.0, 2.0]} for row in rows(body)]}

    with pytest.raises(RecipeError, match="returns 2 rewards per response, the recipe names 1"):
        client(scripted(two)).check()


def test_a_password_in_an_address_is_not_told() -> None:
    runtime = Runtime(servers={"rm": ("http://bob:hunter2@127.0.0.1:9",)}, retries=0)

    with pytest.raises(ServiceError, match=r"http://127\.0\.0\.1:9/v1/models failed") as caught:
        client_of(runtime).check()

    assert "hunter2" not in str(caught.value)


MANY = [np.array([n, n + 1], np.int32) for n in range(200)]


def test_the_batches_of_a_server_that_dies_are_done_by_the_other(scripted: Any) -> None:
    def dies(body: dict[str, Any], number: int) -> Reply:
        return (200, {"data": rows(body)}) if number <= 5 else (0, None)

    healthy = scripted(lambda body, _: (200, {"data": rows(body)}))
    dying = scripted(dies)

    found = client(dying, healthy, retries=1).score(MANY)

    assert found[:, 0].tolist() == [2 * n + 1 for n in range(200)]
    done = [body["input"] for body in (*dying.requests[:5], *healthy.requests)]
    assert sorted(ids for batch in done for ids in batch) == [ids.tolist() for ids in MANY]


def test_a_storm_of_429_is_waited_out_and_nothing_is_done_twice(scripted: Any) -> None:
    answered: list[list[int]] = []

    def stormy(body: dict[str, Any], number: int) -> Reply:
        if number % 3:
            return 429, {"error": "slow down"}
        answered.extend(body["input"])
        return 200, {"data": rows(body)}

    found = client(scripted(stormy), batch_rows=20, retries=20).score(MANY)

    assert found[:, 0].tolist() == [2 * n + 1 for n in range(200)]
    assert sorted(answered) == [ids.tolist() for ids in MANY]


def test_a_hung_request_is_asked_again(scripted: Any) -> None:
    hang = threading.Event()

    def answer(body: dict[str, Any], number: int) -> Reply:
        if number == 1:
            hang.wait(5)
        return 200, {"data": rows(body)}

    found = client(scripted(answer), timeout_s=0.3, in_flight=1).score(CONVERSATIONS)
    hang.set()

    assert found[:, 0].tolist() == EXPECTED


def test_requests_hold_so_many_rows_and_tokens(scripted: Any) -> None:
    server = scripted(lambda body, _: (200, {"data": rows(body)}))
    lengths = [3, 3, 9, 1, 1, 1, 20, 2]
    conversations = [np.ones(n, np.int32) for n in lengths]

    client(server, batch_rows=3, request_tokens=10, in_flight=1).score(conversations)

    sizes = [[len(ids) for ids in body["input"]] for body in server.requests]
    assert sizes == [[3, 3], [9, 1], [1, 1], [20], [2]]


def test_lanes_widen_while_nothing_waits_and_narrow_when_refused() -> None:
    quick, slow = lanes.Lanes(8), lanes.Lanes(8)
    for _ in range(100):
        quick.adapt(1.0, 100)
        slow.adapt(slow.width, 100)

    assert quick.width == 8
    assert 3 <= slow.width <= 6
    quick.halve()
    assert quick.width == 4


RECIPE = (
    "name: made\nsources: [{name: made, files: [rows.jsonl]}]\n"
    "measures: [{kind: reward/vllm, name: rm, served_model: rm, max_tokens: 60, weights: "
    "{model: MODEL}POLICY}]\n"
)


@pytest.fixture
def recipe(tmp_path: Path, write_lines: Any) -> str:
    write_lines([explicit(f"Is it {n}?", f"Yes {n}", f"No {n}") for n in range(60)])
    tokenizer = byte_tokenizer()
    tokenizer.save_pretrained(tmp_path / "model")
    return RECIPE.replace("MODEL", str(tmp_path / "model"))


def test_a_run_that_was_cut_off_scores_only_what_is_missing(
    scripted: Any, recipe: str, tmp_path: Path
) -> None:
    def breaks(body: dict[str, Any], number: int) -> Reply:
        return (200, {"data": rows(body)}) if number <= 7 else (503, {})

    settings = {"batch_rows": 10, "in_flight": 1, "retries": 0}
    whole = scripted(lambda body, _: (200, {"data": rows(body)}))
    broken = scripted(breaks)
    with pytest.raises(ServiceError, match="503"):
        table(recipe.replace("POLICY", ""), tmp_path, "facts", servers=at(broken), **settings)

    facts = table(recipe.replace("POLICY", ""), tmp_path, "facts", servers=at(whole), **settings)

    scored = [ids for body in broken.requests[2:7] for ids in body["input"]]
    again = [ids for body in whole.requests[2:] for ids in body["input"]]
    assert len(scored) == 50
    assert len(again) == 70
    assert not {tuple(ids) for ids in scored} & {tuple(ids) for ids in again}
    assert facts["rm_margin"].null_count() == 0
    assert not list(tmp_path.rglob("*.partial"))


def at(server: Scripted) -> dict[str, tuple[str, ...]]:
    return {"rm": (server.url,)}


def test_each_head_of_a_reward_model_is_a_reward_of_its_own(
    scripted: Any, recipe: str, tmp_path: Path
) -> None:
    def two(body: dict[str, Any], _: int) -> Reply:
        return 200, {
            "data": [
                {"index": i, "probs": [len(ids), -2 * len(ids)]}
                for i, ids in enumerate(body["input"])
            ]
        }

    text = recipe.replace("POLICY", ", heads: [help, harm]")
    text = text.replace("harm]}]", "harm]}, {kind: reward/agreement, models: [rm_help, rm_harm]}]")
    text += "pairs: {use: [reward], reward: rm_harm}\n"
    facts = table(text, tmp_path, "facts", servers=at(scripted(two)))

    assert facts.height == 60
    assert (facts["rm_harm_margin"] == -2 * facts["rm_help_margin"]).all()
    assert (facts["rm_harm_margin"] > 0).all()
    assert (facts["chosen_rm_harm"] == -2 * facts["chosen_rm_help"]).all()
    assert facts["rewards_agreement"].to_list() == [0.5] * 60


@pytest.mark.parametrize(
    ("policy", "reason", "num_null"),
    [("", "too_long", 1), (", over_long: flag_and_cut", "cut", 0)],
)
def test_a_conversation_that_is_too_long_is_never_cut_in_silence(
    scripted: Any, recipe: str, tmp_path: Path, policy: str, reason: str, num_null: int
) -> None:
    long = [explicit("Hm?", "Yes", "No"), explicit("Well?", "x" * 100, "No")]
    (tmp_path / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in long))
    server = scripted(lambda body, _: (200, {"data": rows(body)}))

    facts = table(recipe.replace("POLICY", policy), tmp_path, "facts", servers=at(server))

    assert facts["rm_reason"].drop_nulls().to_list() == [reason]
    assert facts["rm_margin"].null_count() == num_null
    assert max(len(ids) for body in server.requests for ids in body["input"]) <= 60
    with pytest.raises(DataError, match="tokens with its prompt; `max_tokens` allows 60;"):
        table(recipe.replace("POLICY", ", over_long: error"), tmp_path, "facts", servers=at(server))


def test_a_run_killed_while_scoring_repeats_one_batch_at_most(
    scripted: Any, recipe: str, tmp_path: Path
) -> None:
    (tmp_path / "recipe.yaml").write_text(recipe.replace("POLICY", ""))
    running: list[subprocess.Popen[bytes]] = []

    def kills(body: dict[str, Any], number: int) -> Reply:
        if number == 7:
            running[0].kill()
        return 200, {"data": rows(body)}

    server = scripted(kills)
    command = [sys.executable, "-m", "prefine.cli", "run", "recipe.yaml", "--output", "out"]
    command += ["--server", f"rm={server.url}", "--set", "batch_rows=10", "--set", "in_flight=1"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE) as process:
        running.append(process)
        process.communicate()
    first = [ids for body in server.requests[2:] for ids in body["input"]]

    told = call(command, dict(os.environ), tmp_path)

    assert process.returncode == -signal.SIGKILL
    assert 40 <= len(first) <= 60
    scored = [ids for body in server.requests for ids in body["input"] if len(ids) > 3]
    assert 120 <= len(scored) <= 130
    assert len({tuple(ids) for ids in scored}) == 120
    assert "60 labels made 60 pairs; 60 are kept" in told


def test_canaries_tell_how_far_a_server_is_off(scripted: Any, tmp_path: Path) -> None:
    folder = llama("reward", tmp_path / "model", pad_token_id=0)
    asked = [explicit(f"Is it {n}?", f"Yes {n}", f"No {n}") for n in range(9)]
    (tmp_path / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in asked))
    recipe = RECIPE.replace("MODEL", str(folder))
    server = scripted(lambda body, _: (200, {"data": rows(body)}))

    plan, runtime = run_recipe(
        recipe.replace("POLICY", ", canaries: 4"), tmp_path, servers=at(server)
    )
    manifest = publish_plan(plan, runtime, str(tmp_path / "out"))

    assert manifest["canaries"]["reward_rm"]["responses"] == 4
    assert manifest["canaries"]["reward_rm"]["largest_difference"] > 100
    with pytest.raises(RecipeError, match="scores of the server and of transformers differ by"):
        run_recipe(
            recipe.replace("POLICY", ", canaries: 4, canary_limit: 0.1"),
            tmp_path,
            servers=at(server),
        )
    assert not list(tmp_path.rglob("*.partial"))
