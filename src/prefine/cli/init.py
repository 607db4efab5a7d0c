"""The command ``init``: draft a recipe."""

from pathlib import Path
from typing import Annotated

import typer

from prefine.cli.app import app, notes


@app.command(epilog="Example: prefine init data/sample/*.jsonl --output recipe.yaml")
def init(
    files: Annotated[
        list[str], typer.Argument(help="Source files, globs or URLs.", metavar="FILE...")
    ],
    *,
    output: Annotated[
        Path | None,
        typer.Option(help="Recipe to write; standard output by default.", metavar="RECIPE"),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the recipe.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing recipe.")] = False,
) -> None:
    """Write a commented recipe for files: their layouts, suggested measures and rules."""
    from prefine.cli.files import write_text
    from prefine.planning.draft import SCHEMA, draft_recipe
    from prefine.recipe.schema import schema_text

    folder = "." if output is None else str(output.parent)
    draft = draft_recipe(files, folder=folder, name=name)
    if output is None:
        typer.echo(draft.text, nl=False)
        notes.line(f"for completion in editors: prefine schema --output {SCHEMA}")
    else:
        write_text(output, draft.text, overwrite=force)
        write_text(output.parent / SCHEMA, schema_text("recipe"))
        notes.line(f"wrote {output}, and {SCHEMA} for completion in editors")
    for source in draft.to_fill:
        notes.line(f"source {source}: fill in the lines marked FILL IN")
