"""CHES per pair: a plain implementation against packed rows, on one thread.

    python tests/bench/ches.py [--pairs 48] [--repeats 3] [--device cpu] [--json FILE]

The plain way is batch 1 with the language-model head and all hidden states kept, as one writes it
down first. The model is a random Llama: 512 wide, 4 layers, vocabulary of 32,000, float32. Seconds
are this process's CPU time on a CPU (the least of the repeats) and wall time elsewhere. The largest
difference is of the normalised score, relative to the squared mean state.
"""

import argparse
import random
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from report import machine, print_table, write_json
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from prefine.measure.ches.scores import ches
from prefine.serve.chat import PromptResponse
from prefine.serve.local.hidden import LocalHiddenStates
from prefine.settings import Model, Runtime

Pair = tuple[PromptResponse, PromptResponse]
_VOCABULARY = 32_000
_CHUNK = 256


def made_model(folder: Path) -> None:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=_VOCABULARY,
        hidden_size=512,
        intermediate_size=1376,
        num_hidden_layers=4,
        num_attention_heads=8,
        num_key_value_heads=8,
        max_position_embeddings=4096,
    )
    LlamaForCausalLM(config).save_pretrained(folder)


def made_pairs(count: int, shape: str) -> list[Pair]:
    rng = random.Random(0)

    def length() -> int:
        if shape == "fixed 128":
            return 128
        return min(512, max(4, round(rng.lognormvariate(np.log(90), 0.8))))

    def ids(number: int) -> list[int]:
        return [rng.randrange(3, _VOCABULARY) for _ in range(number)]

    found: list[Pair] = []
    for _ in range(count):
        prompt = ids(length())
        sides = [PromptResponse(prompt, ids(length())) for _ in range(2)]
        found.append((sides[0], sides[1]))
    return found


def plain(folder: Path, pairs: list[Pair], device: str) -> list[float]:
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    model = model.to(device).eval()

    def run() -> list[float]:
        scores: list[float] = []
        for pair in pairs:
            sums: list[np.ndarray] = []
            for prompt, response in pair:
                ids = torch.tensor([[*prompt, *response[:-1]]], device=device)
                with torch.no_grad():
                    out = model(input_ids=ids, output_hidden_states=True)
                states = out.hidden_states[-1][0, len(prompt) - 1 :]
                sums.append(states.double().sum(dim=0).cpu().numpy())
            lengths = [len(side.response) for side in pair]
            scores.append(ches(sums[0], sums[1], *lengths).normalized)
        return scores

    return timed(run, device)


def ours(folder: Path, pairs: list[Pair], device: str, *, pack: bool) -> Any:
    model, runtime = Model(model=str(folder)), Runtime(device=device)
    hidden = LocalHiddenStates(model, runtime, dtype="float32")
    hidden.packs = pack

    def run() -> list[tuple[float, float]]:
        scores: list[tuple[float, float]] = []
        for start in range(0, len(pairs), _CHUNK):
            chunk = pairs[start : start + _CHUNK]
            sums, *_ = hidden.read([side for pair in chunk for side in pair])
            wide = sums.astype(np.float64)
            for number, pair in enumerate(chunk):
                sizes = [len(side.response) for side in pair]
                mean = wide[2 * number] / sizes[0]
                score = ches(wide[2 * number], wide[2 * number + 1], *sizes)
                scores.append((score.normalized, float(mean @ mean)))
        return scores

    return timed(run, device)


def timed(run: Callable[[], Any], device: str) -> Any:
    clock = time.process_time if device == "cpu" else time.perf_counter
    best, found = float("inf"), None
    for _ in range(REPEATS):
        start = clock()
        found = run()
        best = min(best, clock() - start)
    return found, best


REPEATS = 3


def compare(folder: Path, shape: str, count: int, device: str) -> list[dict[str, Any]]:
    pairs = made_pairs(count, shape)
    expected, base = plain(folder, pairs, device)
    rows = [row("plain: batch 1, head, all states", shape, base, base, count, 0.0)]
    for name, pack in (("sorted batches, no head", False), ("shared rows, no head", True)):
        found, seconds = ours(folder, pairs, device, pack=pack)
        scored = zip(found, expected, strict=True)
        apart = max(abs(score - wanted) / scale for (score, scale), wanted in scored)
        rows.append(row(name, shape, seconds, base, count, apart))
    return rows


def row(
    name: str, shape: str, seconds: float, base: float, count: int, apart: float
) -> dict[str, Any]:
    return {
        "way": name,
        "lengths": shape,
        "ms_per_pair": round(1000 * seconds / count, 1),
        "speed_up": round(base / seconds, 2),
        "largest_difference": float(f"{apart:.2g}"),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def growth(folder: Path, device: str) -> list[dict[str, Any]]:
    """Score a growing number of pairs; the peak memory must not grow."""
    found: list[dict[str, Any]] = []
    for count in (32, 64, 128):
        _, seconds = ours(folder, made_pairs(count, "log-normal"), device, pack=True)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        found.append({"pairs": count, "seconds": round(seconds, 2), "peak_mb": peak})
    return found


def main() -> None:
    global REPEATS  # noqa: PLW0603 - one setting of a script
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=48)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    REPEATS = args.repeats
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made_model(folder)
        grown = growth(folder, args.device)
        rows = [
            found
            for shape in ("fixed 128", "log-normal")
            for found in compare(folder, shape, args.pairs, args.device)
        ]
    print_table(rows)
    print_table(grown)
    if args.json:
        write_json(args.json, {"machine": machine(), "rows": rows, "growth": grown})


if __name__ == "__main__":
    main()
