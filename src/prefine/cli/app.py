"""The application, and the options that several commands share."""

import logging
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from prefine.cli.output import err, notes, out

__all__ = ["app", "err", "notes", "out"]

app = typer.Typer(
    name="prefine",
    help="Curate preference data: read, measure, decide, export.",
    epilog="Example: prefine run pipelines/quickstart.yaml --output curated/quickstart",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)

PLACES = "Where files are"
RUNNING = "Servers and speed"
SELECTING = "Which run"
ROWS = "Which rows and columns"
PRINTING = "Output"

RecipeFile = Annotated[Path, typer.Argument(help="The recipe, a YAML file.", metavar="RECIPE")]
Root = Annotated[
    str,
    typer.Option(
        envvar="PREFINE_ROOT",
        help="Folder or URL for the results of the steps.",
        metavar="FOLDER",
        rich_help_panel=PLACES,
    ),
]
Data = Annotated[
    str | None,
    typer.Option(
        envvar="PREFINE_DATA",
        help="Folder that source paths are relative to.",
        metavar="FOLDER",
        show_default="the recipe's folder",
        rich_help_panel=PLACES,
    ),
]
Servers = Annotated[
    list[str] | None,
    typer.Option(
        "--server",
        help="NAME=URL of a server for a measure, or NAME=start to start one; repeatable.",
        metavar="NAME=URL",
        rich_help_panel=RUNNING,
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="A runtime setting, such as workers=4 or device=cuda; see `prefine schema runtime`. "
        "Repeatable.",
        metavar="KEY=VALUE",
        rich_help_panel=RUNNING,
    ),
]
RunName = Annotated[
    str | None,
    typer.Option(
        "--recipe",
        help="Only runs of the recipe with this name.",
        metavar="NAME",
        rich_help_panel=SELECTING,
    ),
]
RunId = Annotated[
    str | None,
    typer.Option(
        "--run",
        help="Id of a run, or a unique prefix of it; `prefine runs` lists them.",
        metavar="ID",
        show_default="the latest run",
        rich_help_panel=SELECTING,
    ),
]
AsJson = Annotated[
    bool,
    typer.Option("--json", metavar="", help="Print only JSON.", rich_help_panel=PRINTING),
]
Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet",
        "-q",
        metavar="",
        help="Print only results and errors, no progress and no notes.",
        rich_help_panel=PRINTING,
    ),
]

ROOT = ".prefine"


def _print_version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        typer.echo(f"prefine {version('prefine')}")
        raise typer.Exit


@app.callback()
def options(
    *,
    verbose: Annotated[
        bool,
        typer.Option("--verbose", "-v", metavar="", help="Log the start and end of each step."),
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", metavar="", help="Print no progress and no notes.")
    ] = False,
    _version: Annotated[
        bool,
        typer.Option(
            "--version",
            metavar="",
            help="Print the version and exit.",
            is_eager=True,
            callback=_print_version,
        ),
    ] = False,
) -> None:
    """Configure the output of all commands."""
    notes.quiet = quiet
    level = logging.INFO if verbose else logging.WARNING
    logging.basicConfig(level=level, format="%(levelname)s %(name)s %(message)s", stream=sys.stderr)
    for noisy in ("httpx", "sentence_transformers", "datasets", "transformers"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


@contextmanager
def resumable() -> Generator[None]:
    """Print how to continue when a run is interrupted by Ctrl-C or SIGTERM."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        err.line("interrupted; the same command continues where this one stopped")
        raise
