"""Kinds from another distribution: one file and one entry point each, found in every process."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import orjson
import polars as pl
import pytest

from tests.made import Environment, byte_tokenizer, call, explicit

RECIPE = """
name: shouts
shards: 2
sources:
  - {name: recognised, files: [one.jsonl]}
  - {name: named, files: [two.jsonl], format: shouted, upper: true}
measures:
  - {kind: lengths}
  - {kind: exclamations}
  - {kind: reward/brevity, name: brevity, weights: {model: tokenizer}}
rules:
  - {name: too_loud, column: chosen_exclamations, maximum: 1}
  - {name: longer, column: brevity_margin, minimum: 1}
export: {target: thumbs, test_ratio: 0.3}
"""
NUM_PAIRS = 24


def installed(plugin: Path, folder: Path) -> Environment:
    """Install the plug-in outside the environment, as pip does; return how to reach it."""
    copy = folder / "copy"
    shutil.copytree(plugin, copy, ignore=shutil.ignore_patterns("build", "*.egg-info"))
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    offline = ["--no-deps", "--no-index", "--no-build-isolation"]
    call([*pip, *offline, "--target", str(folder / "site"), str(copy)], dict(os.environ), folder)
    return {**os.environ, "PYTHONPATH": str(folder / "site")}


def copied(plugin: Environment, folder: Path, version: str) -> Environment:
    """Return how to reach a copy of an installed plug-in with another version."""
    site = folder / "site"
    shutil.copytree(plugin["PYTHONPATH"], site)
    (facts,) = site.glob("*.dist-info")
    metadata = (facts / "METADATA").read_text().replace("Version: 1.0", f"Version: {version}")
    (facts / "METADATA").write_text(metadata)
    facts.rename(site / f"prefine_shouts-{version}.dist-info")
    return {**os.environ, "PYTHONPATH": str(site)}


def rows(count: int, start: int) -> bytes:
    made = [
        {"ask": f"Why {n}?", "quiet": f"Because {n}{'!' * (n % 3)}", "loud": f"Who knows, {n}?!"}
        for n in range(start, start + count)
    ]
    return b"".join(orjson.dumps(row) + b"\n" for row in made)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shouts")
    (folder / "recipe.yaml").write_text(RECIPE)
    (folder / "one.jsonl").write_bytes(rows(NUM_PAIRS // 2, 0))
    (folder / "two.jsonl").write_bytes(rows(NUM_PAIRS // 2, NUM_PAIRS))
    byte_tokenizer().save_pretrained(folder / "tokenizer")
    return folder


@pytest.fixture(scope="module")
def plugin(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return installed(project / "tests/plugin", tmp_path_factory.mktemp("plugin"))


def run(data: Path, root: Path, env: Environment, *options: str) -> str:
    where = ["--root", str(root), "--output", str(root / "out")]
    command = [sys.executable, "-m", "prefine.cli", "run", "recipe.yaml", *where, *options]
    return call(command, env, data)


def fingerprints(data: Path, env: Environment, recipe: str = "recipe.yaml") -> dict[str, str]:
    """Return the fingerprints of a plan that is made in a process of its own."""
    script = (
        "import orjson, sys; from prefine.planning import make_plan;"
        "from prefine.recipe import load_recipe; from prefine.settings import Runtime;"
        "steps = make_plan(load_recipe(sys.argv[1]), Runtime()).steps;"
        "print(orjson.dumps({step.name: step.fingerprint for step in steps}).decode())"
    )
    return orjson.loads(call([sys.executable, "-c", script, recipe], env, data))


@pytest.fixture(scope="module")
def by_workers(
    data: Path, plugin: Environment, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    """Return the folder of a run in two worker processes, and what it printed."""
    folder = tmp_path_factory.mktemp("workers")
    return folder, run(data, folder, plugin, "--set", "workers=2")


def test_all_that_a_plugin_adds_works_in_worker_processes(
    by_workers: tuple[Path, str], plugin: Environment
) -> None:
    folder, told = by_workers

    assert "recognised: one.jsonl has layout shouted: `ask`, `loud` and `quiet`" in told
    manifest = orjson.loads((folder / "out/manifest.json").read_bytes())
    kept = NUM_PAIRS - manifest["dropped"]["too_loud"]
    assert manifest["dropped"] == {"too_loud": NUM_PAIRS // 3}
    assert (manifest["target"], manifest["rows_per_pair"]) == ("thumbs", 2)
    assert manifest["plugins"] == ["prefine-shouts 1.0"]
    assert sum(manifest["splits"].values()) == 2 * kept
    verify = [sys.executable, "-m", "prefine.cli", "verify", str(folder / "out")]
    assert "all files and counts match the manifest" in call(verify, plugin, folder)
    table = pl.concat(pl.read_parquet(p) for p in (folder / "out/data").glob("*.parquet"))
    assert table.columns == ["prompt", "completion", "label"]
    assert (
        table.group_by("prompt").agg(pl.col("label").sort()).get_column("label").to_list()
        == [[False, True]] * kept
    )
    losing = table.filter(~pl.col("label")).select(pl.col("completion").list[0].struct["content"])
    assert sorted(losing.to_series().str.contains("WHO KNOWS")) == [False] * 8 + [True] * 8
    card = (folder / "out/README.md").read_text()
    assert "Each response has a row of its own" in card
    assert f"{kept} preference pairs (train" in card
    assert f"; {kept} are kept (train" in told
    call([sys.executable, "-m", "prefine.cli", "verify", "out"], plugin, folder)


@pytest.mark.parametrize("module", ["exclamations", "brevity", "shouted", "thumbs"])
def test_a_plugin_can_be_imported_before_prefine(
    data: Path, plugin: Environment, module: str
) -> None:
    script = f"import prefine_shouts.{module}; import prefine.recipe"

    call([sys.executable, "-c", script], plugin, data)


def test_a_shard_without_rows_is_measured(data: Path, plugin: Environment, tmp_path: Path) -> None:
    (data / "many.yaml").write_text(RECIPE.replace("shards: 2", "shards: 40"))
    where = ["--root", str(tmp_path / "root"), "--output", str(tmp_path / "out")]

    call([sys.executable, "-m", "prefine.cli", "run", "many.yaml", *where], plugin, data)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "rows_per_pair: ClassVar[int] = 2",
            "rows_per_pair: ClassVar[int] = 1",
            "`rows_per_pair` is",
        ),
        ("completion=side", "answer=side", "rows of target `thumbs` lack the columns completion"),
        ('"label": "whether', '"other": "whether', "has no meaning for the columns label"),
    ],
)
def test_a_target_keeps_its_promises_or_nothing_is_published(
    data: Path, plugin: Environment, tmp_path: Path, old: str, new: str, message: str
) -> None:
    env = copied(plugin, tmp_path, "2.0")
    thumbs = Path(env["PYTHONPATH"]) / "prefine_shouts/thumbs.py"
    assert old in thumbs.read_text()
    thumbs.write_text(thumbs.read_text().replace(old, new))
    where = ["--root", str(tmp_path / "root"), "--output", str(tmp_path / "out")]
    command = [sys.executable, "-m", "prefine.cli", "run", "recipe.yaml", *where]

    told = call(command, env, data, expected=2)

    assert message in told
    assert not list(tmp_path.glob("out/*"))


def test_one_process_and_two_write_the_same_bytes(
    by_workers: tuple[Path, str], data: Path, plugin: Environment, tmp_path: Path
) -> None:
    run(data, tmp_path, plugin)

    one, two = (
        {str(p.relative_to(out)): p.read_bytes() for p in (out / "out").rglob("*.parquet")}
        for out in (tmp_path, by_workers[0])
    )
    assert one == two != {}


def test_another_version_of_a_plugin_measures_anew(
    data: Path, plugin: Environment, tmp_path: Path
) -> None:
    newer = copied(plugin, tmp_path, "1.1")

    before, after = fingerprints(data, plugin), fingerprints(data, newer)

    assert before.keys() == after.keys()
    assert not set(before.items()) & set(after.items())  # every later step depends on the layout
    assert before == fingerprints(data, plugin)

    (data / "plain.jsonl").write_bytes(orjson.dumps(explicit("Why?", "So.", "No!")))
    plain = RECIPE.replace(
        "{name: recognised, files: [one.jsonl]}", "{name: a, files: [plain.jsonl]}"
    )
    plain = plain.replace(
        "  - {name: named, files: [two.jsonl], format: shouted, upper: true}\n", ""
    )
    (data / "plain.yaml").write_text(plain)
    one, other = (fingerprints(data, env, "plain.yaml") for env in (plugin, newer))
    assert {name for name in one if one[name] != other[name]} == {
        *("measure_exclamations", "reward_brevity", "measure_brevity"),
        *("facts", "decide", "export"),
    }


def test_without_the_plugin_its_kinds_are_unknown(data: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "prefine.cli", "run", "recipe.yaml", "--output", "out"]
    done = subprocess.run(command, cwd=data, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "sources[1]" in done.stderr
    assert "measures[1]" in done.stderr
    assert "Traceback" not in done.stderr


METHODS = "    def columns(self): return ()\n    def run(self, work): raise AssertionError\n"
ODD = (
    "from typing import ClassVar, Literal\nfrom prefine.measure.base import Measure\n"
    "class Odd(Measure):\n    version: ClassVar[int] = 1\n    kind: Literal['odd']\n"
)
SECOND = "from prefine.measure.lengths import Lengths\nclass Odd(Lengths):\n    "


@pytest.mark.parametrize(
    ("module", "message"),
    [
        ("", "cannot be loaded (AttributeError"),
        ("1 / 0", "cannot be loaded (ZeroDivisionError"),
        ("Odd = 3", "is not a subclass of prefine.measure.base.Measure"),
        (SECOND + "pass", "Odd does not state its `version"),
        (SECOND + "version = 1", "the name `lengths` is taken by prefine"),
        (ODD, "Odd does not define columns, run"),
        (ODD.replace("'odd'", "'odd', 'even'") + METHODS, "does not state its name"),
        (
            ODD.replace("'odd'", "'../odd'") + METHODS,
            "the name `../odd` may have lower-case letters",
        ),
    ],
)
def test_a_class_that_cannot_be_used_is_one_sentence(
    data: Path, tmp_path: Path, module: str, message: str
) -> None:
    (tmp_path / "odd.py").write_text(module)
    facts = tmp_path / "odd-2.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: odd\nVersion: 2.0\n")
    (facts / "entry_points.txt").write_text("[prefine.measures]\nodd = odd:Odd\n")
    command = [sys.executable, "-m", "prefine.cli", "plan", "recipe.yaml"]
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}

    told = call(command, env, data, expected=2)

    assert "entry point `odd` of prefine.measures (odd 2.0)" in told
    assert message in told
    assert "Traceback" not in told


def test_the_schema_and_the_reference_have_the_kinds_of_a_plugin(
    data: Path, plugin: Environment, tmp_path: Path
) -> None:
    call([sys.executable, "-m", "prefine.recipe.reference", str(tmp_path)], plugin, data)

    schema = orjson.loads((tmp_path / "recipe.schema.json").read_bytes())
    titles = {part["title"] for part in schema["$defs"].values()}
    assert {"exclamations", "reward/brevity", "shouted", "thumbs"} <= titles
    text = (tmp_path / "measures.md").read_text(encoding="utf-8")
    assert "| `chosen_exclamations` | integer |" in text
