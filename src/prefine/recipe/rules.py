"""Rules: the only place where thresholds live.

What comes in: the ``rules`` list of a recipe. What goes out: frozen settings, each with one test.
What never happens: two tests in one rule, or a null that passes a bound.
"""

from typing import Literal, Self

from pydantic import Field, model_validator

from prefine.recipe.base import Name, Part

Value = bool | float | str


class Condition(Part):
    """A test on one value; with both bounds given, both must hold."""

    minimum: float | None = None
    maximum: float | None = None
    equals: Value | None = None

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        bounds = self.minimum is not None or self.maximum is not None
        if bounds == (self.equals is not None):
            raise ValueError("give `minimum` and/or `maximum`, or `equals`")
        _ordered(self.minimum, self.maximum)
        return self


def _ordered(low: float | None, high: float | None) -> None:
    if low is not None and high is not None and low > high:
        raise ValueError(f"the minimum {low:g} is above the maximum {high:g}, so nothing passes")


class Exemption(Condition):
    """A test on another column than the rule's own."""

    column: str


class Diverse(Part):
    """Prefer pairs whose prompts are unlike those that are taken already.

    One pair after another is taken: the one with the largest quality times diversity ** ``weight``.
    Quality is the place in ``order_by`` as a share (1 is the best, and everybody without
    ``order_by``), diversity is what ``by`` says; the measure ``prompt_neighbours`` tells what is
    near. A prompt's second pair comes after the first pairs of all prompts, and a pair without a
    value to order by, or with a blank prompt, after all others.
    """

    by: Literal["cover", "spread"] = "cover"
    """``cover``: facility location, how much nearer the prompts of all pairs that are still in come
    to a taken one. ``spread``: k-center, how far the prompt is from the nearest taken one."""
    weight: float = Field(default=1.0, gt=0, le=100)
    """Exponent of the diversity: 1 counts it as much as quality."""


class Rule(Part):
    """One test on one column, or a limit on how many pairs may stay.

    Rules act in the order of the list, each on the pairs that are still in. A pair that fails a
    bound is dropped (or held); one that meets ``flip_when`` is turned round and goes on, seen from
    then on in its new direction; one that meets ``hold_when`` is set aside for a human.
    """

    name: Name | None = None
    """The reason that a drop carries; derived from the column and the test when it is null."""
    column: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    minimum_quantile: float | None = Field(default=None, gt=0, lt=1)
    """The bound is this quantile of the pairs that are still in."""
    maximum_quantile: float | None = Field(default=None, gt=0, lt=1)
    equals: Value | None = None
    differs: Value | None = None
    """The value must be another one than this; a missing value passes neither."""
    flip_when: Condition | None = None
    hold_when: Condition | None = None
    cap: int | None = Field(default=None, ge=1)
    """Keep at most this many pairs for each value of ``per``."""
    budget: int | None = Field(default=None, ge=1)
    """Keep at most this many pairs in all."""
    per: str | None = None
    """Group of a cap or a quantile: ``prompt_id``, ``source``, ``group`` or any text column."""
    order_by: str | None = None
    """Which pairs a cap or budget prefers: a column, with ``-`` in front for the largest first;
    null, and every tie, is decided by the seed."""
    diverse: Diverse | None = None
    """Let a cap or budget prefer what differs from what it took; ``order_by`` is the quality."""
    balance: tuple[str, ...] = ()
    """Let a budget take, one by one, from the groups that it took least from: text columns or
    ``prompt_id``. With several columns a pair's groups count together, each against an equal share
    of its column; ``order_by`` and ``diverse`` say which pair of a group is the next."""
    unless: Exemption | None = None
    """Pairs that meet this are not looked at by the rule: they pass, and count in no quantile, cap
    or budget of it. A missing value exempts nothing."""
    missing: Literal["drop", "hold"] = "drop"
    """What becomes of a pair without a value: a null never passes."""

    @model_validator(mode="after")
    def _one_test(self) -> Self:
        if len(self.tests) != 1:
            found = ", ".join(self.tests) or "none"
            raise ValueError(f"a rule has exactly one test; found: {found}")
        if (self.column is None) != (self.test in {"cap", "budget"}):
            raise ValueError("`column` goes with every test but `cap` and `budget`")
        if self.per is not None and self.test not in {"cap", "quantile"}:
            raise ValueError("`per` goes with `cap` and with quantiles")
        if self.test == "cap" and self.per is None:
            raise ValueError("`cap` needs `per`: the column whose values share the cap")
        if self.order_by is not None and self.test not in {"cap", "budget"}:
            raise ValueError("`order_by` goes with `cap` and `budget`")
        if self.diverse is not None and self.test not in {"cap", "budget"}:
            raise ValueError("`diverse` goes with `cap` and `budget`")
        if self.balance and self.test != "budget":
            raise ValueError("`balance` goes with `budget`; a `cap` with `per` is the same for all")
        _ordered(self.minimum, self.maximum)
        _ordered(self.minimum_quantile, self.maximum_quantile)
        return self

    @property
    def tests(self) -> tuple[str, ...]:
        """The kinds of test that are given: one, in a valid rule."""
        given = {
            "bound": self.minimum is not None or self.maximum is not None,
            "quantile": self.minimum_quantile is not None or self.maximum_quantile is not None,
            "equals": self.equals is not None,
            "differs": self.differs is not None,
            "flip": self.flip_when is not None,
            "hold": self.hold_when is not None,
            "cap": self.cap is not None,
            "budget": self.budget is not None,
        }
        return tuple(kind for kind, present in given.items() if present)

    @property
    def test(self) -> str:
        """The kind of the one test."""
        return self.tests[0]

    @property
    def reason(self) -> str:
        """What a drop by this rule is called everywhere."""
        if self.name is not None:
            return self.name
        return f"{self.column or self.per or 'all'}_{self.test}"


class Structure(Part):
    """What becomes of pairs that cannot teach a preference; these rules come before all others."""

    identical: Literal["drop", "hold"] = "drop"
    """Chosen and rejected are the same text."""
    empty: Literal["drop", "hold"] = "drop"
    """A response is blank."""
    unlabelled: Literal["drop", "hold"] = "drop"
    """No label names a side, nor calls it a tie: the judge failed."""
    tie: Literal["drop", "hold"] = "drop"
    """The votes favour neither side."""

    def rules(self) -> tuple[Rule, ...]:
        """Return these policies as ordinary rules that bear their field's name."""
        tests: tuple[tuple[str, str, Condition], ...] = (
            ("identical", "is_identical", Condition(equals=True)),
            ("empty", "num_empty", Condition(minimum=1)),
            ("unlabelled", "num_votes", Condition(maximum=0)),
            ("tie", "is_tie", Condition(equals=True)),
        )
        return tuple(
            Rule(name=name, column=column, hold_when=when)
            if getattr(self, name) == "hold"
            else _drop(name, column, when)
            for name, column, when in tests
        )


def _drop(name: str, column: str, when: Condition) -> Rule:
    """Return the rule that drops what the condition describes: its opposite must hold."""
    if when.equals is not None:
        return Rule(name=name, column=column, equals=not when.equals)
    if when.minimum is not None:
        return Rule(name=name, column=column, maximum=when.minimum - 1)
    assert when.maximum is not None, "a condition has a bound or a value"
    return Rule(name=name, column=column, minimum=when.maximum + 1)
