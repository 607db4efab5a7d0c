"""Commands that run a recipe, or show what a run would do: run, decide, plan."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from prefine.cli.app import (
    PLACES,
    PRINTING,
    ROOT,
    AsJson,
    Data,
    Quiet,
    RecipeFile,
    Root,
    RunId,
    Servers,
    Settings,
    app,
    err,
    notes,
    out,
    resumable,
)
from prefine.cli.output import print_json
from prefine.errors import DataError, RecipeError

if TYPE_CHECKING:
    from prefine.planning import Plan, Recording
    from prefine.settings import Runtime

_READS_WIDTH = 28


@app.command(epilog="Example: prefine run pipelines/quickstart.yaml --output curated/quickstart")
def run(  # noqa: PLR0913 - one parameter per option
    recipe: RecipeFile,
    *,
    output: Annotated[
        str,
        typer.Option(
            help="Folder or URL for the data set.", metavar="FOLDER", rich_help_panel=PLACES
        ),
    ],
    root: Root = ROOT,
    data: Data = None,
    server: Servers = None,
    set_: Settings = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Run a recipe and write its data set.

    Steps that are done are not run again. An interrupted run continues where it stopped.
    """
    from prefine.planning import (
        check_extras,
        check_places,
        make_plan,
        publish_plan,
        record_run,
        verdict_counts,
    )
    from prefine.recipe import load_recipe
    from prefine.settings.flags import runtime_of, servers_of, settings_of

    notes.quiet |= quiet
    with resumable():
        more = {**servers_of(server or []), **settings_of(set_ or [])}
        runtime = runtime_of(recipe, root, data, **more)
        loaded = load_recipe(recipe)
        check_places(runtime, output)
        plan = make_plan(loaded, runtime)
        check_extras(plan, runtime)
        with record_run(plan, runtime, command="run", output=output) as recording:
            _run_missing(plan, runtime, recording)
            manifest = publish_plan(plan, runtime, output)
            recording.counts = verdict_counts(manifest)
    if as_json:
        print_json({"run": recording.record, "manifest": manifest})
        return
    from prefine.cli.tables import print_manifest

    print_manifest(out, manifest, quiet=notes.quiet)
    out.line(f"\nThe data set is in {output}.")
    _print_done(recording)


@app.command(epilog="Example: prefine decide pipelines/quickstart.yaml")
def decide(  # noqa: PLR0913 - one parameter per option
    recipe: RecipeFile,
    *,
    root: Root = ROOT,
    data: Data = None,
    server: Servers = None,
    set_: Settings = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Apply the rules of a recipe and print the counts, without writing a data set.

    Steps that are done are not run again: after a change of a threshold only the rules are applied.
    """
    from prefine.planning import check_extras, check_places, decision_plan, record_run
    from prefine.planning.counts import count_decisions
    from prefine.recipe import load_recipe
    from prefine.settings.flags import runtime_of, servers_of, settings_of

    notes.quiet |= quiet
    with resumable():
        more = {**servers_of(server or []), **settings_of(set_ or [])}
        runtime = runtime_of(recipe, root, data, **more)
        loaded = load_recipe(recipe)
        check_places(runtime)
        plan = decision_plan(loaded, runtime)
        check_extras(plan, runtime)
        with record_run(plan, runtime, command="decide") as recording:
            _run_missing(plan, runtime, recording)
            counts = count_decisions(plan, runtime)
            recording.counts = {"pairs": counts.verdicts.total(), **counts.verdicts}
    if as_json:
        print_json({"run": recording.record, **asdict(counts)})
        return
    from prefine.cli.tables import print_decisions

    print_decisions(out, counts, quiet=notes.quiet)
    out.line("\nNo data set was written: `prefine run` writes it.")
    _print_done(recording)


def _print_done(recording: "Recording") -> None:
    """Print the id of the run, and how many shards it computed."""
    record = recording.record
    if record.num_computed:
        done = f"computed {record.num_computed:,} of {record.num_shards:,} shards"
    else:
        done = f"nothing to compute, all {record.num_shards:,} shards were already done"
    notes.line(f"Run {record.id}: {done}.")


def _run_missing(plan: "Plan", runtime: "Runtime", recording: "Recording") -> None:
    """Run the steps that are not done; on a data error, first print the rows read and notes."""
    from prefine.cli.watch import watching
    from prefine.planning import run_plan, served
    from prefine.planning.look import remarks_so_far, sources_read

    for source in plan.recipe.sources:
        for file in plan.resolved.files[source.key]:
            if file.reason is not None:
                notes.line(f"{source.name}: {file.path} has layout {file.format}: {file.reason}")
    if runtime.start:
        notes.line(f"starting servers; their logs are in {runtime.logs}")
    try:
        with served(plan, runtime) as settings, watching(notes, plan) as watcher:
            run_plan(plan, settings, watcher, recording)
    except DataError:
        from prefine.cli.tables import print_remarks, print_sources

        if not notes.quiet:
            print_sources(err, sources_read(plan, runtime))
            print_remarks(err, remarks_so_far(plan, runtime))
        raise


@app.command(epilog="Example: prefine plan pipelines/quickstart.yaml")
def plan(
    recipe: Annotated[
        Path | None, typer.Argument(help="The recipe, a YAML file.", metavar="RECIPE")
    ] = None,
    *,
    root: Root = ROOT,
    data: Data = None,
    run_id: RunId = None,
    resolved: Annotated[
        bool,
        typer.Option(
            "--resolved",
            metavar="",
            help="Print the recipe with its defaults, files and hashes, as YAML.",
            rich_help_panel=PRINTING,
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show the steps of a recipe, and which of them are done; nothing is run.

    Give either a recipe or, with --run, the id of a run.
    """
    from prefine.planning import find_run, make_plan, plan_of
    from prefine.planning.look import states
    from prefine.recipe import load_recipe
    from prefine.settings.flags import runtime_of

    if (recipe is None) == (run_id is None):
        raise RecipeError("`prefine plan` needs either a recipe or --run ID")
    runtime = runtime_of(recipe, root, data)
    if recipe is None:
        planned = plan_of(find_run(runtime, run_id), runtime)
    else:
        planned = make_plan(load_recipe(recipe), runtime)
    if as_json:
        steps = [
            {**asdict(state), "reads": reads, "needs": needs}
            for state, (reads, needs) in zip(
                states(planned, runtime), _inputs(planned), strict=True
            )
        ]
        document = {
            "recipe": planned.recipe.name,
            "fingerprint": planned.dataset.fingerprint,
            "root": root,
            "steps": steps,
        }
        whole = planned.resolved.model_dump(mode="json") if resolved else None
        print_json(document if whole is None else {**document, "resolved": whole})
    elif resolved:
        out.line(planned.resolved.to_yaml().rstrip())
    else:
        _print_plan(planned, runtime)


def _inputs(plan: "Plan") -> list[tuple[list[str], str | None]]:
    """Return what each step reads, steps or files; and the model or server that it needs."""
    files = {
        f"ingest_{source.name}": [file.path for file in plan.resolved.files[source.key]]
        for source in plan.recipe.sources
    }
    return [
        (
            files.get(step.name) or [upstream.name for upstream in step.upstream],
            f"server {step.server}" if step.server else ("model" if step.uses == "model" else None),
        )
        for step in plan.steps
    ]


def _shorten(names: list[str]) -> str:
    """Return the first names, and how many more there are."""
    shown = ""
    for number, name in enumerate(names):
        longer = f"{shown}, {Path(name).name}" if shown else Path(name).name
        if shown and len(longer) > _READS_WIDTH:
            return f"{shown} + {len(names) - number}"
        shown = longer
    return shown


def _print_plan(plan: "Plan", runtime: "Runtime") -> None:
    """Print the steps of a plan as a table."""
    from prefine.cli.tables import print_table
    from prefine.planning.look import states

    lines: list[tuple[object, ...]] = []
    total = done = 0
    for state, (reads, needs) in zip(states(plan, runtime), _inputs(plan), strict=True):
        done_text = f"{state.num_done}/{state.num_shards}"
        lines.append((state.name, _shorten(reads), done_text, needs))
        total, done = total + state.num_shards, done + state.num_done
    heads = ("step", "reads", "shards done", "needs")
    print_table(out, f"Plan of {plan.recipe.name}", heads, lines)
    out.line(f"{done:,} of {total:,} shards are done below {runtime.root}.")
