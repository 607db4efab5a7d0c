"""Style rules for the code that can be checked automatically."""

import ast
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from prefine.decide import CHECKS
from prefine.export.targets import TARGETS
from prefine.ingest.layout import Layout
from prefine.ingest.layouts import LAYOUTS, format_of
from prefine.measure.kinds import MEASURES

PROJECT = Path(__file__).parents[2]
MODULES = sorted([*(PROJECT / "src").rglob("*.py"), *(PROJECT / "flows").rglob("*.py")])


def test_a_module_is_short_and_says_what_it_is_for() -> None:
    texts = {str(path): path.read_text(encoding="utf-8") for path in MODULES}

    assert [path for path, text in texts.items() if len(text.splitlines()) > 400] == []
    assert [path for path, text in texts.items() if not ast.get_docstring(ast.parse(text))] == []


def test_only_flows_import_prefect() -> None:
    sources = [path.read_text(encoding="utf-8") for path in (PROJECT / "src").rglob("*.py")]

    assert not [text for text in sources if "import prefect" in text or "from prefect" in text]


def test_the_readme_is_short() -> None:
    assert len((PROJECT / "README.md").read_text(encoding="utf-8").splitlines()) <= 220


BARE = {"torch", "faiss", "prefine.step", "prefine.store"}


@pytest.mark.parametrize(
    "stages",
    [
        [("prefine.cli", {"torch", "faiss", "polars", "prefect"})],
        [
            ("prefine.text.distinct", BARE),
            ("prefine.search.index", BARE),
            ("prefine.recipe", {"torch", "transformers", "faiss", "httpx"}),
            ("prefine.planning", {"torch", "transformers", "faiss"}),
        ],
    ],
)
def test_an_import_loads_only_what_it_needs(stages: list[tuple[str, set[str]]]) -> None:
    script = (
        "import sys; from importlib import import_module\n"
        f"for name, absent in {stages}:\n"
        "    import_module(name)\n"
        "    print(name, sorted(absent & sys.modules.keys()))\n"
    )

    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)

    assert done.stdout.decode().splitlines() == [f"{name} []" for name, _ in stages]


MODULE_OF = {measure.kind_name(): measure.__module__ for measure in MEASURES}


@pytest.mark.parametrize("kind", MODULE_OF)
def test_a_kind_of_measure_is_the_module_or_package_of_its_name(kind: str) -> None:
    expected = f"prefine.measure.{kind.replace('/', '.')}"

    assert MODULE_OF[kind] in {expected, f"{expected}.measure"}


@pytest.mark.parametrize("layout", LAYOUTS, ids=format_of)
def test_a_layout_is_the_module_of_its_format(layout: type[Layout]) -> None:
    assert layout.__module__ == f"prefine.ingest.layouts.{format_of(layout)}"


def test_kinds_are_told_apart_in_their_own_modules_alone() -> None:
    classes = {cls.__name__ for cls in (*MEASURES, *LAYOUTS, *CHECKS, *TARGETS)}
    sites = re.compile(rf"isinstance\([^)]*\b({'|'.join(classes)})\b|case ({'|'.join(classes)})\(")

    assert [str(path) for path in MODULES if sites.search(path.read_text(encoding="utf-8"))] == []


def test_no_room_is_larger_than_a_sixth_of_the_house() -> None:
    lines: Counter[Path] = Counter()
    for path in MODULES:
        lines[path.parent] += len(path.read_text(encoding="utf-8").splitlines())

    assert max(lines.values()) < 0.16 * lines.total()
