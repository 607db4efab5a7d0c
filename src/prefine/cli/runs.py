"""The command ``runs``: list runs."""

from typing import Annotated

import typer

from prefine.cli.app import ROOT, ROWS, AsJson, Root, RunName, app, out
from prefine.cli.layout import KEEP
from prefine.cli.output import print_json


@app.command(epilog="Example: prefine runs --recipe quickstart")
def runs(
    *,
    recipe: RunName = None,
    limit: Annotated[
        int | None,
        typer.Option(
            help="Maximum number of runs.",
            min=0,
            metavar="NUMBER",
            show_default="all",
            rich_help_panel=ROWS,
        ),
    ] = None,
    as_json: AsJson = False,
    root: Root = ROOT,
) -> None:
    """List the runs below a root, the latest first.

    Other commands take the id of a run, or its beginning, with --run. Runs with the same plan have
    the same results.
    """
    from prefine.planning import list_runs
    from prefine.settings.flags import runtime_of

    records = [
        one for one in list_runs(runtime_of(None, root, None)) if recipe in (None, one.recipe)
    ]
    records = records[:limit]
    if as_json:
        print_json(records)
        return
    from prefine.cli.tables import print_table

    if not records:
        what = "no runs" if recipe is None else f"no runs of a recipe `{recipe}`"
        out.line(f"There are {what} below {root}.")
        return
    print_table(
        out,
        f"Runs below {root}",
        ("run", "started (UTC)", "status", "computed", "kept", "plan"),
        [
            (
                one.id,
                f"{one.started:%Y-%m-%d{KEEP}%H:%M}",
                one.status if one.error is None else f"{one.status}: {one.error}",
                "" if one.num_computed is None else f"{one.num_computed}/{one.num_shards}",
                None
                if one.counts is None
                else one.counts.get("keep", 0) + one.counts.get("flip", 0),
                one.fingerprint[:8],
            )
            for one in records
        ],
    )
