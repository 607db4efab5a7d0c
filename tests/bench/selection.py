"""Seconds and peak memory of topics, neighbours, selection and entropy, on made vectors.

    python tests/bench/selection.py [--prompts 100000] [--dimensions 256] [--exact-up-to N]
        [--json FILE]

The vectors are around 500 centres of very different sizes (Zipf), so that there is much of a few
kinds of prompt and little of many. Every part runs in a process of its own, so that each peak is
its own; the vectors are made anew in each. The last table says what each way of choosing a tenth
of the prompts does to the entropy, and how many centres it reaches.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from report import machine, print_table, write_json

from prefine.decide.balance import balanced
from prefine.decide.diverse import Diverse, greedy
from prefine.decide.neighbours import Graph, graph_of
from prefine.measure.prompt_neighbours import PromptNeighbours
from prefine.measure.prompt_neighbours.entropy import entropy_of
from prefine.measure.prompt_topics import PromptTopics
from prefine.measure.target_similarity import ranks_and_scores
from prefine.search.index import Matches, build_index
from prefine.search.settings import Search
from prefine.settings import Runtime

CENTRES = 500
NEIGHBOURS = PromptNeighbours(kind="prompt_neighbours")
TOPICS = PromptTopics(kind="prompt_topics")

Vectors = Any


def made(prompts: int, dimensions: int) -> tuple[Vectors, Any]:
    """Return unit vectors and the centre of each."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(CENTRES, dimensions)).astype(np.float32)
    share = 1 / np.arange(1, CENTRES + 1)
    of = rng.choice(CENTRES, prompts, p=share / share.sum())
    vectors = np.empty((prompts, dimensions), np.float32)
    for start in range(0, prompts, 10_000):
        block = of[start : start + 10_000]
        vectors[start : start + 10_000] = centres[block]
        vectors[start : start + 10_000] += rng.normal(size=(len(block), dimensions))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors, of


def listed(vectors: Vectors, exact_up_to: int) -> tuple[Matches, Any]:
    """Return the neighbours as the measure finds them, and the notes of the index."""
    count = NEIGHBOURS.neighbours
    ids = [f"{place:09d}" for place in range(len(vectors))]
    everything = [(np.arange(len(ids)), vectors)]
    found = Matches(np.empty((len(ids), count), np.int64), np.empty((len(ids), count)))
    search, runtime = Search(exact_up_to=exact_up_to), Runtime()
    with build_index(
        ids, lambda: everything, count=count, config=search, runtime=runtime, seed=0
    ) as (
        index,
        notes,
    ):
        for mine, near in index.knn_self_join(count):
            found.indices[mine], found.similarities[mine] = near
    return found, notes


def graph(found: Matches) -> Graph:
    rows, columns = np.nonzero(found.indices >= 0)
    near = found.indices[rows, columns]
    bounds = found.similarities[:, -1]
    return graph_of(bounds, rows, near, found.similarities[rows, columns])


def timed(run: Callable[[], Any]) -> tuple[Any, float]:
    started = time.monotonic()
    return run(), round(time.monotonic() - started, 2)


def part(name: str, args: argparse.Namespace) -> dict[str, Any]:
    """Run one part; what a later part needs is written to the folder."""
    prompts, folder = args.prompts, args.folder
    vectors, of = made(prompts, args.dimensions)
    rng = np.random.default_rng(1)
    quality = rng.permutation(prompts) / prompts + 1 / prompts
    tie = np.arange(prompts, dtype=float)
    more: dict[str, Any] = {}
    if name == "topics":
        _, seconds = timed(lambda: TOPICS.centres(vectors, 0))
    elif name == "neighbours":
        (found, notes), seconds = timed(lambda: listed(vectors, args.exact_up_to))
        more = {key: notes[key] for key in ("index", "recall")}
        np.savez(folder / "near.npz", *found)
    elif name == "targets":
        (_, _), seconds = timed(lambda: ranks_and_scores(vectors, vectors[:100]))
    elif name in {"cover", "spread"}:
        with np.load(folder / "near.npz") as stored:
            found = Matches(stored["arr_0"], stored["arr_1"])
        near, laying = timed(lambda: graph(found))
        by: Any = name
        order, seconds = timed(lambda: greedy(near, quality, tie, Diverse(by=by)))
        np.save(folder / f"{name}.npy", order)
        more = {"layout_s": laying}
    elif name == "balance":
        order, seconds = timed(lambda: balanced([of], np.argsort(np.argsort(-quality))))
        np.save(folder / f"{name}.npy", order)
    else:
        _, seconds = timed(lambda: entropy_of(vectors, 5))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return {"part": name, "seconds": seconds, "peak_mb": peak, **more}


def chosen(prompts: int, dimensions: int, folder: Path) -> list[dict[str, Any]]:
    """Return what each way of choosing a tenth does."""
    vectors, of = made(prompts, dimensions)
    rng = np.random.default_rng(1)
    quality = rng.permutation(prompts) / prompts + 1 / prompts
    orders = {
        "all": np.arange(prompts),
        "random": np.random.default_rng(2).permutation(prompts),
        "best quality": np.argsort(-quality),
        **{name: np.load(folder / f"{name}.npy") for name in ("cover", "spread", "balance")},
    }
    rows: list[dict[str, Any]] = []
    for name, order in orders.items():
        taken = np.sort(order[: prompts if name == "all" else prompts // 10])
        found = entropy_of(vectors[taken], 5)
        rows.append(
            {
                "chosen": name,
                "prompts": len(taken),
                "mean_quality": float(quality[taken].mean()),
                "mean_log_distance": found["mean_log_distance"],
                "entropy": found["entropy"],
                "centres": len(np.unique(of[taken])),
                "largest_share": float(np.bincount(of[taken]).max() / len(taken)),
            }
        )
    return rows


PARTS = ("topics", "neighbours", "targets", "cover", "spread", "balance", "entropy")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=int, default=100_000)
    parser.add_argument("--dimensions", type=int, default=256)
    parser.add_argument("--exact-up-to", type=int, default=NEIGHBOURS.search.exact_up_to)
    parser.add_argument("--folder", type=Path, default=Path(".bench"))
    parser.add_argument("--part", choices=PARTS)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    if args.part:
        print(json.dumps(part(args.part, args)))
        return
    args.folder.mkdir(parents=True, exist_ok=True)
    own = [sys.executable, __file__, "--prompts", str(args.prompts)]
    own += ["--dimensions", str(args.dimensions), "--folder", str(args.folder)]
    own += ["--exact-up-to", str(args.exact_up_to)]
    rows: list[dict[str, Any]] = []
    for name in PARTS:
        done = subprocess.run([*own, "--part", name], capture_output=True, text=True, check=True)
        rows.append(json.loads(done.stdout))
    selections = chosen(args.prompts, args.dimensions, args.folder)
    heads = ("part", "seconds", "layout_s", "index", "recall", "peak_mb")
    print_table([{head: row.get(head, "") for head in heads} for row in rows])
    print_table(selections)
    if args.json:
        found = {"machine": machine(), "prompts": args.prompts, "dimensions": args.dimensions}
        write_json(args.json, {**found, "parts": rows, "selections": selections})


if __name__ == "__main__":
    main()
