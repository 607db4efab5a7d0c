"""Ten rules on a million made pairs: seconds, CPU seconds and peak memory of the decide step.

    python tests/bench/decide.py [--pairs 1000000] [--parts 8] [--check] [--json FILE]

The facts are made once and are stored in a root like those of a run; the step runs in a process of
its own, whose peak memory is reported, once with the rules as they are and once with a threshold
moved. The rules are of all tests but ``diverse``: two flips, a hold, bounds, texts, quantiles per
source, representatives of clusters, a cap and a balanced budget. ``--check`` compares the verdict,
rule, value, threshold and flips of every pair, and all counts, with the engine of the property
tests, which takes minutes and several GB for a million pairs.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from pydantic import TypeAdapter
from report import machine, print_table, write_json

from prefine.decide import AnyRule, Rule, decide_spec
from prefine.schema import Column, hash_unit
from prefine.schema.columns import Flip
from prefine.settings import Inputs, Runtime
from prefine.step import Counts, Step, StepSpec, Work, require_manifest, run_step
from prefine.store import Store

SEED = 7
TEXT = pa.large_string()
COLUMNS = {
    column.name: column
    for column in (
        Column("source", TEXT, "made"),
        Column("topic", TEXT, "made"),
        Column("probability", pa.float64(), "made", Flip.COMPLEMENT),
        Column("margin", pa.float64(), "made", Flip.NEGATE),
        Column("chosen_chars", pa.int64(), "made", Flip.SWAP, "rejected_chars"),
        Column("rejected_chars", pa.int64(), "made", Flip.SWAP, "chosen_chars"),
        Column("is_tie", pa.bool_(), "made"),
        Column("cosine", pa.float64(), "made"),
        Column("cluster", TEXT, "made"),
        Column("rank", pa.int64(), "made"),
        Column("is_best", pa.bool_(), "made", cluster="cluster", rank="rank"),
    )
}
IDS = ("prompt_id", "pair_id", "chosen_id", "rejected_id", "own_id")
SCHEMA = pa.schema(
    [pa.field(name, TEXT) for name in IDS]
    + [pa.field(column.name, column.type) for column in COLUMNS.values()]
    + [pa.field("order", pa.float64())]
)


def rules(doubt: float) -> list[dict[str, Any]]:
    """Return the rules, as a recipe has them."""
    return [
        {"name": "tie", "column": "is_tie", "equals": False},
        {"name": "doubtful", "column": "probability", "flip_when": {"maximum": doubt}},
        {"name": "against", "column": "margin", "flip_when": {"maximum": -2.0}},
        {"name": "unsure", "column": "probability", "hold_when": {"minimum": 0.49, "maximum": 0.5}},
        {
            "name": "short",
            "column": "chosen_chars",
            "minimum": 40,
            "unless": {"column": "source", "equals": "source3"},
        },
        {"name": "unwanted", "column": "topic", "differs": "topic7", "missing": "keep"},
        {"name": "tails", "column": "margin", "minimum_quantile": 0.02, "per": "source"},
        {"name": "copy", "column": "is_best", "equals": True},
        {"name": "same_question", "cap": 3, "per": "prompt_id", "order_by": "-probability"},
        {"name": "budget", "budget": 300_000, "balance": ["source"], "order_by": "-cosine"},
    ]


def made_facts(work: Work, pairs: int) -> Counts:
    """Write the facts, part by part."""
    parts = range(work.step.num_parts)
    for part in parts:
        count = pairs // len(parts) + (part < pairs % len(parts))
        rows = made_part(np.random.default_rng(part), count)
        order = [hash_unit(SEED, "order", pair) for pair in rows["pair_id"]]
        work.emit("facts", rows.with_columns(pl.Series("order", order, pl.Float64)), part=part)
    return Counts(pairs, pairs)


def made_part(rng: np.random.Generator, count: int) -> pl.DataFrame:
    """Return about four pairs per prompt, sorted by their ids; some values are null or tied."""

    def some(values: Any, nulls: float, dtype: Any) -> pl.Series:
        return pl.Series(values, dtype=dtype).set(pl.Series(rng.random(count) < nulls), None)

    prompt = rng.integers(0, max(1, count // 4), count)
    names = pl.Series(ids(rng, max(1, count // 4)))[prompt]
    cluster = rng.integers(0, max(1, count // 2), count)
    probability = np.round(rng.beta(4, 2, count), 4)
    facts = {
        "prompt_id": names,
        "pair_id": ids(rng, count),
        "chosen_id": ids(rng, count),
        "rejected_id": ids(rng, count),
        "own_id": pl.Series([None] * count, dtype=pl.String),
        "source": pl.Series([f"source{n}" for n in range(6)])[rng.integers(0, 6, count)],
        "topic": some([f"topic{n}" for n in rng.integers(0, 500, count)], 0.05, pl.String),
        "probability": some(probability, 0.02, pl.Float64),
        "margin": some(rng.normal(0.5, 1.5, count), 0.02, pl.Float64),
        "chosen_chars": pl.Series(rng.geometric(0.002, count)),
        "rejected_chars": pl.Series(rng.geometric(0.002, count)),
        "is_tie": pl.Series(rng.random(count) < 0.03),
        "cosine": some(np.round(rng.uniform(-1, 1, count), 3), 0.01, pl.Float64),
        "cluster": names + "-" + pl.Series(cluster % 3).cast(pl.String),
        "rank": pl.Series(rng.integers(1, 4, count)),
        "is_best": pl.Series(rng.random(count) < 0.5),
    }
    return pl.DataFrame(facts).sort("pair_id")


def ids(rng: np.random.Generator, count: int) -> list[str]:
    """Return ids as a run has them: 24 hexadecimal digits."""
    digits = rng.bytes(12 * count).hex()
    return [digits[start : start + 24] for start in range(0, 24 * count, 24)]


def steps(pairs: int, parts: int, doubt: float) -> tuple[Step, Step]:
    """Return the step that makes the facts, and the one that decides on them."""
    adapter: TypeAdapter[Rule] = TypeAdapter(AnyRule)
    facts = StepSpec(
        name="facts",
        version=1,
        run=partial(made_facts, pairs=pairs),
        reads=(),
        writes={"facts": SCHEMA},
        config={"pairs": pairs, "seed": SEED},
        scope="corpus",
    )
    decide = decide_spec(tuple(map(adapter.validate_python, rules(doubt))), COLUMNS, SEED)
    settings: dict[str, Any] = {"shards": parts, "seed": SEED, "inputs": Inputs()}
    made = facts.step((), **settings)
    return made, decide.step((made,), **settings)


def one(args: argparse.Namespace) -> dict[str, Any]:
    """Run the decide step; its memory is that of this process, which has made no facts."""
    _, step = steps(args.pairs, args.parts, args.doubt)
    before, cpu = time.monotonic(), time.process_time()
    idle = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    run_step(step, None, Runtime(root=str(args.root)))
    return {
        "pairs": args.pairs,
        "doubt": args.doubt,
        "seconds": round(time.monotonic() - before, 2),
        "cpu_s": round(time.process_time() - cpu, 2),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "idle_mb": idle,
    }


def check(args: argparse.Namespace) -> dict[str, Any]:
    """Compare every pair and every count with the plain engine.

    Raises:
        AssertionError: One differs.
    """
    sys.path.insert(0, str(Path(__file__).parents[2]))
    from tests.property.plain_rules import Field, decide

    made, step = steps(args.pairs, args.parts, args.doubt)
    store = Store(str(args.root))
    kinds = {pa.float64(): "number", pa.int64(): "integer", pa.bool_(): "truth", TEXT: "text"}
    fields = {
        name: Field(kinds[c.type], c.flip.value, c.partner, c.cluster, c.rank)
        for name, c in COLUMNS.items()
    }
    parts = range(args.parts)
    facts = pl.concat(store.read(made.part("facts", part)) for part in parts)
    found = pl.concat(store.read(step.part("decisions", part)) for part in parts)
    plain = decide(facts.to_dict(as_series=False), rules(args.doubt), fields, SEED)
    names = ("pair_id", "verdict", "rule", "column", "value", "threshold")
    rows = found.select(*names, "value_text", "threshold_text", "flipped_by", "flips").iter_rows()
    for row, pair_id, state in zip(rows, facts["pair_id"], plain.states, strict=True):
        flipped_by = state.flips[-1] if state.flipped else None
        wanted = (pair_id, state.verdict, *state.record, flipped_by)
        assert row[:-1] == wanted, f"{row} is not {wanted}"
        assert list(row[-1] or []) == state.flips, f"{row}: not {state.flips}"
    log = require_manifest(store, step, None).notes["rules"]
    assert log == plain.log, f"{log} is not {plain.log}"
    return {"checked_pairs": found.height, "verdicts": dict(found["verdict"].value_counts().rows())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=1_000_000)
    parser.add_argument("--parts", type=int, default=8)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--root", type=Path)
    parser.add_argument("--doubt", type=float)
    args = parser.parse_args()
    if args.doubt is not None:
        print(json.dumps(check(args) if args.check else one(args)))
        return
    with tempfile.TemporaryDirectory() as folder:
        root = args.root or Path(folder)
        run_step(steps(args.pairs, args.parts, 0)[0], None, Runtime(root=str(root)))
        own = [sys.executable, __file__, "--root", str(root), "--parts", str(args.parts)]
        own += ["--pairs", str(args.pairs), "--doubt"]
        rows = [called([*own, str(doubt)]) for doubt in (0.1, 0.15)]
        print_table(rows)
        checked = called([*own, "0.1", "--check"]) if args.check else None
        if checked:
            print("equal to the plain engine:", json.dumps(checked))
    if args.json:
        write_json(args.json, {"machine": machine(), "decide": rows, "check": checked})


def called(arguments: list[str]) -> dict[str, Any]:
    done = subprocess.run(arguments, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    main()
