"""Building an index and joining it with itself: seconds, memory and recall as the corpus grows.

    python tests/bench/index.py [--sizes 10000 ... 1000000] [--json FILE] [--plot SVG]

Made vectors of 384 dimensions: 20,000 topics, a spectrum that falls as 1/i^1.5, spread about their
topics; half of all tenth neighbours have a cosine above 0.76 at 100,000 vectors and 0.79 at 300,000
(0.83 and 0.85 among as many sentences of the test data in the static encoder's space). They are
stored in a file as float16 and are read in blocks, as a corpus step reads its shards. Each size
runs in a process of its own, whose peak memory is reported. Recall is that of 1,000 vectors drawn
apart from the sample that the index measures itself on. The exponent is the slope of a line through
the logarithms of seconds (CPU, wall) and vectors.
"""

import argparse
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from report import machine, print_table, write_json

from prefine.search.index import build_index
from prefine.search.recall import find_truth, measure_recall
from prefine.search.settings import Search
from prefine.settings import Runtime

_WIDTH, _TOPICS, _SPREAD, _FALL = 384, 20_000, 0.8, 1.5
_BLOCK, _NEIGHBOURS, _ASKED = 20_000, 10, 1000


def make_vectors(path: Path, count: int) -> None:
    rng = np.random.default_rng(0)
    scale = np.arange(1, _WIDTH + 1) ** (-_FALL / 2)
    scale = (scale / np.linalg.norm(scale)).astype(np.float32)
    topics = rng.normal(size=(_TOPICS, _WIDTH)).astype(np.float32) * scale
    spread = (_SPREAD * rng.uniform(0.5, 1.5, _TOPICS)).astype(np.float32)
    out = np.memmap(path, np.float16, "w+", shape=(count, _WIDTH))
    for start in range(0, count, _BLOCK):
        topic = rng.integers(_TOPICS, size=min(_BLOCK, count - start))
        noise = rng.normal(size=(len(topic), _WIDTH)).astype(np.float32) * scale
        found = topics[topic] + spread[topic, None] * noise
        out[start : start + len(topic)] = found / np.linalg.norm(found, axis=1, keepdims=True)
    out.flush()


def one(path: Path, count: int) -> dict[str, Any]:
    """Build, join, and compare some of it with brute force."""
    stored = np.memmap(path, np.float16, "r", shape=(count, _WIDTH))

    def blocks() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for start in range(0, count, _BLOCK):
            found = stored[start : start + _BLOCK].astype(np.float32)
            places = np.arange(start, start + len(found))
            yield places, found / np.linalg.norm(found, axis=1, keepdims=True)

    ids = [f"{number:024x}" for number in range(count)]
    settings = {"config": Search(), "runtime": Runtime(), "seed": 0}
    neighbours = np.empty((count, _NEIGHBOURS), np.int32)
    wall, cpu = time.monotonic(), time.process_time()
    with build_index(ids, blocks, count=_NEIGHBOURS, **settings) as (index, notes):
        build_s = time.monotonic() - wall
        for places, found in index.knn_self_join(_NEIGHBOURS):
            neighbours[places] = found.indices
    wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    asked = np.sort(np.random.default_rng(1).choice(count, _ASKED, replace=False))
    queries = stored[asked].astype(np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    truth = find_truth(asked, queries, blocks(), _NEIGHBOURS)
    return {
        "vectors": count,
        "index": notes["index"],
        "lists": notes.get("lists", 1),
        "probes": notes.get("probes", 1),
        "build_s": round(build_s, 1),
        "wall_s": round(wall, 1),
        "cpu_s": round(cpu, 1),
        "peak_mb": round(peak / 1e6),
        "recall_noted": notes["recall"],
        "recall": measure_recall(neighbours[asked].astype(np.int64), truth, blocks),
    }


def apart(count: int, folder: Path) -> dict[str, Any]:
    """Run one size in a process of its own."""
    path = folder / f"{count}.f16"
    make_vectors(path, count)
    command = [sys.executable, __file__, "--one", str(path), "--sizes", str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    path.unlink()
    print(done.stdout.strip(), file=sys.stderr, flush=True)
    return json.loads(done.stdout)


def exponent(rows: list[dict[str, Any]], what: str) -> float:
    sizes, seconds = ([math.log(row[key]) for row in rows] for key in ("vectors", what))
    return float(np.polyfit(sizes, seconds, 1)[0])


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw seconds against vectors, both as logarithms, with a line of the fitted slope."""
    logs = {key: np.log10([row[key] for row in rows]) for key in ("vectors", "cpu_s", "wall_s")}
    low_x, high_x = math.floor(logs["vectors"].min()), math.ceil(logs["vectors"].max())
    seconds = np.concatenate([logs["cpu_s"], logs["wall_s"]])
    low_y, high_y = math.floor(seconds.min()), math.ceil(seconds.max())

    def at(x: float, y: float) -> tuple[float, float]:
        return 70 + 540 * (x - low_x) / (high_x - low_x), 330 - 280 * (y - low_y) / (high_y - low_y)

    def line(start: tuple[float, float], end: tuple[float, float], more: str) -> str:
        (a, b), (c, d) = at(*start), at(*end)
        return f'<line x1="{a:.1f}" y1="{b:.1f}" x2="{c:.1f}" y2="{d:.1f}" {more}/>'

    drawn = ['<svg xmlns="http://www.w3.org/2000/svg" width="660" height="390" font-size="12">']
    for x in range(low_x, high_x + 1):
        drawn.append(line((x, low_y), (x, high_y), 'stroke="#ccc"'))
        left, _ = at(x, low_y)
        drawn.append(f'<text x="{left:.1f}" y="350" text-anchor="middle">{10**x:,}</text>')
    for y in range(low_y, high_y + 1):
        drawn.append(line((low_x, y), (high_x, y), 'stroke="#ccc"'))
        _, top = at(low_x, y)
        drawn.append(f'<text x="62" y="{top + 4:.1f}" text-anchor="end">{10**y:,g} s</text>')
    drawn.append('<text x="340" y="375" text-anchor="middle">vectors</text>')
    for place, (key, colour) in enumerate((("cpu_s", "black"), ("wall_s", "#06c"))):
        slope = exponent(rows, key)
        middle = float(logs[key].mean() - slope * logs["vectors"].mean())
        ends = [(float(x), middle + slope * float(x)) for x in logs["vectors"][[0, -1]]]
        drawn.append(line(ends[0], ends[1], f'stroke="{colour}" stroke-dasharray="4"'))
        for x, y in zip(logs["vectors"], logs[key], strict=True):
            a, b = at(float(x), float(y))
            drawn.append(f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3.5" fill="{colour}"/>')
        said = f"{'CPU' if key == 'cpu_s' else 'wall'}: n^{slope:.2f}"
        drawn.append(f'<text x="90" y="{70 + 18 * place}" fill="{colour}">{said}</text>')
    path.write_text("\n".join([*drawn, "</svg>"]) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    sizes = [10_000, 30_000, 100_000, 300_000, 1_000_000]
    parser.add_argument("--sizes", type=int, nargs="+", default=sizes)
    parser.add_argument("--one", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(one(args.one, args.sizes[0])))
        return
    with tempfile.TemporaryDirectory() as folder:
        rows = [apart(count, Path(folder)) for count in args.sizes]
    print_table(rows)
    if len(rows) > 1:
        slopes = {what: exponent(rows, what) for what in ("cpu_s", "wall_s")}
        print(f"growth: CPU n^{slopes['cpu_s']:.2f}, wall n^{slopes['wall_s']:.2f}")
    if args.plot:
        plot(rows, args.plot)
    if args.json:
        write_json(args.json, {"machine": machine(), "rows": rows})


if __name__ == "__main__":
    main()
