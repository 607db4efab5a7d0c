"""The command line: run, decide, plan, show, explain, verify, serve, ingest."""

import logging
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from prefine.errors import DataError, PrefineError, RecipeError
from prefine.settings import Model, Runtime
from prefine.settings.flags import SETTABLE, runtime_of, servers_of, settings_of
from prefine.settings.json import Json, is_array, is_object

if TYPE_CHECKING:
    from prefine.plan import Plan

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


class Task(StrEnum):
    """What a server is for."""

    reward = "reward"
    hidden = "hidden"
    judge = "judge"


ROOT = ".prefine"
LABEL = (
    *("source", "file", "row", "kind", "response_a", "response_b", "winner", "rating", "rank"),
    *("strength", "aspect", "annotator", "label", "own_id"),
)
"""What ``explain`` tells of a judgement."""


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


@app.callback()
def _options(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log each step.")] = False,
) -> None:
    level = logging.INFO if verbose else logging.WARNING
    logging.basicConfig(level=level, format="%(levelname)s %(name)s %(message)s", stream=sys.stderr)
    for noisy in ("httpx", "sentence_transformers", "datasets", "transformers"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


@app.command(epilog="Example: prefine run pipelines/quickstart.yaml --output curated")
def run(
    recipe: RecipeFile,
    *,
    output: Annotated[str, typer.Option(help="Folder that receives the data set.")],
    root: Root = ROOT,
    data: Data = None,
    server: Servers = None,
    set_: Settings = None,
) -> None:
    """Run a recipe: only what is not done yet, then publish the data set."""
    from prefine.plan import check_places, make_plan, publish_plan
    from prefine.plan.tables import print_manifest
    from prefine.recipe import load_recipe

    more = {**servers_of(server or []), **settings_of(set_ or [])}
    runtime = runtime_of(recipe, root, data, **more)
    loaded = load_recipe(recipe)
    check_places(runtime, output)
    plan = make_plan(loaded, runtime)
    _run_missing(plan, runtime)
    print_manifest(out, publish_plan(plan, runtime, output))
    out.print(f"\nThe data set is in [bold]{escape(output)}[/bold].")


@app.command(epilog="Example: prefine decide pipelines/quickstart.yaml")
def decide(
    recipe: RecipeFile,
    *,
    root: Root = ROOT,
    data: Data = None,
    server: Servers = None,
    set_: Settings = None,
) -> None:
    """Decide on the pairs without exporting them: run only what is missing, print the counts."""
    from prefine.plan import check_places, decision_plan
    from prefine.plan.decided import decided
    from prefine.plan.tables import print_decided
    from prefine.recipe import load_recipe

    more = {**servers_of(server or []), **settings_of(set_ or [])}
    runtime = runtime_of(recipe, root, data, **more)
    loaded = load_recipe(recipe)
    check_places(runtime)
    plan = decision_plan(loaded, runtime)
    _run_missing(plan, runtime)
    print_decided(out, decided(plan, runtime))
    out.print("\nNothing was exported: `prefine run` does that.", highlight=False)


def _run_missing(plan: "Plan", runtime: Runtime) -> None:
    """Run what is not done; before an error of the data print what came in, and the notes."""
    from prefine.plan import run_plan, served
    from prefine.plan.look import remarks_so_far, sources_read
    from prefine.plan.tables import print_remarks, print_sources
    from prefine.plan.watch import watching

    for source in plan.recipe.sources:
        for file in plan.resolved.files[source.key]:
            if file.reason is not None:
                text = f"{source.name}: {file.path} is {file.format}, for {file.reason}"
                err.print(escape(text), highlight=False)
    if runtime.start:
        err.print(f"starting servers; their logs are in {escape(runtime.logs)}", highlight=False)
    try:
        with served(plan, runtime) as settings, watching(err, plan) as watcher:
            run_plan(plan, settings, watcher)
    except DataError:
        print_sources(err, sources_read(plan, runtime))
        print_remarks(err, remarks_so_far(plan, runtime))
        raise


@app.command(epilog="Example: prefine plan pipelines/quickstart.yaml")
def plan(recipe: RecipeFile, root: Root = ROOT, data: Data = None) -> None:
    """Print the resolved recipe, and which steps are done and which are not."""
    from prefine.plan import make_plan
    from prefine.plan.look import states
    from prefine.plan.tables import print_table
    from prefine.recipe import load_recipe

    runtime = runtime_of(recipe, root, data)
    made = make_plan(load_recipe(recipe), runtime)
    out.print(made.resolved.to_yaml(), markup=False, highlight=False)
    print_table(
        out,
        f"Steps below {root}",
        ("step", "fingerprint", "shards", "done"),
        [(s.name, s.fingerprint[:16], s.num_shards, s.num_done) for s in states(made, runtime)],
    )


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
        out.print(f"--- tools\n{_cut(found.tools, chars)}", markup=False, highlight=False)
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
                out.print(f"{name}: {_cut(text, chars)}", markup=False, highlight=False)
    out.print()
    for match in found.matches.iter_rows(named=True):
        out.print(f"--- like a text of benchmark {match['benchmark']}", highlight=False)
        where = f"({match['file']}:{match['row']})"
        out.print(f"{_cut(match['text'], chars)} {where}", markup=False, highlight=False)
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


def _cut(text: str, chars: int) -> str:
    if not chars or len(text) <= chars:
        return text
    return f"{text[:chars]} ... ({len(text) - chars:,} more characters)"


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


@app.command(epilog="Example: prefine serve my-org/my-rm --set engine=vllm/bin/python")
def serve(
    model: Annotated[str, typer.Argument(help="A folder or a hub name.", metavar="MODEL")],
    *,
    task: Annotated[Task, typer.Option(help="What the server is for.")] = Task.reward,
    name: Annotated[str, typer.Option(help="The name to serve it under.")] = "model",
    port: Annotated[int | None, typer.Option(help="A free one by default.")] = None,
    dtype: Annotated[str, typer.Option(help="The type in which it computes.")] = "bfloat16",
    set_: Settings = None,
) -> None:
    """Start a vLLM server as a recipe needs it; keep it up until it is interrupted."""
    from threading import Event

    from prefine.serve.vllm.launch import serving
    from prefine.serve.vllm.served import Served

    runtime = runtime_of(None, ROOT, None, **settings_of(set_ or []))
    served = Served(name, name, Model(model=model), task.value, dtype, None, port)
    err.print(f"starting; the log is in {escape(runtime.logs)}", highlight=False)
    with serving([served], runtime) as servers:
        for url in servers[name]:
            out.print(f"{escape(name)} is served at {url}; interrupt to end", highlight=False)
        Event().wait()


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
            out.print(f"  {name}: {_cut(turns, chars)}", markup=False, highlight=False)
    if failed:
        raise typer.Exit(2)


if __name__ == "__main__":
    main()
