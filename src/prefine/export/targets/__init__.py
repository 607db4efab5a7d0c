"""Targets of an export: one module a consumer."""

from typing import TYPE_CHECKING, Annotated

from pydantic import BeforeValidator, Field

from prefine.export.target import Target
from prefine.export.targets.trl import Trl
from prefine.settings.registry import registered, union_of

TARGETS: tuple[type[Target], ...] = registered(
    "prefine.targets", Target, (Trl,), lambda target: target.kind_name()
)
"""Every target, those of other distributions included."""


def _with_kind(value: object) -> object:
    """Let a kind alone stand for a target with its defaults."""
    return {"kind": value} if isinstance(value, str) else value


if TYPE_CHECKING:
    AnyTarget = Target
elif len(TARGETS) > 1:
    AnyTarget = Annotated[
        union_of(TARGETS), Field(discriminator="kind"), BeforeValidator(_with_kind)
    ]
else:
    AnyTarget = Annotated[TARGETS[0], BeforeValidator(_with_kind)]
"""A target as a recipe holds it: of the kind that its ``kind`` names."""

__all__ = ["TARGETS", "AnyTarget", "Target"]
