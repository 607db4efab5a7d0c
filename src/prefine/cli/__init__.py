"""The command line: run, decide, plan, show, explain, verify, serve, ingest."""

import sys
from importlib import import_module

from rich.markup import escape

from prefine.cli.app import app, err
from prefine.errors import PrefineError

COMMANDS = ("run", "look", "verify", "serve", "ingest", "init", "schema")
"""The modules whose functions are the commands, in the order of ``--help``."""

for _name in COMMANDS:
    import_module(f"prefine.cli.{_name}")


def main() -> None:
    """Run the command line; an expected error is one sentence and exit code 2."""
    try:
        app()
    except PrefineError as error:
        err.print(f"error: {escape(str(error))}", highlight=False)
        sys.exit(2)
    except KeyboardInterrupt:
        err.print("stopped; the same command goes on from here")
        sys.exit(130)
