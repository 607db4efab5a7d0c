"""The JSON schema of a recipe: complete, in step with what is loaded, and usable by editors."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from prefine.decide import CHECKS
from prefine.errors import RecipeError
from prefine.export.targets import TARGETS
from prefine.ingest.layouts import LAYOUTS, format_of
from prefine.measure.kinds import MEASURES
from prefine.recipe import load_recipe, parse_recipe, to_yaml
from prefine.recipe.schema import markdown, named_kinds, runtime_schema, schema_text
from tests.conftest import PROJECT

RECIPES = sorted([*(PROJECT / "pipelines").glob("*.yaml"), *PROJECT.glob("tests/sources/*.yaml")])
PUBLISHED = PROJECT / "docs" / "reference" / "recipe.schema.json"
MINIMAL: dict[str, Any] = {"name": "made", "sources": [{"name": "mine", "files": ["a.jsonl"]}]}


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return json.loads(schema_text("recipe"))


@pytest.fixture(scope="module")
def validator(schema: dict[str, Any]) -> Any:
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def as_json(value: Any) -> Any:
    """Return a YAML value as editors see it: every key is a text."""
    if isinstance(value, dict):
        return {str(key): as_json(item) for key, item in value.items()}
    return [as_json(item) for item in value] if isinstance(value, list) else value


def mistakes(validator: Any, recipe: Any) -> list[str]:
    return [error.json_path for error in validator.iter_errors(as_json(recipe))]


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_the_recipes_of_the_repository_fit(path: Path, validator: Any) -> None:
    assert mistakes(validator, yaml.safe_load(path.read_text(encoding="utf-8"))) == []
    assert mistakes(validator, yaml.safe_load(to_yaml(load_recipe(path)))) == []


RIGHT: list[dict[str, Any]] = [
    {},
    {"sources": [{"name": "mine", "files": ["a.jsonl"], "keep": ["topic", "meta.level"]}]},
    {"sources": [{"name": "mine", "files": ["a"], "keep": {"l": "meta.l", "t": {"column": "t"}}}]},
    {"sources": [{"name": "mine", "files": ["a"], "format": "domains", "domain": "law"}]},
    {"export": {"target": "trl"}},
    {"export": {"target": {"kind": "trl", "prompt": "implicit"}}},
    {"rules": [{"column": "chosen_chars", "minimum": 1}], "measures": [{"kind": "lengths"}]},
    {"rules": [{"column": "rating_gap", "maximum_quantile": 0.9, "per": "source"}]},
    {"rules": [{"cap": 2, "per": "prompt_id"}, {"budget": 10, "diverse": {"by": "cover"}}]},
    {"rules": [{"column": "strength", "hold_when": {"maximum": 0.5}}]},
    {"rules": [{"column": "is_tie", "equals": False, "missing": "hold"}]},
]


@pytest.mark.parametrize("more", RIGHT, ids=str)
def test_what_loads_fits(more: dict[str, Any], validator: Any) -> None:
    assert mistakes(validator, MINIMAL | more) == []


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"measure": []}, "$"),
    ({"sources": []}, "$.sources"),
    ({"sources": [{"name": "mine", "files": ["a"], "format": "nosuch"}]}, "$.sources[0]"),
    ({"sources": [{"name": "mine", "files": ["a"], "format": "domains"}]}, "$.sources[0]"),
    ({"measures": [{"kind": "length"}]}, "$.measures[0]"),
    ({"measures": [{"kind": "lengths", "tokeniser": {"model": "m"}}]}, "$.measures[0]"),
    ({"measures": [{"kind": "near_duplicates", "jaccard": 2}]}, "$.measures[0]"),
    ({"rules": [{"column": "agreement"}]}, "$.rules[0]"),
    ({"rules": [{"column": "agreement", "minimum": 0, "equals": 1}]}, "$.rules[0]"),
    ({"rules": [{"cap": 2}]}, "$.rules[0]"),
    ({"export": {"target": "trll"}}, "$.export.target"),
]


@pytest.mark.parametrize(("more", "where"), WRONG, ids=str)
def test_what_does_not_load_does_not_fit(more: dict[str, Any], where: str, validator: Any) -> None:
    assert mistakes(validator, MINIMAL | more) == [where]
    with pytest.raises(RecipeError):
        parse_recipe(yaml.safe_dump(MINIMAL | more))


def test_every_kind_is_named_by_one_value(schema: dict[str, Any]) -> None:
    named = {
        definition["title"]: next(
            setting["const"]
            for key, setting in definition["properties"].items()
            if key in {"kind", "format"} and "const" in setting
        )
        for name, key, cls in named_kinds()
        if key != "test" and name != "recognised layout"
        for definition in [schema["$defs"][cls.__name__]]
    }

    kinds = {*(one.kind_name() for one in MEASURES), *(one.kind_name() for one in TARGETS)}
    assert named == {name: name for name in kinds | {format_of(one) for one in LAYOUTS}}
    listed = [
        one["$ref"].rpartition("/")[2] for one in schema["properties"]["rules"]["items"]["anyOf"]
    ]
    assert listed == [check.__name__ for check in CHECKS]


def settings_without_a_sentence(schema: dict[str, Any]) -> Iterator[str]:
    """Yield each setting that the schema does not describe."""
    for owner, part in (("", schema), *schema.get("$defs", {}).items()):
        for key, setting in part["properties"].items():
            if "description" not in setting and "/properties/" not in setting.get("$ref", ""):
                yield f"{owner}.{key}"


def test_every_setting_has_a_sentence(schema: dict[str, Any]) -> None:
    assert list(settings_without_a_sentence(schema)) == []
    assert list(settings_without_a_sentence(runtime_schema())) == []


def test_every_kind_and_part_has_a_sentence(schema: dict[str, Any]) -> None:
    assert [name for name, part in schema["$defs"].items() if not part.get("description")] == []


def test_prose_is_markdown(schema: dict[str, Any]) -> None:
    assert (
        markdown("Take ``a``,\n    or ``b``.\n\n    And more.") == "Take `a`, or `b`.\n\nAnd more."
    )
    assert "``" not in json.dumps(schema)


@pytest.mark.parametrize("path", sorted((PROJECT / "pipelines").glob("*.yaml")), ids=str)
def test_a_pipeline_names_the_schema(path: Path) -> None:
    first, _, _ = path.read_text(encoding="utf-8").partition("\n")
    before, _, reference = first.partition("$schema=")

    assert before == "# yaml-language-server: "
    assert (path.parent / reference).resolve() == PUBLISHED


@pytest.mark.slow
def test_the_schema_needs_no_model() -> None:
    script = (
        "from prefine.recipe.schema import schema_text; import sys; schema_text('recipe');"
        "print(sorted({'torch', 'transformers', 'faiss', 'prefect'} & sys.modules.keys()))"
    )

    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)

    assert done.stdout.decode().strip() == "[]"
