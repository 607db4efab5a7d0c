"""Commands that look at a run: show, explain."""

from typing import Annotated

import typer
from rich.markup import escape

from prefine.cli.app import ROOT, Root, RunName, app, out
from prefine.cli.text import cut
from prefine.errors import RecipeError
from prefine.settings.flags import runtime_of
from prefine.settings.json import Json, is_array, is_object

LABEL = (
    *("source", "file", "row", "kind", "response_a", "response_b", "winner", "rating", "rank"),
    *("strength", "aspect", "annotator", "label", "own_id"),
)
"""What ``explain`` tells of a judgement."""


@app.command(epilog="Example: prefine show quarantine --limit 3")
def show(
    table: Annotated[
        str | None, typer.Argument(help="A table: pairs, decisions, quarantine, ...")
    ] = None,
    root: Root = ROOT,
    recipe: RunName = None,
    limit: Annotated[int, typer.Option(help="Maximum number of rows.", min=0)] = 10,
    rule: Annotated[str | None, typer.Option(help="Only decisions by this rule.")] = None,
) -> None:
    """Show the steps of the latest run, or rows of one of its tables."""
    import polars as pl

    from prefine.plan.look import last_plan, read_table, states
    from prefine.plan.tables import print_table

    runtime = runtime_of(None, root, None)
    made = last_plan(runtime, recipe)
    if table is None:
        print_table(
            out,
            f"Run of {made.recipe.name}",
            ("step", "done", "rows in", "rows out", "dropped", "seconds"),
            [
                (
                    s.name,
                    f"{s.num_done}/{s.num_shards}",
                    s.rows_in,
                    s.rows_out,
                    s.dropped,
                    s.seconds,
                )
                for s in states(made, runtime)
            ],
        )
        return
    where = None if rule is None else pl.col("rule") == rule
    if where is not None and table != "decisions":
        raise RecipeError("--rule goes with the table `decisions`")
    names = [one.reason for one in made.recipe.all_rules]
    if rule is not None and rule not in names:
        listed = ", ".join(names)
        raise RecipeError(f"`{made.recipe.name}` has no rule `{rule}`; its rules are: {listed}")
    found = read_table(made, runtime, table, where)
    for row in found.head(limit).iter_rows(named=True):
        for name, value in row.items():
            if value is not None:
                out.print(f"{name}: {_present(value)}", markup=False, highlight=False)
        out.print()
    out.print(f"{min(limit, found.height):,} of {found.height:,} rows")


@app.command(epilog="Example: prefine explain 02856946")
def explain(
    pair: Annotated[
        str, typer.Argument(help="A pair id, its beginning, or your own id.", metavar="PAIR_ID")
    ],
    root: Root = ROOT,
    recipe: RunName = None,
    chars: Annotated[int, typer.Option(help="Characters of each turn; 0 shows all.")] = 600,
) -> None:
    """Show everything known about one pair, and why it was kept or dropped."""
    from prefine.plan.look import dossier, last_plan
    from prefine.plan.tables import print_table

    runtime = runtime_of(None, root, None)
    made = last_plan(runtime, recipe)
    found = dossier(made, runtime, pair)
    own = found.pair["own_id"]
    named = found.pair["pair_id"] if own is None else f"{found.pair['pair_id']} (own id {own})"
    out.print(f"pair {escape(named)} of {made.recipe.name}", highlight=False)
    out.print(f"[bold]{escape(found.decision['explanation'])}[/bold]\n", highlight=False)
    if found.tools is not None:
        out.print(f"--- tools\n{cut(found.tools, chars)}", markup=False, highlight=False)
    verdict, who = (found.pair["human_verdict"], found.pair["human_by"])
    if verdict is not None:
        by = "" if who is None else f", by {who}"
        out.print(f"human verdict: {verdict}{by}\n", markup=False, highlight=False)
    said = "as a human said" if verdict in {"right", "wrong"} else "as labelled"
    for title, turns in (
        ("prompt", found.prompt),
        (f"chosen, {said}", found.chosen),
        (f"rejected, {said}", found.rejected),
    ):
        out.print(f"--- {title}")
        for turn in turns:
            for name, text in _parts(turn):
                out.print(f"{name}: {cut(text, chars)}", markup=False, highlight=False)
    out.print()
    for match in found.matches.iter_rows(named=True):
        out.print(f"--- like a text of benchmark {match['benchmark']}", highlight=False)
        where = f"({match['file']}:{match['row']})"
        out.print(f"{cut(match['text'], chars)} {where}", markup=False, highlight=False)
    out.print("--- labels as found")
    for label in found.judgements.select(LABEL).iter_rows(named=True):
        said = [f"{name} {value}" for name, value in label.items() if value is not None]
        out.print(", ".join(said), markup=False, highlight=False)
    out.print()
    facts = [(name, value) for name, value in found.pair.items() if value is not None]
    print_table(out, "Facts", ("column", "value"), facts)


def _present(value: object) -> object:
    """Return a value of a table; messages without the parts that they do not have."""
    if is_array(value):
        return [_present(item) for item in value]
    if is_object(value):
        return {key: item for key, item in value.items() if item is not None}
    return value


def _parts(turn: Json) -> list[tuple[str, str]]:
    """Return what a turn says: its content, and its tool calls where it has any."""
    parts = [(name, turn[name]) for name in ("tool_calls", "tool_call_id", "name") if turn[name]]
    return [(turn["role"], turn["content"]), *((f"  {name}", text) for name, text in parts)]
