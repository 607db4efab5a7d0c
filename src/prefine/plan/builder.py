"""A plan in the making: steps by name, each from those made before it.

What comes in: a resolved recipe. What goes out: steps in the order in which they were added. What
never happens: a step whose inputs do not exist yet.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pyarrow as pa

from prefine.recipe import Recipe
from prefine.schema.json import Json
from prefine.step import Counts, Step


class Made(NamedTuple):
    """How the step of a measure is made."""

    run: Callable[..., Counts]
    upstream: tuple[str, ...]
    """The steps that it reads from."""
    scope: str = "shard"
    uses: str = "cpu"
    seeded: bool = False
    """Whether it is given the recipe's seed."""
    more: Mapping[str, Any] = {}
    """Further arguments of the function."""
    writes: Mapping[str, pa.Schema] = {}
    """Further tables, beside the measure's own."""
    identity: Mapping[str, Any] = {}
    """What its bytes depend on, beside the measure's settings."""


class Builder:
    """Makes the steps of one recipe."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.num_shards = recipe.shards or 1
        self.steps: dict[str, Step] = {}

    def add(
        self,
        name: str,
        run: Callable[..., Counts],
        upstream: tuple[str, ...],
        writes: Mapping[str, pa.Schema],
        config: Json,
        **more: Any,
    ) -> None:
        """Add a step.

        Args:
            name: The step's name.
            run: Its function.
            upstream: Names of the steps that it reads from.
            writes: Its tables and their schemas.
            config: The slice of the recipe that it reads.
            more: Further fields of ``Step``.
        """
        settings: Json = {"version": 2, "num_parts": self.num_shards} | more
        inputs = tuple(self.steps[one] for one in upstream)
        self.steps[name] = Step(
            name=name, config=config, upstream=inputs, run=run, writes=writes, **settings
        )
