"""Export targets, one module for each."""

from typing import TYPE_CHECKING, Annotated, Literal

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
else:
    _ONE_OF = union_of(TARGETS)
    if len(TARGETS) > 1:
        _ONE_OF = Annotated[_ONE_OF, Field(discriminator="kind")]
    _NAME = Literal[tuple(target.kind_name() for target in TARGETS)]
    AnyTarget = Annotated[
        _ONE_OF, BeforeValidator(_with_kind, json_schema_input_type=_ONE_OF | _NAME)
    ]
"""Type of the setting ``target``."""

__all__ = ["TARGETS", "AnyTarget", "Target"]
