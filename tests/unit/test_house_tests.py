"""Style rules for tests that can be checked automatically."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
LANES = ("unit", "property", "runs", "integration")
TREES = {
    str(path.relative_to(TESTS)): ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted([*TESTS.glob("*.py"), *(p for one in LANES for p in TESTS.glob(f"{one}/*"))])
    if path.suffix == ".py"
}
RUNS_A_RECIPE = {
    *("prefine.planning.run_plan", "prefine.planning.run_named", "prefine.planning.publish_plan"),
    *("prefine.planning.publish_named", "prefine.planning.run", "prefine.cli", "prefine.run"),
    *("tests.made.run_recipe", "tests.made.table"),
    *("tests.made.byte_tokenizer", "tests.made.llama", "tests.made.drawn_llama"),
    *("tests.runs", "tests.integration", "torch", "transformers", "sentence_transformers"),
}
"""What a unit test may not import: runs of recipes, the command line, torch."""


def imports(tree: ast.AST) -> dict[str, str]:
    """Return the full name of everything that a module imports, by its name in the module."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.asname or alias.name: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    return found


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def full_name(node: ast.expr, imported: dict[str, str]) -> str:
    """Return the dotted name of an expression, with its first part as it was imported."""
    first, dot, rest = ast.unparse(node).partition(".")
    return imported.get(first, first) + dot + rest


def is_number(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float)


def waits(tree: ast.AST) -> list[str]:
    imported = imports(tree)
    names = (full_name(call.func, imported) for call in calls(tree))
    return [name for name in names if name in {"time.sleep", "asyncio.sleep"}]


def mocks(tree: ast.AST) -> list[str]:
    """Return the mock libraries that are imported, and what is replaced in prefine.

    A number of prefine, such as the size of a block, may be made smaller.
    """
    imported = imports(tree)
    found = [name for name in imported.values() if "mock" in name.split(".")]
    for call in calls(tree):
        setter = isinstance(call.func, ast.Attribute) and call.func.attr == "setattr"
        if setter and call.args and not is_number(call.args[-1]):
            place = call.args[0]
            text = place.value if isinstance(place, ast.Constant) else full_name(place, imported)
            found += [text] if str(text).split(".")[0] == "prefine" else []
    return found


def private(tree: ast.AST) -> list[str]:
    """Return the private names of prefine that a test reads."""
    imported = {
        name: full for name, full in imports(tree).items() if full.split(".")[0] == "prefine"
    }
    found = [full for full in imported.values() if "._" in full]
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and re.match("_(?!_)", node.attr):
            text = ast.unparse(node)
            found += [text] if text.split(".")[0] in imported else []
    return found


def functions(tree: ast.AST) -> list[ast.FunctionDef]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]


def called(function: ast.FunctionDef) -> set[str]:
    """Return the names that a function calls; ``assert`` is the statement."""
    asserts = any(isinstance(node, ast.Assert) for node in ast.walk(function))
    names = {ast.unparse(call.func).split(".")[-1] for call in calls(function)}
    return names | ({"assert"} if asserts else set())


def checking() -> set[str]:
    """Return the functions that assert something, by themselves or through one that they call."""
    called_by: dict[str, set[str]] = defaultdict(set)
    for tree in TREES.values():
        for one in functions(tree):
            called_by[one.name] |= called(one)
    found = {"assert", "raises", "warns"}
    while more := {name for name, names in called_by.items() if names & found} - found:
        found |= more
    return found


def test_no_test_waits_for_time_to_pass() -> None:
    assert {path: found for path, tree in TREES.items() if (found := waits(tree))} == {}


def test_no_code_of_prefine_is_replaced() -> None:
    assert {path: found for path, tree in TREES.items() if (found := mocks(tree))} == {}


def test_no_test_reads_private_state() -> None:
    assert {path: found for path, tree in TREES.items() if (found := private(tree))} == {}


def test_every_test_asserts_something() -> None:
    checks = checking()
    silent = [
        f"{path}::{one.name}"
        for path, tree in TREES.items()
        for one in functions(tree)
        if Path(path).stem.startswith("test_")
        and one.name.startswith("test_")
        and one.name not in checks
    ]

    assert silent == []


def test_unit_tests_run_no_recipe_and_import_no_torch() -> None:
    wrong = [
        f"{path} belongs in tests/runs: it imports {name}"
        for path, tree in TREES.items()
        if path.startswith("unit/")
        for name in imports(tree).values()
        if any(f"{name}.".startswith(f"{one}.") for one in RUNS_A_RECIPE)
    ]

    assert wrong == []


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("import time\ntime.sleep(1)", waits),
        ("from time import sleep\nsleep(1)", waits),
        ("from unittest.mock import patch", mocks),
        ("from prefine.planning import servers\npatch.setattr(servers, 'start_servers', f)", mocks),
        ("patch.setattr('prefine.planning.servers.start_servers', f)", mocks),
        ("from prefine.step import _hidden", private),
        ("from prefine.step import run\nrun._hidden()", private),
    ],
)
def test_the_rules_find_what_they_forbid(code: str, rule: object) -> None:
    assert callable(rule)
    assert rule(ast.parse(code))
