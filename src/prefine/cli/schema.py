"""The command ``schema``: print JSON schemas."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from prefine.cli.app import app, notes


class What(StrEnum):
    """What a schema describes."""

    recipe = "recipe"
    runtime = "runtime"


@app.command(epilog="Example: prefine schema --output recipe.schema.json")
def schema(
    what: Annotated[
        What, typer.Argument(help="What to describe: a recipe, or the settings of a run.")
    ] = What.recipe,
    output: Annotated[
        Path | None, typer.Option(help="File to write; standard output by default.")
    ] = None,
) -> None:
    """Print the JSON schema of a recipe, for editors that complete and check YAML."""
    from prefine.recipe.schema import schema_text

    text = schema_text(what.value)
    if output is None:
        typer.echo(text, nl=False)
        return
    from prefine.cli.files import write_text

    write_text(output, text)
    notes.line(f"wrote {output}")
