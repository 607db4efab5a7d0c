"""prefine: curate preference data.

Raw files become responses and pairs, pairs are measured, rules decide on the measurements, and the
decisions are exported as data sets that trainers read.

    import prefine

    run = prefine.run("recipe.yaml", output="curated")
    run.counts
    run.pairs(verdict="drop", rule="too_short")

Importing the package loads none of its dependencies; they are loaded when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prefine import search, text
    from prefine.api import (
        Counts,
        Planned,
        Run,
        detect,
        load_recipe,
        open_run,
        plan,
        run,
        runs,
    )

__version__ = "0.2.0"

__all__ = [
    "Counts",
    "Planned",
    "Run",
    "__version__",
    "detect",
    "load_recipe",
    "open_run",
    "plan",
    "run",
    "runs",
    "search",
    "text",
]


def __getattr__(name: str) -> object:
    if name in {"search", "text"}:
        return import_module(f"prefine.{name}")
    if name in __all__:
        return getattr(import_module("prefine.api"), name)
    raise AttributeError(f"module 'prefine' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
