"""Rules applied in order to all pairs of the corpus: one verdict a pair.

What comes in: facts and rules. What goes out: verdict, rule, value and threshold. What never
happens: a measurement, a second verdict, a null that passes, an order of rows that matters.

A pair is in until a rule drops or holds it. A flipped pair stays in, and every later rule sees it
in its new direction: margins change sign, chosen and rejected lengths change places.
"""

from collections.abc import Mapping
from typing import NamedTuple

import polars as pl

from prefine.decide.limits import PLACE, Nearby, placed
from prefine.errors import DataError
from prefine.recipe import Condition, Rule
from prefine.schema import Column, hash_unit
from prefine.schema.json import Json

_IN = pl.col("_in")
_FLIPPED = pl.col("_flipped")
_SEEN = pl.col("_seen")
"""The pairs that the present rule looks at: those that are in, and not exempt."""
_LABEL_COLUMNS = frozenset({"rating_gap", "chosen_rating", "rejected_rating", "strength"})
_NUMBERS = ("value", "threshold")
_TEXTS = ("value_text", "threshold_text")
_ENOUGH = 50
"""From this many pairs on, a rated column with one single value is a placeholder."""


class Hit(NamedTuple):
    """What a rule says of each row; expressions over the working frame."""

    fails: pl.Expr
    """The rule acts on the pair."""
    value: pl.Expr
    threshold: pl.Expr
    verdict: pl.Expr
    """drop or hold; not read for flips."""


def judge(
    facts: pl.DataFrame,
    rules: tuple[Rule, ...],
    columns: Mapping[str, Column],
    seed: int,
    *,
    near: Nearby | None = None,
) -> tuple[pl.DataFrame, list[Json]]:
    """Apply rules to facts.

    Args:
        facts: One row a pair: ``pair_id`` and every column that a rule reads.
        rules: In the order in which they act.
        columns: What the columns mean.
        seed: Orders pairs where nothing else does.
        near: Which prompts are near which; only ``diverse`` rules need it.

    Returns:
        The facts with ``verdict``, ``rule``, ``column``, ``value``, ``threshold`` and their text
        twins, ``flipped_by`` and ``order``; and for each rule how many pairs it saw, dropped, held
        and flipped.
    """
    order = pl.Series("order", [hash_unit(seed, "order", p) for p in facts["pair_id"]], pl.Float64)
    frame = facts.with_columns(
        order,
        pl.lit(value=True).alias("_in"),
        pl.lit(value=False).alias("_flipped"),
        pl.lit(None, pl.String).alias("verdict"),
        *(pl.lit(None, pl.String).alias(n) for n in ("rule", "column", "flipped_by", *_TEXTS)),
        *(pl.lit(None, pl.Float64).alias(name) for name in _NUMBERS),
    ).sort("pair_id")
    log: list[Json] = []
    for rule in rules:
        _no_placeholder(frame, rule)
        frame = frame.with_columns((_IN & ~_exempt(rule, columns)).alias("_seen"))
        before = frame.select(_SEEN.sum()).item()
        if rule.test in {"cap", "budget"}:
            frame = placed(frame, rule, columns, near)
        frame = _flip(frame, rule, columns) if rule.test == "flip" else _act(frame, rule, columns)
        log.append({"rule": rule.reason, **_count(frame, rule, before)})
    kept = pl.when(_FLIPPED).then(pl.lit("flip")).otherwise(pl.lit("keep"))
    verdict = pl.coalesce("verdict", kept).alias("verdict")
    return frame.with_columns(verdict, pl.lit(1.0).alias("weight")), log


def _exempt(rule: Rule, columns: Mapping[str, Column]) -> pl.Expr:
    if rule.unless is None:
        return pl.lit(value=False)
    value = _present(columns[rule.unless.column])
    holds, _ = _holds(rule.unless, value)
    return (holds & value.is_not_null()).fill_null(value=False)


def _count(frame: pl.DataFrame, rule: Rule, before: int) -> Json:
    mine = frame.filter(pl.col("rule") == rule.reason)
    return {
        "in": before,
        "dropped": mine.filter(pl.col("verdict") == "drop").height,
        "held": mine.filter(pl.col("verdict") == "hold").height,
        "flipped": mine.filter(pl.col("verdict").is_null() & _FLIPPED).height,
    }


def _act(frame: pl.DataFrame, rule: Rule, columns: Mapping[str, Column]) -> pl.DataFrame:
    hit = _HITS[rule.test](rule, columns)
    acts = _SEEN & hit.fails.fill_null(value=True)
    marked = frame.with_columns(acts.alias("_acts"))
    on = pl.col("_acts")
    return marked.with_columns(
        pl.when(on).then(hit.verdict).otherwise("verdict").alias("verdict"),
        pl.when(on).then(pl.lit(rule.reason)).otherwise("rule").alias("rule"),
        pl.when(on).then(_subject(rule)).otherwise("column").alias("column"),
        *_evidence(rule, columns, on, hit.value, hit.threshold),
        (_IN & ~on).alias("_in"),
    )


def _subject(rule: Rule) -> pl.Expr:
    return pl.lit(rule.column or rule.per, pl.String)


def _evidence(
    rule: Rule, columns: Mapping[str, Column], on: pl.Expr, value: pl.Expr, threshold: pl.Expr
) -> list[pl.Expr]:
    """Write value and threshold, as numbers or as texts, and clear what an earlier flip wrote."""
    text = rule.column is not None and not columns[rule.column].numeric
    filled, cleared = (_TEXTS, _NUMBERS) if text else (_NUMBERS, _TEXTS)
    found = zip(filled, (value, threshold), strict=True)
    return [
        *(pl.when(on).then(new).otherwise(name).alias(name) for name, new in found),
        *(pl.when(on).then(None).otherwise(name).alias(name) for name in cleared),
    ]


def _value(rule: Rule, columns: Mapping[str, Column]) -> pl.Expr:
    assert rule.column is not None, "only caps and budgets have no column"
    return _present(columns[rule.column])


def _present(column: Column) -> pl.Expr:
    value = column.seen(_FLIPPED)
    return value.cast(pl.Float64).fill_nan(None) if column.numeric else value


def _missing(rule: Rule, value: pl.Expr, otherwise: str) -> pl.Expr:
    return pl.when(value.is_null()).then(pl.lit(rule.missing)).otherwise(pl.lit(otherwise))


def _between(rule: Rule, value: pl.Expr, low: pl.Expr, high: pl.Expr) -> Hit:
    """Fail values outside [low, high]; a null bound is open, a null value fails."""
    below = (value < low).fill_null(value=False)
    above = (value > high).fill_null(value=False)
    threshold = pl.when(below | high.is_null()).then(low).otherwise(high)
    return Hit(value.is_null() | below | above, value, threshold, _missing(rule, value, "drop"))


def _bound(rule: Rule, columns: Mapping[str, Column]) -> Hit:
    low, high = (pl.lit(bound, pl.Float64) for bound in (rule.minimum, rule.maximum))
    return _between(rule, _value(rule, columns), low, high)


def _quantile(rule: Rule, columns: Mapping[str, Column]) -> Hit:
    """Take the bounds from the pairs that are still in, for each group of its own."""
    value = _value(rule, columns)
    present = pl.when(_SEEN).then(value)

    def bound(share: float | None) -> pl.Expr:
        if share is None:
            return pl.lit(None, pl.Float64)
        found = present.quantile(share, "linear")
        return found if rule.per is None else found.over(rule.per)

    low, high = bound(rule.minimum_quantile), bound(rule.maximum_quantile)
    return _between(rule, value, low, high)


def _equals(rule: Rule, columns: Mapping[str, Column]) -> Hit:
    value = _value(rule, columns)
    wanted = _literal(rule.equals)
    return Hit(value.ne_missing(wanted), value, wanted, _missing(rule, value, "drop"))


def _differs(rule: Rule, columns: Mapping[str, Column]) -> Hit:
    value = _value(rule, columns)
    unwanted = _literal(rule.differs)
    fails = value.is_null() | (value == unwanted)
    return Hit(fails, value, unwanted, _missing(rule, value, "drop"))


def _literal(value: bool | float | str | None) -> pl.Expr:
    return pl.lit(value) if isinstance(value, str) else pl.lit(value, pl.Float64)


def _holds(condition: Condition, value: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """Return whether the condition holds, and the bound that it is about."""
    if condition.equals is not None:
        wanted = _literal(condition.equals)
        return value.eq_missing(wanted), wanted
    low, high = (pl.lit(bound, pl.Float64) for bound in (condition.minimum, condition.maximum))
    inside = (value >= low).fill_null(value.is_not_null()) & (value <= high).fill_null(
        value.is_not_null()
    )
    return inside, pl.coalesce(low, high)


def _hold(rule: Rule, columns: Mapping[str, Column]) -> Hit:
    """Hold what meets the condition, and what has no value to show that it does not."""
    assert rule.hold_when is not None, "this is a hold rule"
    value = _value(rule, columns)
    holds, threshold = _holds(rule.hold_when, value)
    return Hit(holds | value.is_null(), value, threshold, pl.lit("hold"))


def _flip(frame: pl.DataFrame, rule: Rule, columns: Mapping[str, Column]) -> pl.DataFrame:
    """Turn round what meets the condition; a pair without a value stays as it is."""
    assert rule.flip_when is not None, "this is a flip rule"
    value = _value(rule, columns)
    holds, threshold = _holds(rule.flip_when, value)
    acts = _SEEN & (holds & value.is_not_null()).fill_null(value=False)
    marked = frame.with_columns(acts.alias("_acts"), value.alias("_now"))
    on = pl.col("_acts")
    new = pl.when(on & ~_FLIPPED)
    return marked.with_columns(
        pl.when(on).then(new.then(pl.lit(rule.reason))).otherwise("rule").alias("rule"),
        pl.when(on).then(new.then(_subject(rule))).otherwise("column").alias("column"),
        *_evidence(rule, columns, on, new.then("_now"), new.then(threshold)),
        pl.when(on).then(new.then(pl.lit(rule.reason))).otherwise("flipped_by").alias("flipped_by"),
        (on != _FLIPPED).alias("_flipped"),
    ).drop("_now")


def _limit(rule: Rule, most: int) -> Hit:
    """Fail the pairs beyond the first ``most`` in the rule's order."""
    place = pl.struct((~_SEEN).alias("out"), PLACE, "order").rank("ordinal")
    rank = (place if rule.per is None else place.over(rule.per)).cast(pl.Float64)
    threshold = pl.lit(float(most))
    return Hit(rank > threshold, rank, threshold, pl.lit("drop"))


def _cap(rule: Rule, columns: Mapping[str, Column]) -> Hit:
    del columns
    assert rule.cap is not None, "this is a cap"
    return _limit(rule, rule.cap)


def _budget(rule: Rule, columns: Mapping[str, Column]) -> Hit:
    del columns
    assert rule.budget is not None, "this is a budget"
    return _limit(rule, rule.budget)


_HITS = {
    "bound": _bound,
    "quantile": _quantile,
    "equals": _equals,
    "differs": _differs,
    "hold": _hold,
    "cap": _cap,
    "budget": _budget,
}


def _no_placeholder(frame: pl.DataFrame, rule: Rule) -> None:
    """Refuse a bound on a label column that says the same of every pair of a source."""
    if rule.column not in _LABEL_COLUMNS or rule.test not in {"bound", "quantile"}:
        return
    value = pl.col(rule.column)
    found = frame.group_by("source").agg(
        value.drop_nulls().n_unique().alias("kinds"),
        value.drop_nulls().len().alias("rows"),
        value.drop_nulls().first().alias("value"),
    )
    for source, kinds, rows, same in found.sort("source").iter_rows():
        if kinds == 1 and rows >= _ENOUGH:
            raise DataError(
                f"rule `{rule.reason}`: `{rule.column}` is {same:g} for all {rows} pairs of "
                f"source {source}, so it is a placeholder; leave the rule out for this source"
            )
