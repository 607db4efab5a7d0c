"""Why a pair stands or fell, in one sentence.

What comes in: verdicts with rule, column, value and threshold. What goes out: plain English. What
never happens: text of a prompt or a response in a reason.
"""

import polars as pl

from prefine.recipe import Condition, Rule

_DONE = {"drop": "dropped", "hold": "held for a human", "flip": "flipped"}
_DIGITS = 4
_EXACT = 2.0**53
"""Whole numbers below this are written without a point."""


def explained(decisions: pl.DataFrame, rules: tuple[Rule, ...]) -> pl.DataFrame:
    """Add the column ``explanation`` to decisions.

    Args:
        decisions: What ``rules.judge`` returns.
        rules: The rules that were applied.
    """
    passed = f"kept: it passed all {len(rules)} rules" if rules else "kept: there are no rules"
    sentence = pl.lit(passed)
    for rule in rules:
        verdict = pl.col("verdict").replace_strict(_DONE, default="kept")
        by = pl.concat_str(verdict, pl.lit(f" by {rule.reason}: "), _because(rule))
        sentence = pl.when(pl.col("rule") == rule.reason).then(by).otherwise(sentence)
    out = pl.col("verdict").is_in(["drop", "hold"]) & pl.col("flipped_by").is_not_null()
    turned = pl.concat_str(sentence, pl.lit("; seen as flipped by "), pl.col("flipped_by"))
    sentence = pl.when(out).then(turned).otherwise(sentence)
    return decisions.with_columns(sentence.alias("explanation"))


def _because(rule: Rule) -> pl.Expr:
    value, threshold = _numbers()
    if rule.cap is not None:
        text = f" of its {rule.per}, where {rule.cap} are kept"
        return pl.concat_str(pl.lit("number "), value, pl.lit(text + _order(rule)))
    if rule.budget is not None:
        text = f" of a budget of {rule.budget}{_order(rule)}"
        return pl.concat_str(pl.lit("number "), value, pl.lit(text))
    shown = pl.coalesce("value_text", value, pl.lit("missing"))
    condition = rule.flip_when or rule.hold_when
    wanted = rule.equals if rule.equals is not None else rule.differs
    if isinstance(condition.equals if condition else wanted, bool):
        words = {1.0: "true", 0.0: "false"}
        shown = pl.col("value").replace_strict(words, default="missing", return_dtype=pl.String)
    start = pl.concat_str(pl.lit(f"{rule.column} is "), shown)
    if rule.equals is not None:
        return pl.concat_str(start, pl.lit(f", the rule wants {_plain(rule.equals)}"))
    if rule.differs is not None:
        unwanted = pl.lit(", which the rule does not want")
        missing = pl.lit(", which passes no test")
        return pl.concat_str(start, pl.when(_is_missing()).then(missing).otherwise(unwanted))
    if condition is not None:
        tail = pl.when(_is_missing()).then(pl.lit("")).otherwise(pl.lit(f", {_when(condition)}"))
        return pl.concat_str(start, tail)
    below = pl.col("value") < pl.col("threshold")
    kind = pl.when(below).then(pl.lit(", below ")).otherwise(pl.lit(", above "))
    group = f" (a quantile of its {rule.per})" if rule.per else " (a quantile)"
    tail = pl.concat_str(kind, threshold, pl.lit(group if rule.test == "quantile" else ""))
    missing = pl.lit(", which passes no bound")
    return pl.concat_str(start, pl.when(_is_missing()).then(missing).otherwise(tail))


def _order(rule: Rule) -> str:
    """Say what decided the order, where it was more than a column."""
    diverse = f", diverse by {rule.diverse.by}" if rule.diverse else ""
    return diverse + (f", balanced over {', '.join(rule.balance)}" if rule.balance else "")


def _is_missing() -> pl.Expr:
    return pl.col("value").is_null() & pl.col("value_text").is_null()


def _numbers() -> tuple[pl.Expr, pl.Expr]:
    """Return value and threshold in four digits, or in all where four would make them equal."""
    value, threshold = pl.col("value"), pl.col("threshold")
    alike = (_short("value") == _short("threshold")) & (value != threshold)
    alike = alike.fill_null(value=False)
    return (
        pl.when(alike).then(value.cast(pl.String)).otherwise(_short("value")),
        pl.when(alike).then(threshold.cast(pl.String)).otherwise(_short("threshold")),
    )


def _short(name: str) -> pl.Expr:
    value = pl.col(name)
    whole = (value == value.round(0)) & (value.abs() < _EXACT)
    as_whole = pl.when(whole).then(value).cast(pl.Int64).cast(pl.String)
    return pl.coalesce(as_whole, value.round_sig_figs(_DIGITS).cast(pl.String))


def _plain(value: bool | float | str) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value}"


def _when(condition: Condition) -> str:
    if condition.equals is not None:
        return f"which the rule looks for ({_plain(condition.equals)})"
    bounds = [
        f"at least {condition.minimum:g}" if condition.minimum is not None else "",
        f"at most {condition.maximum:g}" if condition.maximum is not None else "",
    ]
    return "which is " + " and ".join(bound for bound in bounds if bound)
