"""The reference: in step with the code, complete, and with links that lead somewhere."""

import ast
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from prefine.decide import CHECKS
from prefine.export.targets import TARGETS
from prefine.ingest.layouts import LAYOUTS, format_of
from prefine.ingest.reasons import QUARANTINE_REASONS
from prefine.ingest.record import Reason
from prefine.measure.kinds import MEASURES
from prefine.measure.reasons import CLUSTERED_BY, CONTAMINATED_BY, DIFFERENCES, MEASURE_REASONS
from prefine.pair.reasons import LABEL_SOURCES, SELECTIONS, UNUSED_REASONS, VERDICT_REASONS
from prefine.recipe.reference import reference
from prefine.recipe.reference.examples import columns_of, example_of
from prefine.recipe.reference.markup import anchor
from prefine.recipe.schema import schema_text
from prefine.schema import DECISIONS, JUDGEMENTS, PAIR_COLUMNS, PROMPTS, QUARANTINE, RESPONSES
from prefine.schema.meanings import MEANINGS
from prefine.settings import Runtime
from prefine.text.differences import DIFFERENCES as DIFFER
from tests.conftest import PROJECT

FOLDER = PROJECT / "docs" / "reference"
SOURCE = PROJECT / "src" / "prefine"
COMMAND = "run `python -m prefine.recipe.reference`"


@pytest.fixture(scope="module")
def files() -> Mapping[str, str]:
    return reference()


def test_the_files_on_disk_are_what_the_code_generates(files: Mapping[str, str]) -> None:
    stale = [
        name
        for name, text in files.items()
        if not (FOLDER / name).is_file() or (FOLDER / name).read_text(encoding="utf-8") != text
    ]

    assert stale == [], f"docs/reference is not current: {COMMAND}"
    assert {path.name for path in FOLDER.iterdir()} == files.keys()


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return json.loads(schema_text("recipe"))


def section(files: Mapping[str, str], page: str, title: str) -> str:
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", files[page], re.M | re.S)
    assert found, f"{page} has no section {title}"
    return found[1]


def test_every_kind_has_its_section_with_its_settings(files: Mapping[str, str]) -> None:
    for measure in MEASURES:
        text = section(files, "measures.md", measure.kind_name())
        keys = {field.alias or name for name, field in measure.model_fields.items()} - {"kind"}
        assert {key for key in keys if f"| `{key}` |" not in text} == set()
    for check in CHECKS:
        assert f"`{check.keys[0]}`" in section(files, "rules.md", check.test)
    for layout in LAYOUTS:
        text = section(files, "layouts.md", format_of(layout))
        assert {name for name in layout.required_options() if f"| `{name}` |" not in text} == set()
    for target in TARGETS:
        assert section(files, "targets.md", target.kind_name())


def test_every_setting_is_on_a_page(files: Mapping[str, str], schema: dict[str, Any]) -> None:
    pages = "".join(text for name, text in files.items() if name.endswith(".md"))
    keys = {key for part in schema["$defs"].values() for key in part["properties"]}
    keys |= {*schema["properties"], *Runtime.model_fields}

    named_by_title = {"kind", "format"}
    assert {key for key in keys - named_by_title if f"| `{key}` |" not in pages} == set()


def test_every_column_of_every_measure_is_on_its_page(files: Mapping[str, str]) -> None:
    for measure in MEASURES:
        text = section(files, "measures.md", measure.kind_name())
        shown = columns_of(measure)
        assert shown, f"{measure.kind_name()} needs an example in recipe/reference/examples.py"
        assert [c.column.name for c in shown if f"| `{c.column.name}` |" not in text] == []


def test_columns_that_settings_add_are_found() -> None:
    found = {
        measure.kind_name(): {shown.column.name: shown.when for shown in columns_of(measure)}
        for measure in MEASURES
    }

    assert found["lengths"]["chosen_tokens"] == "with `tokenizer`"
    assert found["near_duplicates"]["pair_cluster"] == "with `of: [pairs]`"
    assert found["contamination"]["contamination_similarity"] == "with `semantic: true`"
    assert found["reward/vllm"]["NAME_HEAD_margin"] == "with `heads`"
    assert found["reward/vllm"]["NAME_margin"] == ""
    assert found["table"] == {
        "COLUMN": "",
        **dict.fromkeys(
            ("chosen_COLUMN", "rejected_COLUMN", "COLUMN_margin"), "with rows about responses"
        ),
    }


def test_a_flip_is_told_in_words(files: Mapping[str, str]) -> None:
    text = section(files, "measures.md", "reward/bootstrap")

    assert "| `NAME_margin` | number | - | - | changes its sign |" in text
    assert "| `NAME_probability` | number | share | [0, 1] | v becomes 1 - v |" in text
    assert "| swaps with `rejected_chars` |" in section(files, "measures.md", "lengths")


def test_every_column_of_every_table_has_a_meaning(files: Mapping[str, str]) -> None:
    schemas = {
        "prompts": PROMPTS,
        "responses": RESPONSES,
        "judgements": JUDGEMENTS,
        "quarantine": QUARANTINE,
        "decisions": DECISIONS,
    }

    assert {name: list(schema.names) for name, schema in schemas.items()} == {
        name: list(columns) for name, columns in MEANINGS.items()
    }
    pairs = section(files, "tables.md", "pairs")
    assert [column.name for column in PAIR_COLUMNS if f"| `{column.name}` |" not in pairs] == []


def links(files: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, text in files.items():
        for target in re.findall(r"\]\(([^)]+)\)", text) if name.endswith(".md") else ():
            yield name, target


def test_every_link_leads_to_a_heading(files: Mapping[str, str]) -> None:
    headings = {
        name: {anchor(title) for title in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}
        for name, text in files.items()
    }

    broken = []
    for name, target in links(files):
        page, _, heading = target.partition("#")
        page = page or name
        known = page in files or (FOLDER / page).resolve().is_file()
        if not known or (heading and heading not in headings[page]):
            broken.append((name, target))
    assert broken == []


def test_headings_of_a_page_are_distinct(files: Mapping[str, str]) -> None:
    for name, text in files.items():
        titles = [anchor(title) for title in re.findall(r"^#+ (.*)$", text, re.MULTILINE)]
        assert len(set(titles)) == len(titles), name


_CALLS = {"lit": 0, "fill_null": 0, "_with_reason": 1, "fromkeys": 1}
"""Functions that put a text into a column, and which argument the text is."""


def texts(node: ast.AST | None) -> Iterator[str]:
    """Yield the names among the texts in an expression."""
    for part in ast.walk(node) if node is not None else ():
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield from re.findall(r"^[a-z]+(?:_[a-z]+)*$", part.value)


def called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def written(*paths: Path, function: str = "") -> set[str]:
    """Return the texts that modules put into columns, and those that a function returns."""
    found: set[str] = set()
    for node in (node for path in paths for node in ast.walk(ast.parse(path.read_text("utf-8")))):
        if isinstance(node, ast.Call) and called(node) in _CALLS:
            for argument in node.args[_CALLS[called(node)] :][:1]:
                found.update(texts(argument))
        elif isinstance(node, ast.FunctionDef) and node.name == function:
            returned = (part for part in ast.walk(node) if isinstance(part, ast.Return))
            found.update(text for part in returned for text in texts(part.value))
    return found


def test_every_reason_of_quarantine_is_explained() -> None:
    assert {str(reason) for reason in Reason} == {str(reason) for reason in QUARANTINE_REASONS}


def test_every_reason_of_an_unused_label_is_explained() -> None:
    paths = [SOURCE / "pair" / f"{name}.py" for name in ("outcomes", "compared", "votes", "select")]

    assert written(*paths, function="unused_reason") - LABEL_SOURCES.keys() == UNUSED_REASONS.keys()


def test_every_result_of_a_verdict_is_explained() -> None:
    folder = SOURCE / "pair" / "verdicts"
    unusable = {
        text
        for node in ast.walk(ast.parse((folder / "settings.py").read_text("utf-8")))
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple)
        for text in texts(node.value.elts[-1])
    }

    assert unusable | written(folder / "step.py") - {"matched"} == VERDICT_REASONS.keys()


def test_every_value_of_selections_and_label_sources_is_explained(schema: dict[str, Any]) -> None:
    settings = schema["$defs"]["Pairs"]["properties"]

    assert set(settings["select"]["enum"]) == SELECTIONS.keys()
    assert {*settings["use"]["items"]["enum"], "verdict"} == LABEL_SOURCES.keys()


def test_every_reason_of_a_measure_is_explained() -> None:
    paths = sorted((SOURCE / "measure").rglob("*.py"))
    others = CLUSTERED_BY.keys() | CONTAMINATED_BY.keys() | DIFFERENCES.keys()

    assert written(*paths) - others <= MEASURE_REASONS.keys()


def test_reasons_that_columns_name_are_explained() -> None:
    """Names with an underscore in the description of a column are values."""
    for measure in MEASURES:
        for shown in columns_of(measure):
            if shown.column.name.endswith("_reason"):
                named = set(re.findall(r"\b[a-z]+_[a-z]+\b", shown.column.about))
                assert named <= MEASURE_REASONS.keys(), shown.column.name


def test_values_of_differences_are_explained() -> None:
    assert tuple(DIFFERENCES) == DIFFER


def test_every_built_in_measure_has_an_example() -> None:
    assert [kind.kind_name() for kind in MEASURES if example_of(kind) is None] == []
