"""Near duplicates compared with a plain script and other tools on the same rows and labels.

    python tests/bench/duplicates.py TOOLS [--rows 100000] [--peer NAME=PYTHON ...] [--json FILE]

TOOLS is the folder of the near-duplicate bench: it makes the rows, scores the kept ids and runs
the plain script and, by ``run_NAME.py``, other tools, each with the PYTHON of an environment that
has it: semhash, datatrove and distilabel have such a script there, text_dedup and data_juicer have
one in ``peers/``. The job of all is to read the rows, drop those whose chosen side is short or
equal to the rejected one, drop near duplicates of prompts and write the rest. ``prefine`` does it
with the functions of the measure, ``prefine run`` from recipe to published data set, hashes, pairs,
facts, decisions and card included. The second table has further kinds of copies, by method.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from planted import plant
from report import machine, print_table, write_json

RECIPE = """
name: bench
sources: [{{name: made, files: ["{data}/part-*.jsonl"]}}]
measures:
  - {{kind: lengths}}
  - {{kind: near_duplicates, jaccard: {jaccard}{more}}}
rules:
  - {{name: too_short, column: chosen_chars, minimum: 20}}
  - {{name: one_per_cluster, cap: 1, per: prompt_cluster}}
"""
_PEERS = Path(__file__).with_name("peers")
JACCARD = 0.7
"""The plain script's own bound."""
METHODS = {
    "same words": (1.0, ", character_jaccard: null"),
    "words": (JACCARD, ", character_jaccard: null"),
    "words and characters": (JACCARD, ""),
    "semantic 0.95": (JACCARD, ", by: [semantic]"),
    "default (0.8)": (0.8, ""),
    "all": (JACCARD, ", by: [lexical, semantic]"),
}


def job(data: Path, out: Path) -> None:
    """Do the job with the functions of the measure."""
    import numpy as np
    import polars as pl

    from prefine.text.distinct import sketch_texts
    from prefine.text.near import Bounds, cluster_centres, lexical_edges, split_by_traits

    long = pl.col("chosen").str.len_chars() >= 20
    rows = pl.scan_ndjson(data / "part-*.jsonl").filter(long)
    rows = rows.filter(pl.col("chosen") != pl.col("rejected")).collect()
    bounds = Bounds(jaccard=JACCARD)
    texts = (rows["id"].to_list(), rows["prompt"].to_list())
    found = sketch_texts(lambda _part: texts, range(1), bounds.shingle_words, characters=True)
    edges = split_by_traits(found, bounds, lexical_edges(found, bounds)).edges
    centre = cluster_centres(found, bounds, edges)[found.indices]
    kept = rows[np.sort(np.unique(centre, return_index=True)[1])]
    (out / "final").mkdir(parents=True)
    size = -(-kept.height // 4)
    for part in range(4):
        kept.slice(part * size, size).write_parquet(out / "final" / f"part-{part:03d}.parquet")


def whole(data: Path, out: Path, recipe: str) -> None:
    """Do the job with a recipe, and write the ids of the rows that the kept pairs come from."""
    import polars as pl

    from prefine.planning import make_plan, publish_plan, run_plan
    from prefine.planning.look import read_table
    from prefine.recipe import parse_recipe
    from prefine.settings import Runtime

    runtime = Runtime(root=str(out / "root"))
    plan = make_plan(parse_recipe(recipe), runtime)
    run_plan(plan, runtime)
    publish_plan(plan, runtime, str(out / "published"))
    if not (out / "ids").exists():
        return
    kept = pl.read_parquet(out / "published/data/*.parquet", columns=["pair_id"])
    pairs = kept.join(read_table(plan, runtime, "pairs"), on="pair_id")
    judged = read_table(plan, runtime, "judgements").select(
        "response_a", "response_b", "file", "row"
    )
    keys = ["chosen_id", "rejected_id"]
    found = pairs.join(judged, left_on=keys, right_on=["response_a", "response_b"])
    names: list[str] = []
    for (file,), part in found.group_by("file"):
        lines = Path(str(file)).read_text(encoding="utf-8").splitlines()
        names += [json.loads(lines[row - 1])["id"] for row in part["row"]]
    (out / "final").mkdir()
    pl.DataFrame({"id": names}).unique().write_parquet(out / "final/ids.parquet")
    assert len(names) == kept.height, "each kept pair comes from one row"


def measured(command: list[str], **more: str) -> dict[str, float]:
    """Run a command; return its wall time, CPU time and peak memory."""
    started = time.monotonic()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, env={**os.environ, **more}, stdout=said, stderr=said)
        _, status, used = os.wait4(process.pid, 0)
        if status:
            said.seek(0)
            raise SystemExit(said.read().decode()[-2000:])
    cpu = used.ru_utime + used.ru_stime
    return {"wall_s": time.monotonic() - started, "cpu_s": cpu, "peak_mb": used.ru_maxrss // 1024}


class Bench:
    """One set of rows, and the systems that do the job on them."""

    def __init__(self, tools: Path, data: Path, peers: dict[str, str]) -> None:
        self.tools, self.data, self.peers = tools, data, peers
        self._call("survivors.py", str(data))

    def _call(self, script: str, *arguments: str) -> str:
        command = [sys.executable, str(self.tools / script), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def score(self, out: Path) -> dict[str, Any]:
        found = self._call(
            *("score.py", str(out / "final"), str(self.data / "truth.json")),
            str(self.data / "survivors.json"),
        )
        return json.loads(found)

    def systems(self) -> dict[str, list[str]]:
        """Return the command of each system, without its output folder."""
        data, own = str(self.data), [sys.executable, str(Path(__file__).resolve())]
        found = {
            "plain script": [sys.executable, str(self.tools / "run_baseline.py"), data],
            "prefine": [*own, "--do", "job", data],
            "prefine run": [*own, "--do", "whole", data],
        }
        for name, python in self.peers.items():
            given = self.tools / f"run_{name}.py"
            runner = given if given.exists() else _PEERS / given.name
            found[name] = [python, str(runner), data]
        return found

    def run(self, name: str, out: Path) -> dict[str, Any]:
        """Run one system; return what it took and how well it did."""
        spent = measured([*self.systems()[name], str(out)], SHINGLE="3")
        if name == "prefine run":
            (out / "ids").touch()
            whole(self.data, out, RECIPE.format(data=self.data, jaccard=JACCARD, more=""))
        scored = self.score(out)
        keys = ("precision", "recall", "removed_wrong", "missed")
        return {"system": name, **spent, **{key: scored[key] for key in keys}}

    def by_kind(self, out: Path) -> dict[str, Any]:
        """Return recall of each kind of copy, precision, and what was removed by mistake."""
        import polars as pl

        kept = set(pl.read_parquet(out / "final/*.parquet", columns=["id"])["id"])
        groups: dict[int, list[dict[str, Any]]] = defaultdict(list)
        for row in json.loads((self.data / "truth.json").read_text()):
            groups[row["group"]].append(row)
        copies, found, wrong = Counter[str](), Counter[str](), Counter[str]()
        for rows in groups.values():
            left = [row for row in rows if row["id"] in kept]
            kinds = [row["kind"] for row in rows if row["kind"] != "base"]
            if len(rows) > 1:
                copies[kinds[0]] += 1
                found[kinds[0]] += len(left) == 1
            if not left:
                wrong.update(kinds)
        recall = {kind: found[kind] / copies[kind] for kind in sorted(copies)}
        right = sum(found.values())
        return {"recall": recall, "precision": right / (right + wrong.total()), "wrong": wrong}


def compare(bench: Bench, folder: Path, repeats: int) -> list[dict[str, Any]]:
    """Run all systems in turns, peers in the first alone; return the cheapest turn of each."""
    rows: list[dict[str, Any]] = []
    for turn in range(repeats):
        for name in bench.systems():
            if name in bench.peers and turn:
                continue
            rows.append(bench.run(name, folder / f"{turn}-{name.replace(' ', '_')}"))
            print(f"turn {turn}: {name} {rows[-1]['wall_s']:.1f} s", flush=True)
    best = {name: [r for r in rows if r["system"] == name] for name in bench.systems()}
    return [min(turns, key=lambda row: row["cpu_s"]) for turns in best.values()]


def kinds(bench: Bench, folder: Path) -> dict[str, dict[str, Any]]:
    """Run the other systems, and every method of the measure, on copies of further kinds."""
    found: dict[str, dict[str, Any]] = {}
    for name in bench.systems():
        if not name.startswith("prefine"):
            out = folder / f"kinds-{name.replace(' ', '_')}"
            measured([*bench.systems()[name], str(out)], SHINGLE="3")
            found[name] = bench.by_kind(out)
    for name, (jaccard, more) in METHODS.items():
        out = folder / f"kinds-{jaccard}-{len(found)}"
        out.mkdir()
        (out / "ids").touch()
        whole(bench.data, out, RECIPE.format(data=bench.data, jaccard=jaccard, more=more))
        found[name] = bench.by_kind(out)
    return found


def print_kinds(found: dict[str, dict[str, Any]]) -> None:
    rows: list[dict[str, Any]] = []
    for kind in next(iter(found.values()))["recall"]:
        rows.append({"recall of": kind} | {n: f["recall"][kind] for n, f in found.items()})
    rows.append({"recall of": "PRECISION"} | {n: f["precision"] for n, f in found.items()})
    wrong = sorted({kind for f in found.values() for kind in f["wrong"]})
    for kind in wrong:
        rows.append(
            {"recall of": f"lost: {kind}"} | {n: f["wrong"][kind] for n, f in found.items()}
        )
    print_table(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tools", type=Path)
    parser.add_argument("out", type=Path, nargs="?")
    parser.add_argument("--do", choices=["job", "whole"])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument(
        "--planted", type=int, default=300, help="copies of each further kind; 0 leaves them out"
    )
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=PYTHON")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    if args.do == "job":
        return job(args.tools, args.out)
    if args.do == "whole":
        recipe = RECIPE.format(data=args.tools, jaccard=JACCARD, more="")
        return whole(args.tools, args.out, recipe)
    peers = dict(peer.split("=", 1) for peer in args.peer)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        generate = [str(args.tools / "gen_data.py"), "--rows", str(args.rows)]
        measured([sys.executable, *generate, "--out", f"{folder}/rows"])
        rows = compare(Bench(args.tools, folder / "rows", peers), folder, args.repeats)
        print_table(rows)
        planted: dict[str, int] = {}
        found: dict[str, dict[str, Any]] = {}
        if args.planted:
            planted = plant(folder / "planted", args.planted)
            found = kinds(Bench(args.tools, folder / "planted", peers), folder)
            print_kinds(found)
    if args.json:
        facts = {"machine": machine(), "rows": args.rows, "planted": planted}
        write_json(args.json, {**facts, "systems": rows, "kinds": found})
    return None


if __name__ == "__main__":
    main()
