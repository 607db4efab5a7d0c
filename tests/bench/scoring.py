"""Rewards a second: vLLM in process against vLLM as a server with this client, on the same rows.

    python tests/bench/scoring.py [--rows 1500] [--python .venv-vllm/bin/python] [--json FILE]

The model is a random Llama reward model (384 wide, 6 layers), the rows are made token ids, two to a
prompt, 60 to 400 tokens long. The engine in process gets all rows in one call. The server is swept
over rows a request and requests in flight. Client CPU is that of this process alone.
"""

import argparse
import json
import os
import random
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import torch
from report import machine, print_table, write_json
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import LlamaConfig, LlamaForSequenceClassification, PreTrainedTokenizerFast

from prefine.measure.reward.vllm import VllmReward
from prefine.serve.vllm.reward import RewardClient
from prefine.settings import Inputs, Runtime, Weights

VOCABULARY = 32_000
LONGEST = 1024
OFFLINE = """
import json, sys, time
from vllm import LLM, PoolingParams, TokensPrompt
model, rows, out = sys.argv[1:]
ids = json.load(open(rows))
llm = LLM(model, runner="pooling", dtype="float32", max_model_len=1024, enable_prefix_caching=False)
params = PoolingParams(use_activation=False)
prompts = [TokensPrompt(prompt_token_ids=row) for row in ids]
llm.classify(prompts[:50], pooling_params=params, use_tqdm=False)
start = time.perf_counter()
answers = llm.classify(prompts, pooling_params=params, use_tqdm=False)
found = [answer.outputs.probs[0] for answer in answers]
json.dump({"seconds": time.perf_counter() - start, "rewards": found}, open(out, "w"))
"""


def made(folder: Path, count: int) -> list[list[int]]:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=384,
        intermediate_size=1024,
        num_hidden_layers=6,
        num_attention_heads=6,
        num_key_value_heads=6,
        head_dim=64,
        max_position_embeddings=LONGEST,
        num_labels=1,
        pad_token_id=0,
    )
    model: Any = LlamaForSequenceClassification(config)
    torch.nn.init.normal_(model.score.weight, std=0.5)
    model.save_pretrained(folder)
    words = Tokenizer(WordLevel({f"w{n}": n for n in range(VOCABULARY)}, unk_token="w0"))
    PreTrainedTokenizerFast(tokenizer_object=words, pad_token="w0").save_pretrained(folder)
    rng = random.Random(0)
    found: list[list[int]] = []
    while len(found) < count:
        prompt = [rng.randrange(3, VOCABULARY) for _ in range(rng.randint(30, 200))]
        for _ in range(2):
            said = [rng.randrange(3, VOCABULARY) for _ in range(rng.randint(30, 200))]
            found.append([*prompt, *said])
    return found[:count]


ENVIRONMENT = {**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1"}


def offline(python: str, model: Path, rows: list[list[int]]) -> tuple[float, np.ndarray]:
    """Score all rows with the engine in a process of its own, without a server."""
    data, out = model.with_name("rows.json"), model.with_name("found.json")
    data.write_text(json.dumps(rows))
    script = model.with_name("offline.py")
    script.write_text(f"if __name__ == '__main__':\n{indented(OFFLINE)}")
    command = [python, str(script), str(model), str(data), str(out)]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    found = json.loads(out.read_text())
    return found["seconds"], np.array(found["rewards"])


def indented(text: str) -> str:
    return "".join(f"    {line}\n" for line in text.splitlines())


@contextmanager
def served(python: str, model: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [python, "-m", "vllm.entrypoints.openai.api_server", "--model", str(model)]
    command += ["--runner", "pooling", "--served-model-name", "rm", "--dtype", "float32"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--max-model-len", str(LONGEST)]
    command += ["--no-enable-prefix-caching"]
    log = model.with_name("server.log").open("wb")
    with log, subprocess.Popen(command, env=ENVIRONMENT, stdout=log, stderr=log) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            for _ in range(600):
                try:
                    if httpx.get(f"{url}/health", timeout=1).is_success:
                        break
                except httpx.TransportError:
                    time.sleep(0.5)
            yield url
        finally:
            process.terminate()


def sweep(url: str, rows: list[list[int]], base: float, wanted: np.ndarray) -> list[dict[str, Any]]:
    measure = VllmReward(
        kind="reward/vllm",
        name="rm",
        served_model="rm",
        max_tokens=LONGEST,
        weights=Weights(model="made/here"),
    )
    conversations = [np.array(ids, np.int32) for ids in rows]
    found: list[dict[str, Any]] = []
    for batch_rows, in_flight in ((16, 4), (64, 2), (64, 4), (64, 8), (256, 4)):
        runtime = Runtime(servers={"rm": (url,)}, batch_rows=batch_rows, in_flight=in_flight)
        client = RewardClient(measure.server(Inputs()), runtime, num_heads=measure.num_heads)
        client.score(conversations[:50])
        start, cpu = time.perf_counter(), time.process_time()
        rewards = client.score(conversations)[:, 0]
        seconds, used = time.perf_counter() - start, time.process_time() - cpu
        found.append(
            {
                "batch_rows": batch_rows,
                "in_flight": in_flight,
                "rows_per_s": round(len(rows) / seconds, 1),
                "of_offline": round(base / seconds, 3),
                "client_cpu_s_per_1000": round(1000 * used / len(rows), 3),
                "largest_difference": float(f"{np.abs(rewards - wanted).max():.2g}"),
            }
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1500)
    parser.add_argument("--python", default=".venv-vllm/bin/python")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    python = str(Path(args.python).absolute())
    with tempfile.TemporaryDirectory() as name:
        model = Path(name) / "model"
        rows = made(model, args.rows)
        base, wanted = offline(python, model, rows)
        print(f"in process: {args.rows / base:.1f} rows/s")
        with served(python, model) as url:
            table = sweep(url, rows, base, wanted)
    print_table(table)
    if args.json:
        found = {"machine": machine(), "offline_rows_per_s": args.rows / base, "sweep": table}
        write_json(args.json, found)


if __name__ == "__main__":
    main()
