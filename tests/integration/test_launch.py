"""Servers that prefine starts: ready, supervised, and always stopped.

The engine is a small script that answers as vLLM does, with a child of its own as vLLM has one.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from prefine.errors import RecipeError, ServiceError
from prefine.measure.reward.vllm import VllmReward
from prefine.planning import make_plan, served
from prefine.recipe import parse_recipe
from prefine.serve.vllm.launch import start_servers
from prefine.serve.vllm.reward import RewardClient
from prefine.serve.vllm.served import Served
from prefine.settings import Inputs, Model, Runtime, Weights
from prefine.step import Manifest
from prefine.store import Store
from tests.made import alive, byte_tokenizer, call, explicit, gone, prefect_environment

ENGINE = """#!{python}
import json, os, subprocess, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
if sys.argv[1] == "-c":
    print("{version}")
    raise SystemExit
arguments = dict(zip(sys.argv[3::2], sys.argv[4::2]))
if "{fail}":
    raise SystemExit("ValueError: {fail}")
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
with open("{pids}", "a") as out:
    gpu = os.environ.get("CUDA_VISIBLE_DEVICES")
    out.write(json.dumps([os.getpid(), child.pid, sys.argv[3:], gpu]) + "\\n")
class Handler(BaseHTTPRequestHandler):
    def reply(self, found):
        text = json.dumps(found).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
    def do_GET(self):
        model = {{"id": arguments["--served-model-name"], "max_model_len": 20000}}
        self.reply({{"data": [model], "version": "{version}"}})
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        rows = [{{"index": i, "probs": [sum(ids)]}} for i, ids in enumerate(body["input"])]
        self.reply({{"data": rows}})
    def log_message(self, *_):
        pass
ThreadingHTTPServer(("127.0.0.1", int(arguments["--port"])), Handler).serve_forever()
"""


@pytest.fixture
def engine(tmp_path: Path) -> Callable[..., Path]:
    def make(version: str = "0.32.0", fail: str = "") -> Path:
        path = tmp_path / f"engine-{version}{fail}"
        text = ENGINE.format(
            python=sys.executable, version=version, fail=fail, pids=tmp_path / "pids"
        )
        path.write_text(text)
        path.chmod(0o755)
        return path

    return make


def started(tmp_path: Path) -> list[Any]:
    return [json.loads(line) for line in (tmp_path / "pids").read_text().splitlines()]


def launch(tmp_path: Path, **more: Any) -> Served:
    tokenizer = tmp_path / "model"
    if not tokenizer.exists():
        byte_tokenizer().save_pretrained(tokenizer)
    settings: dict[str, Any] = {"name": "rm", "model": Model(model=str(tokenizer))}
    settings |= {"served_model": "rm", "task": "reward", "dtype": "float32", "max_tokens": 512}
    return Served(**{**settings, **more})


def runtime(engine: Path, tmp_path: Path, **more: Any) -> Runtime:
    settings = {"engine": str(engine), "logs": str(tmp_path / "logs"), "start_timeout_s": 30}
    return Runtime(**{**settings, **more})


def test_servers_are_started_with_what_the_task_needs_and_ended(
    engine: Any, tmp_path: Path
) -> None:
    settings = runtime(engine(), tmp_path, gpus="2,5", engine_args="--seed 7")
    with start_servers([launch(tmp_path)], settings) as found:
        healthy = [httpx.get(f"{url}/health", trust_env=False).is_success for url in found["rm"]]
        processes = started(tmp_path)

    assert healthy == [True, True]
    assert sorted(gpu for *_, gpu in processes) == ["2", "5"]
    for _, _, arguments, _ in processes:
        text = " ".join(arguments)
        assert "--served-model-name rm --dtype float32 --runner pooling --convert classify" in text
        assert "--max-model-len 512 --seed 7" in text
    assert gone([pid for server, child, *_ in processes for pid in (server, child)])
    assert len(list((tmp_path / "logs").glob("rm-*.log"))) == 2


def test_a_server_that_dies_is_started_again_and_nothing_is_lost(
    engine: Any, tmp_path: Path
) -> None:
    measure = VllmReward(
        kind="reward/vllm", name="rm", weights=Weights(model="a/b"), served_model="rm"
    )
    with start_servers([launch(tmp_path)], runtime(engine(), tmp_path)) as found:
        patient = Runtime(servers=found, retries=20, batch_rows=1)
        servers = RewardClient(measure.server(Inputs()), patient, num_heads=measure.num_heads)
        killed: list[int] = []

        def kills(places: list[int], _rewards: Any) -> None:
            if not killed:
                killed.append(started(tmp_path)[0][0])
                os.kill(killed[0], signal.SIGKILL)

        rewards = servers.score([[n, n] for n in range(300)], kills)
        processes = started(tmp_path)

    assert rewards[:, 0].tolist() == [2 * n for n in range(300)]
    assert len(processes) == 2
    assert gone([pid for server, child, *_ in processes for pid in (server, child)])


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_run_leaves_no_server_behind(engine: Any, tmp_path: Path, number: int) -> None:
    command = [sys.executable, "-m", "prefine.cli", "serve", launch(tmp_path).model.model]
    command += ["--set", f"engine={engine()}", "--set", f"logs={tmp_path / 'logs'}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = process.stdout.readline()
        processes = started(tmp_path)
        assert all(alive(pid) for pid in processes[0][:2])
        process.send_signal(number)

    assert "model is served at http://127.0.0.1:" in told
    assert gone(processes[0][:2])


def test_a_server_that_does_not_start_says_why(engine: Any, tmp_path: Path) -> None:
    with (
        pytest.raises(ServiceError, match=r"exited with code 1 .* ValueError: no such head;"),
        start_servers([launch(tmp_path)], runtime(engine(fail="no such head"), tmp_path)),
    ):
        pass


def test_an_engine_without_vllm_or_too_old_a_one_is_refused(engine: Any, tmp_path: Path) -> None:
    for python, message in (
        (Path(sys.executable), "has no vLLM; set the Python"),
        (tmp_path / "nothing", "cannot be started .No such file"),
        (engine(version="0.10.2"), r"runs vLLM 0\.10\.2, which does not accept token ids"),
    ):
        with (
            pytest.raises(RecipeError, match=message),
            start_servers([launch(tmp_path)], runtime(python, tmp_path)),
        ):
            pass


def test_a_run_starts_the_servers_it_is_told_to_and_ends_them(
    engine: Any, tmp_path: Path, write_lines: Any
) -> None:
    launch(tmp_path)
    write_lines([explicit(f"Is it {n}?", f"Yes {n}", f"No {n}") for n in range(20)])
    (tmp_path / "recipe.yaml").write_text(
        "name: made\nsources: [{name: made, files: [rows.jsonl]}]\n"
        "measures: [{kind: reward/vllm, name: rm, served_model: rm, max_tokens: 60, "
        "weights: {model: model}}]\n"
    )
    command = [sys.executable, "-m", "prefine.cli", "run", "recipe.yaml", "--output", "out"]
    command += ["--set", f"engine={engine()}"]

    wrong = call([*command, "--server", "other=start"], dict(os.environ), tmp_path, expected=2)
    told = call([*command, "--server", "rm=start"], dict(os.environ), tmp_path)
    again = call([*command, "--server", "rm=start"], dict(os.environ), tmp_path)

    assert "no measure of the recipe uses the server `other`; the names in use are: rm" in wrong
    assert "20 labels made 20 pairs; 20 are kept" in told
    processes = started(tmp_path)
    assert len(processes) == 1
    assert gone(processes[0][:2])
    assert "20 are kept" in again
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert manifest["servers"]["reward_rm"][0]["vllm"] == "0.32.0"
    assert manifest["chats"]["reward_rm"][0]["num_bos"] == 0


def test_an_encoder_is_served_while_texts_are_to_be_embedded(
    engine: Any, tmp_path: Path, write_lines: Any
) -> None:
    write_lines([explicit("Is it?", "Yes", "No")])
    write_lines([{"prompt": "Is it so?"}], "examples.jsonl")
    recipe = (
        "name: made\nsources: [{name: made, files: [rows.jsonl]}]\n"
        "measures: [{kind: target_similarity, files: [examples.jsonl]}]\n"
        "encoder: {static: false, served_model: mini, "
        f"weights: {{model: {launch(tmp_path).model.model}}}}}\n"
    )
    places = {"root": str(tmp_path / "root"), "data": str(tmp_path)}
    settings = runtime(engine(), tmp_path, start=("encoder",), **places)
    plan = make_plan(parse_recipe(recipe), settings)
    num_started: list[int] = []
    for done in ("prompt_vectors", "example_vectors_target", ""):
        with served(plan, settings):
            num_started.append(len(started(tmp_path)))
        for step in plan.steps:
            if step.name == done:
                (shard,) = step.shards
                manifest = Manifest(step.name, step.fingerprint, shard, 0, 0, {}, [], {}, 0.0)
                content = orjson.dumps(asdict(manifest))
                Store(settings.root).write_bytes(step.manifest_path(shard), content)

    assert num_started == [1, 2, 2]


def test_the_flow_serves_curates_and_ends(
    engine: Any, tmp_path: Path, write_lines: Any, project: Path
) -> None:
    folder = launch(tmp_path).model.model
    write_lines([explicit(f"Is it {n}?", f"Yes {n}", f"No {n}") for n in range(8)])
    (tmp_path / "recipe.yaml").write_text(
        "name: made\nsources: [{name: made, files: [rows.jsonl]}]\nshards: 2\n"
        "measures: [{kind: reward/vllm, name: rm, served_model: rm, max_tokens: 60, "
        f"weights: {{model: {folder}}}}}]\n"
    )
    command = [sys.executable, "-m", "prefine_flows.curate", str(tmp_path / "recipe.yaml")]
    command += ["--output", str(tmp_path / "out"), "--root", str(tmp_path / "root")]
    settings = json.dumps({"engine": str(engine()), "logs": str(tmp_path / "logs")})
    command += ["--start", "rm", "--runtime", settings]

    call(command, prefect_environment(tmp_path.parent / "prefect"), project)

    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert manifest["splits"] == {"train": 8}
    processes = started(tmp_path)
    assert len(processes) == 1
    assert gone(processes[0][:2])
