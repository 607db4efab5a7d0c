"""The command that prints JSON schemas."""

import json
from pathlib import Path

from typer.testing import CliRunner

from prefine.cli.app import app
from prefine.errors import RecipeError
from prefine.recipe.schema import runtime_schema, schema_text


def test_the_command_prints_and_writes_schemas(tmp_path: Path) -> None:
    target = tmp_path / "new" / "schema.json"

    printed = CliRunner().invoke(app, ["schema"])
    written = CliRunner().invoke(app, ["schema", "runtime", "--output", str(target)])

    assert (printed.exit_code, printed.stdout) == (0, schema_text("recipe"))
    assert (written.exit_code, written.stdout) == (0, "")
    assert json.loads(target.read_text(encoding="utf-8")) == runtime_schema()


def test_a_schema_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["schema", "--output", str(tmp_path)])

    assert isinstance(done.exception, RecipeError)
    assert str(done.exception) == f"cannot write {tmp_path}: Is a directory"
