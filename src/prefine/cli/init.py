"""The command that drafts a recipe: init."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from prefine.cli.app import app, err


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
    force: Annotated[bool, typer.Option("--force", help="Replace a recipe that exists.")] = False,
) -> None:
    """Write a commented recipe for files: their layouts, suggested measures and rules."""
    from prefine.cli.files import write_text
    from prefine.plan.draft import SCHEMA, draft_recipe
    from prefine.recipe.schema import schema_text

    folder = "." if output is None else str(output.parent)
    draft = draft_recipe(files, folder=folder, name=name)
    if output is None:
        typer.echo(draft.text, nl=False)
        err.print(f"editors read {SCHEMA}: `prefine schema --output {SCHEMA}`", highlight=False)
    else:
        write_text(output, draft.text, overwrite=force)
        write_text(output.parent / SCHEMA, schema_text("recipe"))
        err.print(f"wrote {escape(str(output))} and {SCHEMA}, which editors read", highlight=False)
    for source in draft.to_fill:
        err.print(f"source {source}: fill in the lines marked FILL IN", highlight=False)
