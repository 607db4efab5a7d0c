"""The house rules that a machine can check."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
MODULES = sorted([*(PROJECT / "src").rglob("*.py"), *(PROJECT / "flows").rglob("*.py")])


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PROJECT)))
def test_a_module_is_short_and_says_what_it_is_for(module: Path) -> None:
    text = module.read_text(encoding="utf-8")

    assert len(text.splitlines()) <= 400
    assert ast.get_docstring(ast.parse(text))


def test_only_flows_import_prefect() -> None:
    sources = [path.read_text(encoding="utf-8") for path in (PROJECT / "src").rglob("*.py")]

    assert not [text for text in sources if "import prefect" in text or "from prefect" in text]


def test_the_readme_is_short() -> None:
    assert len((PROJECT / "README.md").read_text(encoding="utf-8").splitlines()) <= 220


def test_a_plan_is_made_without_a_model_library() -> None:
    loaded = "import prefine.plan, sys; print({'torch', 'transformers'} & sys.modules.keys())"

    said = subprocess.run([sys.executable, "-c", loaded], check=True, capture_output=True)

    assert said.stdout.decode().strip() == "set()"
