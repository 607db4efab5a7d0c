"""The application, its consoles, and the options that several commands share."""

import logging
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from prefine.settings.flags import SETTABLE

app = typer.Typer(
    name="prefine",
    help="Curate preference data: ingest, measure, decide, export.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
out = Console(soft_wrap=True)
err = Console(stderr=True, soft_wrap=True)

RecipeFile = Annotated[Path, typer.Argument(help="The recipe, a YAML file.", metavar="RECIPE")]
Root = Annotated[str, typer.Option(envvar="PREFINE_ROOT", help="Folder of the steps' results.")]
Data = Annotated[
    str | None,
    typer.Option(
        envvar="PREFINE_DATA",
        help="What relative source paths are relative to.",
        show_default="the recipe's folder",
    ),
]
Servers = Annotated[
    list[str] | None,
    typer.Option(
        "--server", help="NAME=URL of a measure's server, or NAME=start; repeat it for several."
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help=f"KEY=VALUE of the runtime: {', '.join(SETTABLE)}."),
]
RunName = Annotated[
    str | None,
    typer.Option("--recipe", help="Name of the recipe, where the root holds several."),
]

ROOT = ".prefine"


@app.callback()
def _options(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log each step.")] = False,
) -> None:
    level = logging.INFO if verbose else logging.WARNING
    logging.basicConfig(level=level, format="%(levelname)s %(name)s %(message)s", stream=sys.stderr)
    for noisy in ("httpx", "sentence_transformers", "datasets", "transformers"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
