"""Pages: every relative link and anchor resolves, and every recipe that they show is valid."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from prefine.recipe.load import parse_recipe
from tests.conftest import PROJECT
from tests.pages import anchors, blocks, links, pages, recipes, title

PAGES = pages()


@pytest.mark.parametrize("page", PAGES, ids=title)
def test_every_relative_link_and_anchor_resolves(page: Path) -> None:
    broken: list[str] = []
    for link in links(page):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)

    assert not broken


@pytest.mark.parametrize(
    "page", [page for page in PAGES if title(page).startswith("docs")], ids=title
)
def test_the_site_has_what_its_pages_link_to(page: Path) -> None:
    outside = [
        link
        for link in links(page)
        if "://" not in link
        and not (page.parent / link.partition("#")[0])
        .resolve()
        .is_relative_to((PROJECT / "docs").resolve())
    ]

    assert not outside


@pytest.mark.parametrize(
    ("page", "line", "recipe"),
    [
        pytest.param(page, line, recipe, id=f"{title(page)}:{line}")
        for page in PAGES
        for line, recipe in recipes(page)
    ],
)
def test_a_recipe_of_a_page_is_valid(page: Path, line: int, recipe: str) -> None:
    loaded = parse_recipe(recipe, f"{title(page)}:{line}")

    assert loaded.sources


@pytest.mark.parametrize("page", PAGES, ids=title)
def test_every_mark_of_a_page_is_understood(page: Path) -> None:
    marks = len(re.findall(r"^\s*<!-- test:", page.read_text(encoding="utf-8"), re.MULTILINE))

    assert sum(bool(block.file or block.skipped) for block in blocks(page)) == marks


def test_the_navigation_lists_every_page_once() -> None:
    site = yaml.safe_load((PROJECT / "mkdocs.yml").read_text(encoding="utf-8"))
    listed = list(leaves(site["nav"]))
    docs = PROJECT / "docs"
    written = {page.relative_to(docs).as_posix() for page in docs.rglob("*.md")}

    assert len(listed) == len(set(listed))
    assert {page for page in written if not page.startswith("decisions/0")} <= set(listed)


def leaves(node: Any) -> Iterator[str]:
    """Yield the pages of a navigation, in order."""
    if isinstance(node, str):
        yield node
    else:
        for one in node.values() if isinstance(node, dict) else node:
            yield from leaves(one)


def test_the_index_of_the_decisions_lists_all_in_order() -> None:
    folder = PROJECT / "docs" / "decisions"
    pages = [page.name for page in sorted(folder.glob("0*.md"))]

    assert [link for link in links(folder / "index.md") if link.startswith("0")] == pages
    assert [int(name[:3]) for name in pages] == list(range(1, len(pages) + 1))
