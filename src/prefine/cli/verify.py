"""The command that checks a published data set: verify."""

from typing import Annotated

import typer

from prefine.cli.app import app, out


@app.command(epilog="Example: prefine verify curated")
def verify(
    output: Annotated[str, typer.Argument(help="A folder that `prefine run` published.")],
) -> None:
    """Hash and count a published data set again; exit code 1 when something differs."""
    from prefine.export.verify import problems_of
    from prefine.store import Store

    problems = problems_of(Store(output))
    for problem in problems:
        out.print(problem, markup=False, highlight=False)
    if problems:
        raise typer.Exit(1)
    out.print(f"{output}: all files and counts are as the manifest says", highlight=False)
