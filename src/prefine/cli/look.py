"""Commands that show the results of a run: show, explain."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from prefine.cli.app import (
    PRINTING,
    ROOT,
    ROWS,
    AsJson,
    Root,
    RunId,
    RunName,
    app,
    out,
)
from prefine.cli.output import print_json, print_json_rows
from prefine.cli.text import cut
from prefine.errors import RecipeError

if TYPE_CHECKING:
    from prefine.planning import Plan, RunRecord
    from prefine.planning.dossier import Dossier
    from prefine.planning.query import Selection
    from prefine.settings import Runtime

LABEL = (
    *("source", "file", "row", "kind", "response_a", "response_b", "winner", "rating", "rank"),
    *("strength", "aspect", "annotator", "label", "own_id"),
)
"""Fields of a label that ``explain`` prints."""
WHY_NOT_COUNTED = {
    "other_kind": "another kind of label decides on this prompt",
    "other_aspect": "another aspect decides",
    "no_value": "it names neither response and has no value",
    "repeated": "it repeats an earlier label",
}
SHOWN_CHARS = 300


@app.command(
    epilog="Example: prefine show decisions --verdict drop --sort=-value --columns "
    "pair_id,rule,value"
)
def show(  # noqa: PLR0913 - one parameter per option
    table: Annotated[
        str | None,
        typer.Argument(
            help="A table, such as pairs, decisions, facts or quarantine; the error for an "
            "unknown name lists them. Without it, the steps of the run are shown.",
            metavar="TABLE",
        ),
    ] = None,
    *,
    verdict: Annotated[
        str | None,
        typer.Option(
            help="Only pairs with this verdict.",
            metavar="keep|drop|flip|hold",
            rich_help_panel=ROWS,
        ),
    ] = None,
    rule: Annotated[
        str | None,
        typer.Option(
            help="Only pairs whose verdict comes from this rule.",
            metavar="RULE",
            rich_help_panel=ROWS,
        ),
    ] = None,
    where: Annotated[
        str | None,
        typer.Option(
            help="Only rows that meet an SQL condition, such as "
            "\"cosine > 0.9 and source = 'hh'\".",
            metavar="CONDITION",
            rich_help_panel=ROWS,
        ),
    ] = None,
    sort: Annotated[
        list[str] | None,
        typer.Option(
            help="Columns to sort by, separated by commas; --sort=-COLUMN sorts in descending "
            "order.",
            metavar="COLUMNS",
            rich_help_panel=ROWS,
        ),
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            help="Columns to show, separated by commas.", metavar="COLUMNS", rich_help_panel=ROWS
        ),
    ] = None,
    limit: Annotated[
        int,
        typer.Option(help="Maximum number of rows.", min=0, metavar="NUMBER", rich_help_panel=ROWS),
    ] = 10,
    text: Annotated[
        bool,
        typer.Option(
            "--text",
            metavar="",
            help="Add the texts of prompts and responses, as labelled (before any flip).",
            rich_help_panel=PRINTING,
        ),
    ] = False,
    chars: Annotated[
        int | None,
        typer.Option(
            help="Maximum length of a text; 0 shows all.",
            min=0,
            metavar="NUMBER",
            show_default=f"{SHOWN_CHARS}, with --json 0",
            rich_help_panel=PRINTING,
        ),
    ] = None,
    as_json: AsJson = False,
    run_id: RunId = None,
    recipe: RunName = None,
    root: Root = ROOT,
) -> None:
    """Show the steps of a run, or rows of one of its tables.

    With --json, a table is one JSON array with one object per row, one row per line.
    """
    from prefine.planning import find_run, plan_of
    from prefine.planning.query import Query, select_rows
    from prefine.settings.flags import runtime_of

    runtime = runtime_of(None, root, None)
    record = find_run(runtime, run_id, recipe)
    plan = plan_of(record, runtime)
    query = Query(verdict, rule, where, _names(sort), _names(columns), text, limit)
    if table is not None:
        selection = select_rows(plan, runtime, table, query)
        _show_rows(selection, as_json=as_json, chars=chars)
    elif query != Query(limit=limit):
        raise RecipeError("options that select rows need a table, as in `prefine show pairs`")
    else:
        _show_steps(record, plan, runtime, as_json=as_json)


def _names(options: list[str] | None) -> tuple[str, ...]:
    """Return the names in repeatable options, each of which may list several."""
    return tuple(name.strip() for text in options or () for name in text.split(",") if name.strip())


def _show_steps(record: "RunRecord", plan: "Plan", runtime: "Runtime", *, as_json: bool) -> None:
    from prefine.planning.look import states

    steps = list(states(plan, runtime))
    if as_json:
        print_json({"run": record, "steps": [asdict(state) for state in steps]})
        return
    from prefine.cli.tables import print_table

    print_table(
        out,
        f"Run {record.id}: {record.status}",
        ("step", "done", "rows in", "rows out", "dropped", "seconds"),
        [
            (
                state.name,
                f"{state.num_done}/{state.num_shards}",
                state.rows_in,
                state.rows_out,
                state.dropped or "",
                state.seconds,
            )
            for state in steps
        ],
    )


def _show_rows(selection: "Selection", *, as_json: bool, chars: int | None) -> None:
    rows = selection.rows.to_dicts()
    if as_json:
        print_json_rows([_cut_texts(row, chars or 0) for row in rows])
        return
    from prefine.cli.rows import print_rows

    print_rows(out, rows, SHOWN_CHARS if chars is None else chars)
    out.line(f"{len(rows):,} of {selection.total:,} rows")


def _cut_texts(row: dict[str, object], chars: int) -> dict[str, object]:
    return {name: cut(v, chars) if isinstance(v, str) else v for name, v in row.items()}


@app.command(epilog="Example: prefine explain 02856946")
def explain(
    pair: Annotated[
        str,
        typer.Argument(
            help="A pair id or a prefix of it, or your own id of a source row of the pair.",
            metavar="PAIR_ID",
        ),
    ],
    *,
    chars: Annotated[
        int,
        typer.Option(
            help="Maximum length of a turn; 0 shows all.",
            min=0,
            metavar="NUMBER",
            rich_help_panel=PRINTING,
        ),
    ] = 600,
    as_json: AsJson = False,
    run_id: RunId = None,
    recipe: RunName = None,
    root: Root = ROOT,
) -> None:
    """Show everything known about one pair, and why it was kept or dropped."""
    from prefine.planning import find_run, plan_of
    from prefine.planning.dossier import dossier
    from prefine.settings.flags import runtime_of

    runtime = runtime_of(None, root, None)
    record = find_run(runtime, run_id, recipe)
    plan = plan_of(record, runtime)
    known = dossier(plan, runtime, pair)
    if as_json:
        print_json({"run": record.id, **_document(known)})
    else:
        _print_dossier(plan.recipe.name, known, chars)


def _document(known: "Dossier") -> dict[str, object]:
    """Return a dossier as JSON values."""
    return {
        "pair": known.pair,
        "decision": known.decision,
        "tools": known.tools,
        **{
            name: [
                {key: value for key, value in turn.items() if value is not None} for turn in turns
            ]
            for name, turns in (
                ("prompt", known.prompt),
                ("chosen", known.chosen),
                ("rejected", known.rejected),
            )
        },
        "benchmark_texts": known.matches.to_dicts(),
        "labels": known.judgements.to_dicts(),
    }


def _print_dossier(recipe: str, known: "Dossier", chars: int) -> None:
    from prefine.cli.tables import print_table

    pair_id, own = known.pair["pair_id"], known.pair["own_id"]
    out.line(f"pair {pair_id} of {recipe}" + ("" if own is None else f" (own id {own})"))
    out.title(f"{known.decision['explanation']}\n")
    _print_texts(known, chars)
    for match in known.matches.iter_rows(named=True):
        out.line(f"--- similar to a text of benchmark {match['benchmark']}")
        out.paragraph(f"{cut(match['text'], chars)} ({match['file']}:{match['row']})")
    out.line("--- labels as read")
    for label in known.judgements.iter_rows(named=True):
        parts = [f"{name} {label[name]}" for name in LABEL if label[name] is not None]
        why = WHY_NOT_COUNTED.get(label["not_counted"], label["not_counted"])
        out.paragraph(", ".join(parts) + ("" if why is None else f" (not counted: {why})"))
    out.line()
    facts = [(name, value) for name, value in known.pair.items() if value is not None]
    print_table(out, "Facts", ("column", "value"), facts)


def _print_texts(known: "Dossier", chars: int) -> None:
    """Print the human verdict, and the turns of the prompt and both responses."""
    from prefine.planning.query import turn_parts

    if known.tools is not None:
        out.line(f"--- tools\n{cut(known.tools, chars)}")
    verdict, by = known.pair["human_verdict"], known.pair["human_by"]
    if verdict is not None:
        out.line(f"human verdict: {verdict}" + ("\n" if by is None else f", by {by}\n"))
    origin = "by human verdict" if verdict in {"right", "wrong"} else "as labelled"
    for title, turns in (
        ("prompt", known.prompt),
        (f"chosen, {origin}", known.chosen),
        (f"rejected, {origin}", known.rejected),
    ):
        out.line(f"--- {title}")
        for turn in turns:
            for name, text in turn_parts(turn):
                out.paragraph(f"{name}: {cut(text, chars)}")
    out.line()
