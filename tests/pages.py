"""Read the Markdown pages of the project: their blocks, links and anchors, and what marks them.

A comment before a fenced block says how tests treat it:

    <!-- test: skip (needs a GPU) -->       it is not run, and a recipe is not checked
    <!-- test: write my/recipe.yaml -->     it is written to this file, for the blocks after it
    <!-- test: write a.yaml, skip (...) --> both
"""

import re
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tests.conftest import PROJECT

_BLOCK = re.compile(
    r"^(?:[ \t]*<!-- test: (?:write (?P<file>[^ ,]+))?(?:, )?"
    r"(?:skip \((?P<why>[^\n)]+)\))? -->\n+)?"
    r"(?P<indent>[ \t]*)```(?P<language>\w*)[^\n]*\n(?P<text>.*?)^(?P=indent)```[ \t]*$",
    re.MULTILINE | re.DOTALL,
)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} (.+?)\s*#*$", re.MULTILINE)


class Block(NamedTuple):
    """A fenced block of a page."""

    language: str
    text: str
    line: int
    file: str | None
    """The file that it is written to."""
    skipped: str | None
    """Why it is neither run nor checked."""


def pages() -> list[Path]:
    """Return every page: those at the root of the project, and those below ``docs``."""
    return [*sorted(PROJECT.glob("*.md")), *sorted((PROJECT / "docs").rglob("*.md"))]


def title(page: Path) -> str:
    """Return a page's path as test ids show it."""
    return page.relative_to(PROJECT).as_posix()


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    found: list[Block] = []
    for match in _BLOCK.finditer(text):
        line = text.count("\n", 0, match.start("language")) + 1
        inner = re.sub(rf"^{match['indent']}", "", match["text"], flags=re.MULTILINE)
        found.append(Block(match["language"], inner, line, match["file"], match["why"]))
    return found


def links(page: Path) -> list[str]:
    """Return the targets of a page's links and images, those in code left out."""
    return _LINK.findall(_without_code(page.read_text(encoding="utf-8")))


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page that work both on the site and on a repository's page."""
    headings = _HEADING.findall(_BLOCK.sub("", page.read_text(encoding="utf-8")))
    return {site_anchor(one) for one in headings} & {repository_anchor(one) for one in headings}


def site_anchor(heading: str) -> str:
    """Return the anchor that Python-Markdown gives a heading."""
    return re.sub(r"[-\s]+", "-", _plain(heading))


def repository_anchor(heading: str) -> str:
    """Return the anchor that a repository's page gives a heading."""
    return _plain(heading).replace(" ", "-")


def _plain(heading: str) -> str:
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\s-]", "", text).strip().lower()


def _without_code(text: str) -> str:
    return re.sub(r"`[^`\n]*`", "", _BLOCK.sub("", text))


def recipes(page: Path) -> list[tuple[int, str]]:
    """Return the YAML blocks of a page as whole recipes, each with its line.

    A block without sources or measures takes those of the block before it that has them; a list
    stands for the sources, measures or rules that its items are.
    """
    found: list[tuple[int, str]] = []
    last: dict[str, Any] = {"sources": [{"name": "docs", "files": ["rows.jsonl"]}]}
    for block in blocks(page):
        if block.language != "yaml" or block.skipped:
            continue
        recipe = _mapping(yaml.safe_load(block.text))
        last |= {key: recipe[key] for key in ("sources", "measures") if key in recipe}
        found.append((block.line, yaml.safe_dump({"name": "docs", **last, **recipe})))
    return found


def _mapping(written: Any) -> dict[str, Any]:
    if isinstance(written, list):
        items: list[dict[str, Any]] = written
        first = items[0]
        key = "measures" if "kind" in first else "sources" if "files" in first else "rules"
        return {key: items}
    if "format" in written:
        return {"sources": [{"name": "docs", "files": ["rows.jsonl"], **written}]}
    return written
