"""Check before a run that the extras of its unfinished steps are installed."""

from prefine.planning.steps import Plan
from prefine.settings import Runtime, require_extra
from prefine.step import Step, load_manifest
from prefine.store import Store
from prefine.tables.embeddings import is_cached


def check_extras(plan: Plan, runtime: Runtime) -> None:
    """Check the optional dependencies of all steps that are not complete.

    Args:
        plan: The plan.
        runtime: Where results and distilled encoders are looked up.

    Raises:
        RecipeError: An extra is not installed; the message has the install command.
    """
    store = Store(runtime.root)
    for step in plan.steps:
        if step.needs and not _complete(step, store, runtime):
            for need in step.needs:
                require_extra(need.extra, need.user)


def _complete(step: Step, store: Store, runtime: Runtime) -> bool:
    """Return whether a step is done, or only has to be copied from the cache."""
    if is_cached(step, runtime):
        return True
    return all(load_manifest(store, step, shard) is not None for shard in step.shards)
