"""What a plan needs of the runtime before its first step: servers, and folders to write in."""

from collections.abc import Iterable
from pathlib import Path

from prefine.errors import RecipeError
from prefine.recipe import Recipe
from prefine.serve.vllm.served import Served
from prefine.settings import Inputs, Runtime
from prefine.settings.names import listed, nearest
from prefine.step import Step, load_manifest
from prefine.store import Store
from prefine.tables.embeddings import served_encoder

_DISTILLATION = "encoder"
"""The step that writes to the cache."""


def served_names(recipe: Recipe, inputs: Inputs) -> dict[str, Served]:
    """Return what servers must serve for a recipe, by the names of its measures and its encoder.

    Args:
        recipe: The recipe.
        inputs: What its models stand for.
    """
    wanted = [measure.server(inputs) for measure in recipe.measures]
    wanted.append(served_encoder(recipe.encoder, inputs))
    return {served.name: served for served in wanted if served is not None}


def require_known_servers(recipe: Recipe, names: Iterable[str]) -> None:
    """Refuse servers that nothing in a recipe uses.

    Args:
        recipe: The recipe.
        names: Those that the runtime gives addresses for, or starts servers for.

    Raises:
        RecipeError: No measure with this name uses a server.
    """
    known = served_names(recipe, Inputs())
    for name in names:
        if name in known:
            continue
        close = nearest(name, known)
        if close is not None:
            hint = f"did you mean `{close}`?"
        elif name in {measure.label for measure in recipe.measures}:
            hint = "this measure runs without a server"
        else:
            hint = f"the names in use are: {listed(known)}"
        raise RecipeError(f"no measure of the recipe uses the server `{name}`; {hint}")


def require_servers(steps: Iterable[Step], runtime: Runtime) -> None:
    """Require an address for each server that an unfinished step uses.

    Args:
        steps: Steps of the plan.
        runtime: Has the addresses, and the servers to start.

    Raises:
        RecipeError: There is no address, and none is started.
    """
    store = Store(runtime.root)
    given = {name for name, urls in runtime.servers.items() if urls} | {*runtime.start}
    for step in steps:
        name = step.server
        if name is not None and name not in given and not is_done(step, store):
            raise RecipeError(
                f"no server for the measure `{name}`: give its address with "
                f"`--server {name}=http://HOST:PORT`, or start one with `--server {name}=start`"
            )


def require_places(steps: Iterable[Step], runtime: Runtime) -> None:
    """Require that the folders besides the root can be written to: logs of servers, the cache.

    Args:
        steps: Steps of the plan.
        runtime: Has the folders.

    Raises:
        RecipeError: One is a file.
        PlaceError: One cannot be written to.
    """
    if runtime.start:
        Store(str(Path(runtime.logs).expanduser())).reach()
    store = Store(runtime.root)
    for step in steps:
        if step.name == _DISTILLATION and not is_done(step, store):
            cache = Path(runtime.cache).expanduser()
            if not (cache / step.folder).is_dir():
                Store(str(cache)).reach()


def is_done(step: Step, store: Store) -> bool:
    """Return whether all shards of a step have run."""
    return all(load_manifest(store, step, shard) is not None for shard in step.shards)
