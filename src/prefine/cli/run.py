"""Commands that run a recipe, or say what would run: run, decide, plan."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from prefine.cli.app import ROOT, Data, RecipeFile, Root, Servers, Settings, app, err, out
from prefine.errors import DataError
from prefine.settings import Runtime
from prefine.settings.flags import runtime_of, servers_of, settings_of

if TYPE_CHECKING:
    from prefine.plan import Plan


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
