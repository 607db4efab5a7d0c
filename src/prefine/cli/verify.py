"""The command ``verify``: check an exported data set."""

from typing import Annotated

import typer

from prefine.cli.app import AsJson, app, out
from prefine.cli.output import print_json


@app.command(epilog="Example: prefine verify curated/quickstart")
def verify(
    output: Annotated[
        str, typer.Argument(help="A folder that `prefine run` wrote.", metavar="FOLDER")
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Check the files and counts of a data set; exit code 1 if something differs."""
    from prefine.export.verify import problems_of
    from prefine.store import Store

    problems = list(problems_of(Store(output)))
    if as_json:
        print_json({"output": output, "ok": not problems, "problems": problems})
    else:
        for problem in problems or [f"{output}: all files and counts match the manifest"]:
            out.line(problem)
    if problems:
        raise typer.Exit(1)
