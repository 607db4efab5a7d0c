"""Servers that a recipe needs and that the run itself starts and ends."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager

from prefine.errors import RecipeError
from prefine.plan.steps import Plan
from prefine.recipe import Resolved
from prefine.serve.vllm.launch import serving
from prefine.serve.vllm.served import Served
from prefine.settings import Runtime
from prefine.step import load_manifest
from prefine.store import Store
from prefine.tables.embeddings import served_encoder

_PATIENT = 12
"""Retries that outlast the start of a server which ended and is started again."""


def servers_for(resolved: Resolved, names: Sequence[str]) -> Sequence[Served]:
    """Return what must be served for some measures of a recipe, or its encoder.

    Raises:
        RecipeError: A name is not that of a measure that needs a server.
    """
    inputs = resolved.inputs
    wanted = [measure.server(inputs) for measure in resolved.recipe.measures]
    wanted.append(served_encoder(resolved.recipe.encoder, inputs))
    known = {served.name: served for served in wanted if served is not None}
    for name in names:
        if name not in known:
            listed = ", ".join(known) or "none"
            raise RecipeError(
                f"no server can be started for `{name}`; the measures with servers are: {listed}"
            )
    return [known[name] for name in dict.fromkeys(names)]


@contextmanager
def served(plan: Plan, runtime: Runtime) -> Generator[Runtime]:
    """Start the servers that the runtime asks for, and end them afterwards.

    Nothing is started for a measure whose steps are done.

    Raises:
        RecipeError: A name is not that of a measure that needs a server, or there is no engine.
        ServiceError: A server ends before it is ready, or takes too long.
    """
    wanted = servers_for(plan.resolved, runtime.start)
    store = Store(runtime.root)
    missing = [one for one in wanted if not _done(plan, one.name, store)]
    if not missing:
        yield runtime
        return
    with serving(missing, runtime) as addresses:
        more = {"servers": runtime.servers | addresses, "retries": max(runtime.retries, _PATIENT)}
        yield runtime.model_copy(update=more)


def _done(plan: Plan, name: str, store: Store) -> bool:
    """Tell whether every step that asks the servers of this name has run."""
    steps = [step for step in plan.steps if step.server == name]
    return all(load_manifest(store, s, shard) is not None for s in steps for shard in s.shards)
