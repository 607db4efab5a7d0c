"""The plan: a recipe becomes steps in order; the pipeline is written here, once.

What comes in: a recipe and a runtime. What goes out: steps, and a way to run them. What never
happens: Prefect; flows import this and not the other way round.
"""

from prefine.plan.resolve import resolve, to_yaml
from prefine.plan.run import (
    Watcher,
    check_places,
    publish_named,
    publish_plan,
    remember,
    run_named,
    run_plan,
)
from prefine.plan.servers import served
from prefine.plan.steps import Plan, make_plan

__all__ = [
    "Plan",
    "Watcher",
    "check_places",
    "make_plan",
    "publish_named",
    "publish_plan",
    "remember",
    "resolve",
    "run_named",
    "run_plan",
    "served",
    "to_yaml",
]
