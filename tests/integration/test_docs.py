"""The commands and Python code that pages show, run in order in a copy of the repository."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PROJECT
from tests.pages import Block, blocks, pages, title

SHELL = ["bash", "-euo", "pipefail", "-c"]
COPIED = ("README.md", "data", "docs", "flows", "pipelines", "src")
RUN = {"bash", "python"}


def is_run(block: Block) -> bool:
    return block.language in RUN and block.file is None and block.skipped is None


PAGES = [page for page in pages() if any(is_run(block) for block in blocks(page))]


def copy_of_repository(folder: Path) -> Path:
    folder.mkdir()
    for name in COPIED:
        source, target = PROJECT / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    return folder


def environment(folder: Path) -> dict[str, str]:
    """Return an environment in which the copy is imported, and pip installs next to it."""
    site = folder.parent / "site"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFINE_")}
    return {
        **kept,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(str(one) for one in (folder / "src", folder / "flows", site)),
        "PIP_TARGET": str(site),
        "PIP_NO_INDEX": "1",
        "PIP_NO_DEPS": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # pip reads this one the other way round
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PREFECT_HOME": str(folder.parent / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    }


def run(block: Block, page: Path, folder: Path, env: dict[str, str]) -> None:
    command = (
        [*SHELL, block.text] if block.language == "bash" else [sys.executable, "-c", block.text]
    )
    done = subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=300, check=False
    )
    where = f"{title(page)}:{block.line}"
    assert done.returncode == 0, f"{where}\n{block.text}\n{done.stdout}\n{done.stderr}"


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=title)
def test_the_commands_of_a_page_run(page: Path, tmp_path: Path) -> None:
    folder = copy_of_repository(tmp_path / "repository")
    env = environment(folder)
    for block in blocks(page):
        if block.file is not None:
            target = folder / block.file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.text, encoding="utf-8")
        elif is_run(block):
            run(block, page, folder, env)


@pytest.mark.slow
def test_the_readme_and_the_tutorial_show_the_counts_of_the_sample(tmp_path: Path) -> None:
    folder = copy_of_repository(tmp_path / "repository")
    command = ["prefine", "run", "pipelines/quickstart.yaml", "--output", "curated"]
    subprocess.run(
        command, cwd=folder, env=environment(folder), check=True, capture_output=True, timeout=300
    )
    manifest = json.loads((folder / "curated" / "manifest.json").read_text(encoding="utf-8"))
    counts = {rule["rule"]: rule for rule in manifest["rules"]}
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    tutorial = (PROJECT / "docs" / "tutorial.md").read_text(encoding="utf-8")

    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| *(\d*) *\| *(\d*) *\|", readme, re.MULTILINE)
    assert [row[0] for row in rows] == [
        name for name, one in counts.items() if one["dropped"] or one["flipped"]
    ]
    for name, pairs, dropped, flipped in rows:
        one = counts[name]
        assert (int(pairs), int(dropped or 0)) == (one["in"], one["dropped"])
        assert int(flipped or 0) == one["flipped"]
    lines = re.findall(r"^(\w+) +(\d+) +(\d+) +(\d+) +(\d+)$", tutorial, re.MULTILINE)
    for name, *numbers in lines[: len(rows)]:
        one = counts[name]
        expected = [one["in"], one["dropped"], one["held"], one["flipped"]]
        assert [int(number) for number in numbers] == expected
    assert f"{sum(manifest['splits'].values())} are kept" in readme
