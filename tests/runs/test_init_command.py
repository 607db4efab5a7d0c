"""The command that drafts recipes."""

import json
from pathlib import Path

from typer.testing import CliRunner

from prefine.cli.app import app
from prefine.errors import RecipeError
from prefine.planning.draft import SCHEMA
from prefine.recipe.load import load_recipe, parse_recipe
from tests.unit.test_draft import PAIR, Write


def test_the_command_prints_a_recipe(write_lines: Write) -> None:
    done = CliRunner().invoke(app, ["init", str(write_lines([PAIR]))])

    assert done.exit_code == 0
    assert parse_recipe(done.stdout).sources[0].format == "trl_explicit"


def test_the_command_writes_a_recipe_beside_its_schema(write_lines: Write, tmp_path: Path) -> None:
    target = tmp_path / "new" / "recipe.yaml"
    arguments = ["init", str(write_lines([PAIR])), "--output", str(target)]

    assert CliRunner().invoke(app, arguments).exit_code == 0
    recipe = target.read_text(encoding="utf-8")
    assert recipe.startswith(f"# yaml-language-server: $schema={SCHEMA}\n")
    assert json.loads((target.parent / SCHEMA).read_text(encoding="utf-8"))["title"]
    load_recipe(target)

    again = CliRunner().invoke(app, arguments)
    assert isinstance(again.exception, RecipeError)
    assert str(again.exception) == f"{target} exists; --force replaces it"
    target.write_text("", encoding="utf-8")
    assert CliRunner().invoke(app, [*arguments, "--force"]).exit_code == 0
    assert target.read_text(encoding="utf-8") == recipe
