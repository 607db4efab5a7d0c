"""One-sentence explanations of decisions, without text of the prompt or the responses."""

from typing import NamedTuple

import polars as pl

from prefine.decide.columns import WHOLE_BELOW, plain
from prefine.decide.conditions import Condition
from prefine.decide.rule import Rule
from prefine.decide.tested import Value
from prefine.schema import HUMAN_VERDICT

_VERDICTS = {"drop": "dropped", "hold": "held for a human", "flip": "flipped"}
_TRUTH = {1.0: "true", 0.0: "false"}
_DIGITS = 4


class NumberTexts(NamedTuple):
    """The numbers of a decision as texts: four digits, or all if four would make them equal."""

    value: pl.Expr
    """The value of the pair."""
    threshold: pl.Expr
    """The threshold of the rule."""


def add_explanations(decisions: pl.DataFrame, rules: tuple[Rule, ...]) -> pl.DataFrame:
    """Add the column ``explanation`` to decisions.

    Args:
        decisions: Rows of the table of decisions, optionally with ``human_verdict``.
        rules: The rules that were applied, in order.
    """
    passed = f"kept: passed all {len(rules)} rules" if rules else "kept: there are no rules"
    sentence = pl.lit(passed)
    if HUMAN_VERDICT in decisions.columns:
        verdict = pl.col(HUMAN_VERDICT)
        human = pl.concat_str(pl.lit("kept: human verdict: "), verdict)
        sentence = pl.when(verdict.is_in(["right", "wrong"])).then(human).otherwise(sentence)
    for rule in rules:
        verdict = pl.col("verdict").replace_strict(_VERDICTS, default="kept")
        by = pl.concat_str(verdict, pl.lit(f" by {rule.reason}: "), rule.because())
        sentence = pl.when(pl.col("rule") == rule.reason).then(by).otherwise(sentence)
    return decisions.with_columns(pl.concat_str(sentence, _flip_history()).alias("explanation"))


def _flip_history() -> pl.Expr:
    """Return the end of a sentence: the rules that flipped the pair, unless already named."""
    flips = pl.col("flips")
    number = pl.int_range(pl.element().len())
    flip = (
        pl.when(number % 2 == 0).then(pl.lit("flipped by ")).otherwise(pl.lit("flipped back by "))
    )
    history = flips.list.eval(flip + pl.element()).list.join(", ")
    removed = pl.col("verdict").is_in(["drop", "hold"]) & (flips.list.len() == 1)
    return (
        pl.when(flips.list.len() > 1)
        .then(pl.lit("; ") + history)
        .when(removed)
        .then(pl.lit("; previously ") + history)
        .otherwise(pl.lit(""))
    )


def value_of(column: str, expected: Value | None = None) -> pl.Expr:
    """Return the start of an explanation: the column and its value.

    Args:
        column: The column that a rule tests.
        expected: The value that the rule compares with; if it is a Boolean, the column's value is
            shown as one.
    """
    text = pl.when(pl.col("value_text") == "").then(pl.lit(plain(""))).otherwise("value_text")
    value = pl.coalesce(text, number_texts().value, pl.lit("missing"))
    if isinstance(expected, bool):
        numbers = pl.col("value")
        value = numbers.replace_strict(_TRUTH, default="missing", return_dtype=pl.String)
    return pl.concat_str(pl.lit(f"{column} is "), value)


def because_met(column: str, condition: Condition) -> pl.Expr:
    """Return the explanation of a rule that acts where a condition holds."""
    met = pl.lit(f", {condition.describe()}")
    end = pl.when(is_missing()).then(pl.lit("")).otherwise(met)
    start = value_of(column, condition.equals)
    if not isinstance(condition.equals, bool | str):
        start = pl.when(_rounding_hides(condition)).then(_in_full(column)).otherwise(start)
    return pl.concat_str(start, end)


def _rounding_hides(condition: Condition) -> pl.Expr:
    """Return whether a value meets a numeric condition but its rounding to four digits does not."""
    rounded = pl.col("value").round_sig_figs(_DIGITS)
    low, high = condition.minimum, condition.maximum
    if isinstance(condition.equals, float):
        low = high = condition.equals
    met = pl.lit(value=True)
    if low is not None:
        met &= rounded >= low
    if high is not None:
        met &= rounded <= high
    return ~met


def _in_full(column: str) -> pl.Expr:
    return pl.concat_str(pl.lit(f"{column} is "), pl.col("value").cast(pl.String))


def is_missing() -> pl.Expr:
    """Return whether the value of the pair is missing."""
    return pl.col("value").is_null() & pl.col("value_text").is_null()


def number_texts() -> NumberTexts:
    """Return the value and the threshold as texts."""
    value, threshold = pl.col("value"), pl.col("threshold")
    equal_when_rounded = (_short("value") == _short("threshold")) & (value != threshold)
    equal_when_rounded = equal_when_rounded.fill_null(value=False)
    return NumberTexts(
        pl.when(equal_when_rounded).then(value.cast(pl.String)).otherwise(_short("value")),
        pl.when(equal_when_rounded).then(threshold.cast(pl.String)).otherwise(_short("threshold")),
    )


def _short(name: str) -> pl.Expr:
    value = pl.col(name)
    whole = (value == value.round(0)) & (value.abs() < WHOLE_BELOW)
    as_whole = pl.when(whole).then(value).cast(pl.Int64).cast(pl.String)
    return pl.coalesce(as_whole, value.round_sig_figs(_DIGITS).cast(pl.String))
