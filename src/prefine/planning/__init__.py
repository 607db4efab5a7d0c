"""Plan the steps of a recipe, and run them."""

from prefine.planning.extras import check_extras
from prefine.planning.resolve import resolve
from prefine.planning.run import (
    Watcher,
    check_places,
    publish_named,
    publish_plan,
    run_named,
    run_plan,
)
from prefine.planning.runs import (
    Recording,
    RunRecord,
    find_run,
    list_runs,
    num_done,
    plan_of,
    record_run,
    verdict_counts,
)
from prefine.planning.servers import served
from prefine.planning.steps import Plan, decision_plan, make_plan

__all__ = [
    "Plan",
    "Recording",
    "RunRecord",
    "Watcher",
    "check_extras",
    "check_places",
    "decision_plan",
    "find_run",
    "list_runs",
    "make_plan",
    "num_done",
    "plan_of",
    "publish_named",
    "publish_plan",
    "record_run",
    "resolve",
    "run_named",
    "run_plan",
    "served",
    "verdict_counts",
]
