"""The user's ids and columns are carried from the raw row to every output."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prefine.errors import DataError, RecipeError
from prefine.ingest.kept import common_type, typed, types_of
from prefine.planning import make_plan
from prefine.recipe import parse_recipe
from prefine.settings import Runtime
from tests.made import explicit

Write = Callable[..., Path]
RECIPE = """
name: made
sources:
- name: made
  files: [rows.jsonl]
  id: uid
  keep: {topic: meta.topic, quality: q, sure: sure, year: year}
measures: [{kind: lengths}]
rules: [{name: good, column: quality, minimum: 0.5}]
"""


def rows() -> list[dict[str, Any]]:
    made = [
        {"uid": 7, "meta": {"topic": "trees"}, "q": 0.75, "sure": True, "year": 1999},
        {"uid": 8, "meta": {"topic": "fish"}, "q": 1, "sure": False, "year": 2001},
        {"uid": "x-9", "meta": {}, "q": 0.25, "sure": None, "year": 2002},
        {"uid": None, "meta": {"topic": ["a", "b"]}, "q": "n/a", "year": 2003},
    ]
    return [explicit(f"Q{n}?", f"yes {n}", f"no {n}", **row) for n, row in enumerate(made)]


def test_a_rule_that_tests_a_text_by_size_is_told_before_the_run(
    tmp_path: Path, write_lines: Write
) -> None:
    write_lines(rows())
    recipe = RECIPE.replace("column: quality", "column: topic")

    message = r"`topic` is text.*state `type: number` for it in `keep`"
    with pytest.raises(RecipeError, match=message):
        make_plan(parse_recipe(recipe), Runtime(data=str(tmp_path)))


def test_a_kept_column_may_not_take_a_name(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"my_source: meta\.source"):
        parse_recipe(RECIPE.replace("topic: meta.topic", "source: meta.source"))


@pytest.mark.parametrize(
    ("values", "type_"),
    [
        ([1, 2, None], "integer"),
        ([1, 2.5], "number"),
        ([True, False], "truth"),
        ([True, 1], "text"),
        (["1", "2"], "text"),
        ([2**70], "text"),
        ([], "text"),
    ],
)
def test_the_type_of_a_column_is_what_its_values_share(values: list[Any], type_: str) -> None:
    assert common_type(types_of(values)) == type_


@pytest.mark.parametrize(
    ("value", "type_", "expected"),
    [
        (3, "text", "3"),
        (3.0, "text", "3"),
        ({"b": 1, "a": [2]}, "text", '{"a":[2],"b":1}'),
        ("1e3", "number", 1000.0),
        (True, "number", None),
        (float("nan"), "number", None),
        ("12", "integer", 12),
        (1.5, "integer", None),
        ("Yes", "truth", True),
        ("maybe", "truth", None),
        (2**63, "integer", None),
    ],
)
def test_a_value_is_typed_or_null(value: Any, type_: Any, expected: Any) -> None:
    assert typed(value, type_) == expected


@pytest.mark.parametrize(("key", "setting"), [("id", "id: 'uidd'"), ("keep", "keep: ['topicc']")])
def test_a_path_that_no_row_has_is_told_before_the_run(
    key: str, setting: str, tmp_path: Path, write_lines: Write
) -> None:
    write_lines(rows())
    recipe = f"name: made\nsources: [{{name: made, files: [rows.jsonl], {setting}}}]"

    with pytest.raises(RecipeError, match=rf"none of the first 4 rows has the path .* of `{key}`"):
        make_plan(parse_recipe(recipe), Runtime(data=str(tmp_path)))
    optional = recipe.replace("uidd", "uidd?").replace("topicc", "topicc?")
    assert make_plan(parse_recipe(optional), Runtime(data=str(tmp_path))).steps


def test_a_misspelt_column_is_told(tmp_path: Path, write_lines: Write) -> None:
    write_lines([{"prompt": "Q?", "chosen": "a", "rejectd": "b"}])
    recipe = "name: made\nsources: [{name: made, files: [rows.jsonl]}]"

    with pytest.raises(DataError, match="With `rejected` in place of `rejectd`, a layout fits"):
        make_plan(parse_recipe(recipe), Runtime(data=str(tmp_path)))
