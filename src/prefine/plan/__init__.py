"""Which steps, in which order, and running them; the pipeline is written here, once."""

from prefine.plan.resolve import resolve
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
from prefine.plan.steps import Plan, decision_plan, make_plan

__all__ = [
    "Plan",
    "Watcher",
    "check_places",
    "decision_plan",
    "make_plan",
    "publish_named",
    "publish_plan",
    "remember",
    "resolve",
    "run_named",
    "run_plan",
    "served",
]
