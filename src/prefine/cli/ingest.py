"""The command ``ingest``: show the layout of source files."""

from typing import Annotated

import typer

from prefine.cli.app import PRINTING, AsJson, app, err, out
from prefine.cli.output import print_json
from prefine.cli.text import cut
from prefine.errors import PrefineError, RecipeError


@app.command(epilog="Example: prefine ingest --detect data/sample/*.jsonl")
def ingest(
    files: Annotated[list[str], typer.Argument(help="Source files.", metavar="FILE...")],
    *,
    detect: Annotated[
        bool,
        typer.Option(
            "--detect", metavar="", help="Print the layout of each file, and how it was recognised."
        ),
    ] = False,
    chars: Annotated[
        int,
        typer.Option(
            help="Maximum length of a turn; 0 shows all.",
            min=0,
            metavar="NUMBER",
            rich_help_panel=PRINTING,
        ),
    ] = 300,
    as_json: AsJson = False,
) -> None:
    """Show the layout and the first row of source files; nothing is run.

    With --json, the recognised files are printed as one JSON array, with full texts.
    """
    from prefine.ingest.detect import parse_first_record

    if not detect:
        raise RecipeError(
            "`prefine ingest` only shows layouts: add --detect; `prefine run` reads the files"
        )
    failed = False
    recognised: list[dict[str, object]] = []
    for path in files:
        try:
            detection, record = parse_first_record(path)
        except PrefineError as error:
            failed = True
            err.paragraph(f"error: {error}")
            continue
        layout, reason = detection.format, detection.reason
        recognised.append({"file": path, "layout": layout, "reason": reason, "record": record})
        if not as_json:
            out.paragraph(f"{path}: {layout}: {reason}")
            for name, text in record.items():
                out.paragraph(f"  {name}: {cut(text, chars)}")
    if as_json:
        print_json(recognised)
    if failed:
        raise typer.Exit(2)
