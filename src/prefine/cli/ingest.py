"""The command that looks at source files: ingest."""

from typing import Annotated

import typer
from rich.markup import escape

from prefine.cli.app import app, err, out
from prefine.cli.text import cut
from prefine.errors import PrefineError, RecipeError


@app.command(epilog="Example: prefine ingest --detect data/sample/*.jsonl")
def ingest(
    files: Annotated[list[str], typer.Argument(help="Source files.", metavar="FILE...")],
    detect: Annotated[
        bool, typer.Option("--detect", help="Say which layout each file has, and why.")
    ] = False,
    chars: Annotated[int, typer.Option(help="Characters of each turn; 0 shows all.")] = 300,
) -> None:
    """Look at source files before anything is run."""
    from prefine.ingest.detect import first_record

    if not detect:
        raise RecipeError("`prefine ingest` only looks at files: add --detect; `prefine run` reads")
    failed = 0
    for path in files:
        try:
            found, record = first_record(path)
        except PrefineError as error:
            failed += 1
            err.print(f"error: {escape(str(error))}", highlight=False)
            continue
        out.print(f"{path}: [bold]{found.format}[/bold], for {found.reason}", highlight=False)
        for name, turns in record.items():
            out.print(f"  {name}: {cut(turns, chars)}", markup=False, highlight=False)
    if failed:
        raise typer.Exit(2)
