"""The policies on pairs that cannot teach a preference, as rules before all others."""

from typing import Literal

from prefine.decide.checks import Bound, Equals, Hold
from prefine.decide.conditions import Condition
from prefine.decide.rule import Rule
from prefine.settings import Part


class Structure(Part):
    """The verdicts on pairs that cannot teach a preference; these rules come before all others."""

    identical: Literal["drop", "hold"] = "drop"
    """Chosen and rejected are the same text."""
    empty: Literal["drop", "hold"] = "drop"
    """A response is blank."""
    unlabelled: Literal["drop", "hold"] = "drop"
    """No label names a side or calls it a tie: the judge failed."""
    tie: Literal["drop", "hold"] = "drop"
    """The votes favour neither side."""

    def rules(self) -> tuple[Rule, ...]:
        """Return these policies as ordinary rules that bear their field's name."""
        policies: tuple[tuple[Bound | Equals, Condition], ...] = (
            (
                Equals(name="identical", column="is_identical", equals=False),
                Condition(equals=True),
            ),
            (Bound(name="empty", column="num_empty", maximum=0), Condition(minimum=1)),
            (Bound(name="unlabelled", column="num_votes", minimum=1), Condition(maximum=0)),
            (Equals(name="tie", column="is_tie", equals=False), Condition(equals=True)),
        )
        return tuple(
            Hold(name=drop.name, column=drop.column, hold_when=condition)
            if getattr(self, drop.reason) == "hold"
            else drop
            for drop, condition in policies
        )
