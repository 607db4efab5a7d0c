"""A real vLLM on the CPU, with a reward model built on the spot, through the flow.

Needs ``.venv-vllm`` (``make test-vllm`` makes it).
"""

import gzip
import json
import os
import socket
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch

from prefine.errors import RecipeError, ServiceError
from prefine.plan.look import last_plan, rows
from prefine.recipe import Runtime, VllmReward, Weights
from prefine.serve.chat import Chat
from prefine.serve.vllm import VllmServers
from tests.made import call, llama, prefect_environment

pytestmark = [pytest.mark.vllm, pytest.mark.filterwarnings("ignore")]

LONGEST = 2048
PYTHON = Path(__file__).parents[2] / ".venv-vllm/bin/python"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return llama("reward", tmp_path_factory.mktemp("reward"), pad_token_id=0)


@pytest.fixture(scope="module")
def server(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """Start vLLM on a free port; yield its address."""
    if not PYTHON.exists():
        pytest.fail(f"{PYTHON} is not there: make .venv-vllm")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    arguments = [str(PYTHON), "-m", "vllm.entrypoints.openai.api_server", "--model", str(model)]
    arguments += ["--runner", "pooling", "--served-model-name", "rm", "--dtype", "float32"]
    arguments += ["--host", "127.0.0.1", "--port", str(port), "--max-model-len", str(LONGEST)]
    env = {**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1"}
    log = tmp_path_factory.mktemp("vllm") / "vllm.log"
    with (
        log.open("wb") as out,
        subprocess.Popen(
            arguments, env=env, stdout=out, stderr=out, start_new_session=True
        ) as process,
    ):
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for(f"{url}/health", process, log)
            yield url
        finally:
            process.terminate()


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        try:
            process.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            try:
                if httpx.get(url, timeout=1).is_success:
                    return
            except httpx.TransportError:
                continue
        else:
            break
    pytest.fail(f"vLLM did not start:\n{log.read_text()[-3000:]}")


def config(model: Path, **more: Any) -> VllmReward:
    settings = {"kind": "reward/vllm", "name": "rm", "served_model": "rm", "max_tokens": LONGEST}
    return VllmReward(**{**settings, "weights": Weights(model=str(model)), **more})


def runtime(server: str, **more: Any) -> Runtime:
    return Runtime(servers={"rm": (server,)}, retries=0, **more)


@pytest.fixture(scope="module")
def alone(model: Path) -> Any:
    """Return a function that scores one conversation with transformers, at batch 1."""
    from transformers import AutoModelForSequenceClassification

    loaded = AutoModelForSequenceClassification.from_pretrained(model, dtype=torch.float32).eval()

    def score(ids: list[int]) -> float:
        with torch.no_grad():
            return float(loaded(input_ids=torch.tensor([ids])).logits[0, 0])

    return score


def test_every_reward_through_the_flow_equals_transformers_at_batch_one(
    server: str, model: Path, alone: Any, real_data: Path, project: Path, tmp_path: Path
) -> None:
    """The flow, as Prefect runs it, on real pairs: rewards, margins and the exported columns."""
    source = real_data / "hh_rlhf_harmless/harmless-base/test.jsonl.gz"
    with gzip.open(source, "rt", encoding="utf-8") as stream:
        lines = [line for _, line in zip(range(60), stream, strict=False)]
    (tmp_path / "hh.jsonl").write_text("".join(lines), encoding="utf-8")
    (tmp_path / "recipe.yaml").write_text(
        "name: scored\nshards: 2\nsources: [{name: hh, files: [hh.jsonl]}]\n"
        "measures:\n  - {kind: reward/vllm, name: rm, served_model: rm, "
        f"max_tokens: {LONGEST}, canaries: 5, canary_limit: 0.0001, weights: {{model: {model}}}}}\n"
        "rules: [{name: low, column: rm_margin, minimum_quantile: 0.1}]\n",
        encoding="utf-8",
    )
    recipe, output = str(tmp_path / "recipe.yaml"), str(tmp_path / "out")
    settings = json.dumps({"servers": {"rm": [server]}, "batch_rows": 16})
    command = [sys.executable, "-m", "flows.curate", recipe, "--output", output]
    command += ["--root", str(tmp_path / "root"), "--runtime", settings]
    call(command, prefect_environment(tmp_path / "home"), project)

    here = Runtime(root=str(tmp_path / "root"), data=str(tmp_path))
    plan = last_plan(here)
    rewards = dict(rows(plan, here, "reward_rm").select("response_id", "reward").iter_rows())
    prompts = dict(rows(plan, here, "prompts").select("prompt_id", "messages").iter_rows())
    chat = Chat(Weights(model=str(model)))
    responses = rows(plan, here, "responses")
    assert len(rewards) == responses.height >= 118
    for name, prompt, said in responses.select("response_id", "prompt_id", "messages").iter_rows():
        expected = alone(chat.conversation([*prompts[prompt], *said]))
        assert rewards[name] == pytest.approx(expected, abs=1e-4)
    facts = rows(plan, here, "facts")
    for row in facts.iter_rows(named=True):
        margin = rewards[row["chosen_id"]] - rewards[row["rejected_id"]]
        assert row["rm_margin"] == pytest.approx(margin, abs=1e-6)
    assert any(not 0 <= reward <= 1 for reward in rewards.values())
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert sum(manifest["splits"].values()) == facts.height - round(facts.height * 0.1)
    assert manifest["models"][0]["measure"] == "reward/vllm"
    assert manifest["canaries"]["reward_rm"]["responses"] == 10
    assert manifest["canaries"]["reward_rm"]["largest_difference"] <= 1e-4


@pytest.mark.parametrize("batch_rows", [1, 7, 64])
def test_order_and_batch_size_change_nothing(
    server: str, model: Path, alone: Any, batch_rows: int
) -> None:
    rng = np.random.default_rng(1)
    conversations = [rng.integers(3, 250, size=n).tolist() for n in (3, 200, 17, 17, 90, 1, 5)]
    client = VllmServers(config(model), runtime(server, batch_rows=batch_rows, in_flight=3))

    client.check()
    found = client.score(conversations)

    assert found.shape == (7, 1)
    assert found[:, 0] == pytest.approx([alone(ids) for ids in conversations], abs=1e-4)


def test_another_model_than_the_recipe_says_is_an_error(server: str, model: Path) -> None:
    client = VllmServers(config(model, served_model="other"), runtime(server))

    with pytest.raises(RecipeError, match="serves rm, not `other` as the recipe says"):
        client.check()


def test_a_shorter_server_than_the_recipe_allows_is_an_error(server: str, model: Path) -> None:
    client = VllmServers(config(model, max_tokens=LONGEST + 1), runtime(server))

    with pytest.raises(RecipeError, match=f"set `max_tokens: {LONGEST}`"):
        client.check()


def test_a_conversation_that_is_too_long_is_refused_and_never_cut(server: str, model: Path) -> None:
    client = VllmServers(config(model), runtime(server))

    with pytest.raises(RecipeError, match="refuses the request with status 400"):
        client.score([[5] * (LONGEST + 1)])


def test_a_server_that_is_not_there_is_a_service_error(model: Path) -> None:
    client = VllmServers(config(model), runtime("http://127.0.0.1:9"))

    with pytest.raises(ServiceError, match="failed 1 times"):
        client.check()
