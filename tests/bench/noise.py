"""Detection of flipped labels by bootstrap margin and label consistency, and by length.

    python tests/bench/noise.py DATA [--flipped 0.2] [--seed 0] [--json FILE]

DATA is the folder that holds hh_rlhf_harmless and alpaca_eval. A share of the labels is flipped in
copies of the raw files; the recipe runs up to its facts; AUROC is how often a flipped pair scores
lower than one that was not flipped.
"""

import argparse
import gzip
import json
import lzma
import random
import tempfile
from pathlib import Path
from typing import Any

import polars as pl
from report import machine, print_table, write_json
from sklearn.metrics import roc_auc_score

from prefine.planning import make_plan, run_plan
from prefine.planning.look import read_table
from prefine.recipe import parse_recipe
from prefine.settings import Runtime

MEASURES = """
measures:
  - {kind: lengths}
  - {kind: reward/bootstrap}
  - {kind: label_consistency}
"""


def flip_hh(data: Path, out: Path, share: float, seed: int) -> str:
    rng = random.Random(seed)
    source = data / "hh_rlhf_harmless/harmless-base/test.jsonl.gz"
    with gzip.open(source, "rt", encoding="utf-8") as stream:
        found = [json.loads(line) for line in stream]
    for number in rng.sample(range(len(found)), int(share * len(found))):
        row = found[number]
        row["chosen"], row["rejected"] = row["rejected"], row["chosen"]
    _lines(out / "hh.jsonl", found)
    return "name: hh\nsources:\n  - {name: hh, files: [hh.jsonl], format: hh}\n" + MEASURES


def flip_alpaca(data: Path, out: Path, share: float, seed: int) -> str:
    rng = random.Random(seed)
    for number, source in enumerate(sorted((data / "alpaca_eval").glob("**/annotations.json.xz"))):
        with lzma.open(source, "rt", encoding="utf-8") as stream:
            found = json.load(stream)
        for row in found:
            row.pop("raw_completion", None)
            if rng.random() < share and row["preference"]:
                row["preference"] = 3 - row["preference"]
        _lines(out / f"alpaca{number:02d}.jsonl", found)
    files = '{name: alpaca, files: ["alpaca*.jsonl"], format: alpaca_eval}'
    return f"name: alpaca\nsources:\n  - {files}\n" + MEASURES


def _lines(path: Path, found: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in found), encoding="utf-8")


def facts_of(recipe: str, folder: Path, root: Path) -> pl.DataFrame:
    """Run a recipe up to its facts."""
    runtime = Runtime(root=str(root), data=str(folder))
    plan = make_plan(parse_recipe(recipe), runtime)
    run_plan(plan, runtime)
    return read_table(plan, runtime, "facts")


def scores(name: str, flip: Any, data: Path, share: float, seed: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        clean, noisy = Path(folder) / "clean", Path(folder) / "noisy"
        clean.mkdir()
        noisy.mkdir()
        before = facts_of(flip(data, clean, 0.0, seed), clean, Path(folder) / "root0")
        after = facts_of(flip(data, noisy, share, seed), noisy, Path(folder) / "root1")
    columns = ["pair_id", "chosen_id", "is_tie", "is_identical", "num_empty"]
    both = after.join(before.select(columns), on="pair_id", suffix="_before")
    sound = [~pl.col(f"is_tie{s}") & ~pl.col(f"is_identical{s}") for s in ("", "_before")]
    both = both.filter(sound[0] & sound[1] & pl.col("label_probability").is_not_null())
    flipped = (both["chosen_id"] != both["chosen_id_before"]).to_numpy()
    rng = random.Random(seed)
    return {
        "data": name,
        "pairs": both.height,
        "flipped": int(flipped.sum()),
        "bootstrap": roc_auc_score(flipped, -both["bootstrap_margin"].to_numpy()),
        "consistency": roc_auc_score(flipped, -both["label_probability"].to_numpy()),
        "length": roc_auc_score(flipped, -both["chars_gap"].to_numpy()),
        "random": roc_auc_score(flipped, [rng.random() for _ in range(both.height)]),
        "agrees_with_clean_label": float((before_margin(before) > 0).mean()),
    }


def before_margin(before: pl.DataFrame) -> Any:
    sound = before.filter(~pl.col("is_tie") & ~pl.col("is_identical") & (pl.col("num_empty") == 0))
    return sound["bootstrap_margin"].to_numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--flipped", type=float, default=0.2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", choices=["hh", "alpaca_eval"])
    args = parser.parse_args()
    flips = {"hh": flip_hh, "alpaca_eval": flip_alpaca}
    names = [args.only] if args.only else list(flips)
    found = [scores(name, flips[name], args.data, args.flipped, args.seed) for name in names]
    print_table(found)
    if args.json:
        write_json(args.json, {"machine": machine(), "flipped": args.flipped, "rows": found})


if __name__ == "__main__":
    main()
