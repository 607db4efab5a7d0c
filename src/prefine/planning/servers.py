"""Servers that a run starts and stops itself."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager

from prefine.planning.extras import check_extras
from prefine.planning.needs import (
    is_done,
    require_known_servers,
    require_places,
    require_servers,
    served_names,
)
from prefine.planning.steps import Plan
from prefine.recipe import Resolved
from prefine.serve.vllm.launch import start_servers
from prefine.serve.vllm.served import Served
from prefine.settings import Runtime
from prefine.store import Store

_PATIENT = 12
"""Number of retries during which a server can be restarted."""


def servers_for(resolved: Resolved, names: Sequence[str]) -> Sequence[Served]:
    """Return the models that servers must serve for measures of a recipe, or its encoder.

    Raises:
        RecipeError: No measure with this name uses a server.
    """
    require_known_servers(resolved.recipe, names)
    known = served_names(resolved.recipe, resolved.inputs)
    return [known[name] for name in dict.fromkeys(names)]


@contextmanager
def served(plan: Plan, runtime: Runtime) -> Generator[Runtime]:
    """Start the servers that the runtime requests, and stop them afterwards.

    No server is started for a measure whose steps are done.

    Raises:
        RecipeError: No measure with this name uses a server, a step that is not done
            has no server, there is no engine, or an extra that the run needs is not installed.
        PlaceError: The folder of the logs or the cache cannot be written to.
        ServiceError: A server exits before it is ready, or takes too long.
    """
    check_extras(plan, runtime)
    require_servers(plan.steps, runtime)
    require_places(plan.steps, runtime)
    wanted = servers_for(plan.resolved, runtime.start)
    store = Store(runtime.root)
    missing = [one for one in wanted if not _done(plan, one.name, store)]
    if not missing:
        yield runtime
        return
    with start_servers(missing, runtime) as addresses:
        more = {"servers": runtime.servers | addresses, "retries": max(runtime.retries, _PATIENT)}
        yield runtime.model_copy(update=more)


def _done(plan: Plan, name: str, store: Store) -> bool:
    """Return whether every step that uses the servers of this name is done."""
    steps = [step for step in plan.steps if step.server == name]
    return all(is_done(step, store) for step in steps)
