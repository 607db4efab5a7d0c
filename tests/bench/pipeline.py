"""Rows per second and peak memory of every step, on made pairs.

    python tests/bench/pipeline.py [--pairs 200000] [--chars 1500] [--no-embeddings] [--json FILE]

The pairs are made of English words by subject, about CHARS characters each with both sides. Each
step runs in this process; the peak is of the whole process, libraries included.
"""

import argparse
import json
import random
import re
import resource
import tempfile
import time
from pathlib import Path
from pydoc_data import topics
from typing import Any

from report import machine, print_table, write_json

from prefine.planning import make_plan, publish_plan, run_plan
from prefine.recipe import parse_recipe
from prefine.settings import Runtime
from prefine.step import Manifest, Step

EMBEDDED = """
  - {kind: cosine}
  - {kind: near_duplicates}
  - {kind: reward/bootstrap}
"""
RECIPE = """
name: bench
sources:
  - {{name: made, files: [pairs.jsonl], format: trl_explicit}}
measures:
  - {{kind: lengths}}{embedded}
rules:
  - {{name: short, column: chosen_chars, minimum: 50}}
  - {{name: gap, column: chars_gap, maximum_quantile: 0.95, per: group}}
  - {{name: cap, cap: 2, per: prompt_id}}
export: {{test_ratio: 0.02}}
"""


def make_pairs(path: Path, count: int, chars: int) -> None:
    rng = random.Random(0)
    known = sorted(set(re.findall(r"\b[a-z]{3,12}\b", " ".join(topics.topics.values()))))
    subjects = [rng.sample(known, 120) for _ in range(2000)]

    def text(length: int) -> str:
        return " ".join(rng.choices(words, k=max(3, length // 8)))

    with path.open("w", encoding="utf-8") as stream:
        for number in range(count):
            words = rng.choice(subjects)
            sides = {
                side: [{"role": "assistant", "content": text(int(chars * share))}]
                for side, share in (("chosen", 0.4), ("rejected", 0.4))
            }
            asked = [{"role": "user", "content": text(int(chars * 0.2))}]
            row = {"prompt": asked, **sides, "source": f"part{number % 5}"}
            stream.write(json.dumps(row) + "\n")


class Meter:
    """Notes time, rows and peak memory of each step."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self._started = 0.0

    def start(self, step: Step, done: int) -> None:
        self._started = time.monotonic()
        self.rows.append({"step": step.name, "rows": 0, "seconds": 0.0})

    def advance(self, step: Step, manifest: Manifest) -> None:
        last = self.rows[-1]
        last["rows"] += manifest.rows_in
        last["seconds"] = time.monotonic() - self._started
        last["rows_per_s"] = int(last["rows"] / max(last["seconds"], 1e-3))
        last["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

    def expect(self, count: int) -> None:
        pass

    def done(self, count: int) -> None:
        pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=200_000)
    parser.add_argument("--chars", type=int, default=1500)
    parser.add_argument("--no-embeddings", action="store_true")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    meter = Meter()
    with tempfile.TemporaryDirectory() as folder:
        make_pairs(Path(folder) / "pairs.jsonl", args.pairs, args.chars)
        runtime = Runtime(root=f"{folder}/root", data=folder)
        recipe = parse_recipe(RECIPE.format(embedded="" if args.no_embeddings else EMBEDDED))
        plan = make_plan(recipe, runtime)
        run_plan(plan, runtime, meter)
        publish_plan(plan, runtime, f"{folder}/out")
    print_table(meter.rows)
    if args.json:
        found = {"machine": machine(), "pairs": args.pairs, "chars": args.chars}
        write_json(args.json, {**found, "steps": meter.rows})


if __name__ == "__main__":
    main()
