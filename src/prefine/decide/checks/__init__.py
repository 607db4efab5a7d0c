"""Kinds of check, one module each, listed in ``CHECKS``."""

from typing import TYPE_CHECKING, Annotated, Union

from pydantic import BeforeValidator, ValidationError
from pydantic_core import InitErrorDetails, PydanticKnownError

from prefine.decide.checks.bound import Bound
from prefine.decide.checks.budget import Budget
from prefine.decide.checks.cap import Cap
from prefine.decide.checks.differs import Differs
from prefine.decide.checks.equals import Equals
from prefine.decide.checks.flip import Flip
from prefine.decide.checks.hold import Hold
from prefine.decide.checks.quantile import Quantile
from prefine.decide.rule import Rule
from prefine.settings.json import Json, is_object

CHECKS: tuple[type[Rule], ...] = (
    Bound,
    Quantile,
    Equals,
    Differs,
    Flip,
    Hold,
    Cap,
    Budget,
)
"""All kinds of check, in the order in which messages list them."""


def kinds_with(key: str) -> tuple[str, ...]:
    """Return the kinds of check that have a setting of this name."""
    return tuple(check.test for check in CHECKS if key in check.model_fields)


def parse_rule(value: object) -> Rule:
    """Return the rule that a mapping describes; its keys determine the kind of check.

    Raises:
        ValueError: The mapping has the keys of none or of several kinds.
        ValidationError: The settings of the kind are invalid.
    """
    if isinstance(value, Rule):
        return value
    if not is_object(value):
        raise PydanticKnownError("model_type", {"class_name": Rule.__name__})
    kinds = [kind for kind in CHECKS if any(value.get(key) is not None for key in kind.keys)]
    if len(kinds) == 1:
        others = {
            key for key, setting in value.items() if setting in (None, []) and kinds_with(key)
        }
        others -= kinds[0].model_fields.keys()
        return kinds[0].model_validate({k: v for k, v in value.items() if k not in others})
    _refuse_unknown(value)
    if kinds:
        names = ", ".join(kind.test for kind in kinds)
        text = f"a rule has exactly one test; found: {names}; make a rule of each"
        raise ValueError(text)
    keys = ", ".join(f"`{key}`" for kind in CHECKS for key in kind.keys)
    raise ValueError(f"a rule has exactly one test; found: none; give one of {keys}")


def _refuse_unknown(value: Json) -> None:
    """Raise for keys that no kind of check has; a misspelt key explains a missing test."""
    errors = [
        InitErrorDetails(type="extra_forbidden", loc=(str(key),), input=setting)
        for key, setting in value.items()
        if not kinds_with(key)
    ]
    if errors:
        raise ValidationError.from_exception_data(Rule.__name__, errors)


if TYPE_CHECKING:
    AnyRule = Rule
else:
    # a rule is a flat mapping in a recipe; its keys determine the kind
    AnyRule = Annotated[Union[CHECKS], BeforeValidator(parse_rule)]  # noqa: UP007 - from a tuple

__all__ = [
    "CHECKS",
    "AnyRule",
    "Bound",
    "Budget",
    "Cap",
    "Differs",
    "Equals",
    "Flip",
    "Hold",
    "Quantile",
    "kinds_with",
    "parse_rule",
]
