"""Regression cases: small inputs with their expected values.

They are stored outside the project, with the script that checks them. Without them the tests are
skipped.
"""

import importlib.util
import os
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prefine import cli

CASES = Path(
    os.environ.get("PREFINE_TEST_CASES", Path(__file__).parents[3] / "shared" / "cases")
).resolve()
NAMES = sorted(path.parent.name for path in CASES.glob("*/expect.json"))


@pytest.fixture(scope="module")
def judge() -> ModuleType:
    if not NAMES:
        pytest.skip(f"no cases at {CASES}; PREFINE_TEST_CASES says where they are")
    spec = importlib.util.spec_from_file_location("check", CASES / "check.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str
) -> tuple[int, str]:
    """Run the command line in this process; return its exit code and what it prints."""
    monkeypatch.setattr("sys.argv", ["prefine", *words])
    code: Any = 0
    try:
        cli.main()
    except SystemExit as end:
        code = end.code
    return int(code or 0), "".join(capsys.readouterr())


@pytest.mark.usefixtures("distilled")
@pytest.mark.parametrize("name", NAMES or ["none"])
def test_a_case_has_its_right_value(
    name: str,
    judge: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    expected = judge.json.loads((CASES / name / "expect.json").read_text())
    monkeypatch.chdir(CASES / name)
    root, out = str(tmp_path / "root"), tmp_path / "out"

    run = ["run", "recipe.yaml", "--root", root, "--output", str(out)]
    code, said = command(monkeypatch, capsys, *run)
    _, shown = command(monkeypatch, capsys, "show", "quarantine", "--root", root)
    files = sorted((out / "data").glob("*.parquet"))
    table = pa.concat_tables([pq.read_table(file) for file in files]) if files else None
    done = subprocess.CompletedProcess([], code)

    failures = [judge.holds(one, done, said, shown, table) for one in expected["any"]]
    assert not all(failures), failures
