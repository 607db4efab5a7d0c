"""Recipes write the same results as before: fingerprints of steps, and exported files.

``golden.json`` holds what was found when a change of behaviour was last wanted. To renew it after
such a change: ``PREFINE_GOLDEN=write pytest tests/integration/test_golden.py``, and say in the
CHANGELOG what changed and why.

The static encoder is replaced by drawn vectors: distilled ones differ in their last bits from one
processor to the next. Exported files of recipes without embeddings and models are compared byte for
byte. Of others, columns of floats are left out; and on another processor than the golden file's,
whose last bits may decide on a rank, a topic or a verdict, their columns and the number of rows are
compared, and not the rows.
"""

import os
import platform
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import polars as pl
import pytest

from prefine.planning import Plan, make_plan, publish_plan, run_plan
from prefine.recipe import parse_recipe
from prefine.settings import Runtime
from tests.conftest import PROJECT
from tests.integration.conftest import SharedRoot
from tests.made import byte_tokenizer, drawn_llama

GOLDEN = Path(__file__).with_name("golden.json")
WRITE = os.environ.get("PREFINE_GOLDEN") == "write"
BUNDLED = (PROJECT / "pipelines/quickstart.yaml",)
SOURCES = (
    *sorted((PROJECT / "tests/sources").glob("*.yaml")),
    *(PROJECT / f"pipelines/{name}.yaml" for name in ("hh_rlhf", "alpaca_eval", "mix")),
)
MODELS = "{{model: {}}}"
EVERY_KIND = """
name: every_kind
seed: 5
shards: 2
sources:
  - {{name: pairs, files: [pairs.jsonl], max_row_bytes: 20000}}
  - {{name: rated, files: [rated.json]}}
pairs: {{use: [label, reward], reward: rm, select: all}}
measures:
  - {{kind: lengths, tokenizer: {{model: {reward}}}}}
  - {{kind: cosine}}
  - {{kind: near_duplicates, of: [prompts, responses, pairs], by: [lexical, semantic]}}
  - kind: contamination
    semantic: true
    benchmarks: [{{name: leak, files: [examples.jsonl]}}]
  - {{kind: prompt_topics, topics: 8}}
  - {{kind: prompt_neighbours}}
  - {{kind: target_similarity, files: [examples.jsonl]}}
  - {{kind: label_consistency, neighbours: 8}}
  - {{kind: reward/bootstrap}}
  - {{kind: reward/transformers, name: rm, weights: {{model: {reward}}}, max_tokens: 400}}
  - {{kind: reward/transformers, name: rm2, weights: {{model: {reward}}}, over_long: flag_and_cut}}
  - {{kind: reward/agreement, models: [rm, rm2]}}
  - {{kind: ches/transformers, store: float32, weights: {{model: {policy}}}, max_tokens: 600}}
  - {{kind: policy/transformers, weights: {{model: {policy}}}, max_tokens: 600}}
  - {{kind: policy/transformers, name: apart, weights: {{model: {policy}}}, max_tokens: 500}}
  - {{kind: pressure, neighbours: 8}}
rules:
  - {{name: short, column: chosen_chars, minimum: 3, unless: {{column: source, equals: rated}}}}
  - {{name: far, column: target_best_rank, maximum_quantile: 0.95, missing: hold}}
  - {{name: wrong, column: rm_margin, flip_when: {{maximum: -0.6}}}}
  - {{name: unsure, column: num_votes, hold_when: {{minimum: 9}}}}
  - {{name: not_arena, column: label_source, differs: arena}}
  - {{name: one, cap: 2, per: prompt_cluster, order_by: -rm_margin, diverse: {{by: cover}}}}
  - {{name: even, budget: 150, order_by: -chars_gap, balance: [source, prompt_topic]}}
export: {{target: {{kind: trl, prompt: implicit}}, test_ratio: 0.2, rows_per_shard: 60}}
"""
SERVED = """
name: served
sources: [{name: pairs, files: [pairs.jsonl], max_row_bytes: 20000}]
encoder: {static: false, served_model: minilm, weights: {model: a/e, revision: r}}
measures:
  - {kind: cosine}
  - kind: reward/vllm
    name: rm
    served_model: a
    heads: [x, y]
    weights: {model: a/b, revision: r}
  - {kind: ches/vllm, served_model: b, store: float16, weights: {model: a/c, revision: r}}
  - {kind: judge/vllm, served_model: c, weights: {model: a/d, revision: r}}
  - {kind: pressure}
export: {columns: [rm_x_margin, cosine]}
"""

Planned = tuple[Plan, Runtime]
Run = Callable[[str, Path], Planned]


def named(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def fixed_encoder(plan: Plan, cache: Path) -> None:
    """Store random vectors in place of a distilled encoder."""
    for step in plan.steps:
        if step.name == "encoder":
            folder = cache / step.folder
            folder.mkdir(parents=True, exist_ok=True)
            tokenizer = byte_tokenizer()
            (folder / "tokenizer.json").write_text(tokenizer.backend_tokenizer.to_str())
            drawn = np.random.default_rng(0).integers(-512, 512, (len(tokenizer), 64))
            np.save(folder / "vectors.npy", (drawn / 512).astype(np.float16))


def planned(text: str, folder: Path, data: Path, root: Path | None = None) -> Planned:
    runtime = Runtime(
        root=str(root or folder / "root"), data=str(data), cache=str(folder / "cache")
    )
    plan = make_plan(parse_recipe(text), runtime)
    fixed_encoder(plan, folder / "cache")
    return plan, runtime


def fingerprints(plan: Plan) -> dict[str, str]:
    return {step.name: step.fingerprint for step in plan.steps}


def exported(
    text: str, folder: Path, data: Path, root: Path | None = None
) -> dict[str, dict[str, str]]:
    """Run a recipe; return the fingerprints of its steps and the digests of what it exported."""
    plan, runtime = planned(text, folder, data, root)
    run_plan(plan, runtime)
    out = folder / "out"
    publish_plan(plan, runtime, str(out))
    exact = not any("vectors" in step.name or step.uses == "model" for step in plan.steps)
    paths = sorted(path for path in out.rglob("*") if path.suffix in {".parquet", ".csv"})
    describe = digest if exact else described
    return {
        "steps": fingerprints(plan),
        "files": {str(path.relative_to(out)): describe(path) for path in paths},
    }


def digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def described(path: Path) -> dict[str, Any]:
    """Return what is known of a file without its floats: columns, number of rows, rows."""
    if path.suffix == ".csv":
        rows = pl.read_csv(path, columns=["pair_id", "verdict", "rule", "column"])
    else:
        rows = pl.read_parquet(path)
    columns = {name: str(kind) for name, kind in rows.schema.items()}
    rows = rows.select(pl.exclude(pl.Float64, pl.Float32))
    content = orjson.dumps([rows.columns, rows.rows()], default=str)
    return {"columns": columns, "rows": rows.height, "content": sha256(content).hexdigest()}


def processor() -> str:
    """Name what decides on the last bits of a sum: the model, and what libraries make of it."""
    from numpy._core import _multiarray_umath

    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    model = next((line for line in lines if line.startswith("model name")), platform.machine())
    features = [name for name, on in _multiarray_umath.__cpu_features__.items() if on]
    return sha256(orjson.dumps([model, sorted(features)])).hexdigest()[:16]


def compare(name: str, found: dict[str, Any]) -> None:
    known: dict[str, Any] = orjson.loads(GOLDEN.read_bytes()) if GOLDEN.exists() else {}
    if WRITE:
        options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS
        new = known | {name: found, "processor": processor()}
        GOLDEN.write_bytes(orjson.dumps(new, option=options) + b"\n")
        return
    assert found["steps"] == known[name]["steps"]
    files, expected = found.get("files", {}), known[name].get("files", {})
    same_processor = known["processor"] == processor()
    for path, (one, other) in zipped(files, expected).items():
        if same_processor or isinstance(other, str):
            assert one == other, path
        else:
            assert one["columns"] == other["columns"], path
            assert one["rows"] == pytest.approx(other["rows"], rel=0.02, abs=2), path


def zipped(one: dict[str, Any], other: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    assert one.keys() == other.keys()
    return {key: (one[key], other[key]) for key in one}


@pytest.mark.parametrize("path", BUNDLED, ids=named)
def test_a_bundled_recipe_writes_what_it_wrote(path: Path, tmp_path: Path) -> None:
    compare(named(path), exported(path.read_text(), tmp_path, path.parent))


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_a_recipe_of_real_sources_writes_what_it_wrote(
    path: Path, tmp_path: Path, real_data: Path, shared_root: SharedRoot
) -> None:
    with shared_root(path.stem) as root:
        compare(named(path), exported(path.read_text(), tmp_path, real_data, root))


def test_every_kind_of_measure_writes_what_it_wrote(project: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for name in ("pairs.jsonl", "rated.json"):
        (data / name).write_bytes((project / "data/sample" / name).read_bytes())
    asked = ["How do I keep my garden green in a dry summer?", "Plan three days in a small city."]
    (data / "examples.jsonl").write_bytes(
        b"".join(orjson.dumps({"prompt": t}) + b"\n" for t in asked)
    )
    models = {kind: drawn_llama(kind, tmp_path / kind) for kind in ("policy", "reward")}

    compare("every_kind", exported(EVERY_KIND.format(**models), tmp_path, data))


def test_measures_that_ask_servers_are_planned_as_they_were(project: Path, tmp_path: Path) -> None:
    plan, _ = planned(SERVED, tmp_path, project / "data/sample")

    compare("served", {"steps": fingerprints(plan)})


def test_the_golden_file_speaks_of_every_recipe() -> None:
    known = orjson.loads(GOLDEN.read_bytes())

    assert known.keys() == {
        *map(named, (*BUNDLED, *SOURCES)),
        *("every_kind", "served", "processor"),
    }
