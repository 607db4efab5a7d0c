"""Rules as a recipe would read them; used by the tests of decisions."""

from typing import Any

from pydantic import TypeAdapter

from prefine.decide import AnyRule, Rule

_ADAPTER: TypeAdapter[Rule] = TypeAdapter(AnyRule)


def make_rule(**settings: Any) -> Rule:
    """Validate the settings of one rule."""
    return _ADAPTER.validate_python(settings)


def make_rules(*settings: dict[str, Any]) -> tuple[Rule, ...]:
    """Validate the settings of several rules."""
    return tuple(make_rule(**each) for each in settings)
