"""`prefine init` on the real sources: what it writes loads and plans, and one of them runs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from prefine.errors import RecipeError
from prefine.planning import make_plan, publish_plan, run_plan
from prefine.planning.draft import draft_recipe
from prefine.recipe import load_recipe, parse_recipe
from prefine.settings import Runtime

RECIPES = sorted((Path(__file__).parents[1] / "sources").glob("*.yaml"))
TO_FILL = {
    "autoj_pairwise": "columns.labels",  # labels are numbers
    "xstest_refusals": "columns.responses",  # each row has one response
}
"""Sources without a known layout whose map cannot be guessed, and the fields to fill in."""


def files_of(value: Any) -> Iterator[str]:
    """Yield every file that a recipe names."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from item if key == "files" else files_of(item)
    elif isinstance(value, list):
        for item in value:
            yield from files_of(item)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_real_source_becomes_a_recipe_that_plans(
    path: Path, real_data: Path, tmp_path: Path
) -> None:
    named = files_of(yaml.safe_load(path.read_text(encoding="utf-8")))

    draft = draft_recipe([str(real_data / name) for name in named])

    if path.stem in TO_FILL:
        with pytest.raises(RecipeError, match=TO_FILL[path.stem]):
            parse_recipe(draft.text)
        return
    assert draft.to_fill == ()
    runtime = Runtime(root=str(tmp_path / "root"))
    assert make_plan(parse_recipe(draft.text), runtime).steps


def test_a_draft_runs_as_it_stands(real_data: Path, tmp_path: Path) -> None:
    draft = draft_recipe([str(real_data / "medicalgpt_dpo_zh" / "*.gz")], folder=str(tmp_path))
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(draft.text, encoding="utf-8")
    runtime = Runtime(root=str(tmp_path / "root"), data=str(tmp_path))

    plan = make_plan(load_recipe(recipe), runtime)
    run_plan(plan, runtime)
    manifest = publish_plan(plan, runtime, str(tmp_path / "out"))

    assert manifest["num_pairs"] == 500
    assert 0 < sum(manifest["dropped"].values()) < 50
