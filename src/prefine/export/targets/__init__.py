"""Export targets, one module for each."""

from typing import TYPE_CHECKING, Annotated

from pydantic import BeforeValidator, Field

from prefine.export.target import Target
from prefine.export.targets.trl import Trl
from prefine.settings.registry import registered, union_of

TARGETS: tuple[type[Target], ...] = registered(
    "prefine.targets", Target, (Trl,), lambda target: target.kind_name()
)
"""All targets, including those of plug-ins."""


def _with_kind(value: object) -> object:
    """Return the mapping for a target given by its kind only."""
    return {"kind": value} if isinstance(value, str) else value


if TYPE_CHECKING:
    AnyTarget = Target
elif len(TARGETS) > 1:
    AnyTarget = Annotated[
        union_of(TARGETS), Field(discriminator="kind"), BeforeValidator(_with_kind)
    ]
else:
    AnyTarget = Annotated[TARGETS[0], BeforeValidator(_with_kind)]
"""Type of the setting ``target``."""

__all__ = ["TARGETS", "AnyTarget", "Target"]
