"""Apply rules in order to all pairs of the corpus: one verdict per pair.

A pair is in until a rule drops or holds it. A flipped pair stays in, and every later rule sees it
in its new direction: margins change sign, and the lengths of chosen and rejected change places. The
result does not depend on the order of rows.
"""

from collections.abc import Mapping

import polars as pl

from prefine.decide.columns import DIRECTED, FLIPPED, IN, PLACE, SEEN, current_value
from prefine.decide.neighbours import Nearby
from prefine.decide.ranking import rank_pairs
from prefine.decide.rule import Hit, Rule
from prefine.errors import DataError
from prefine.schema import HUMAN_VERDICT, Column, hash_unit
from prefine.settings.json import Json

_LABEL_COLUMNS = frozenset({"rating_gap", "chosen_rating", "rejected_rating", "strength"})
_NUMBERS = ("value", "threshold")
_TEXTS = ("value_text", "threshold_text")
_MIN_PLACEHOLDERS = 50
"""From this many pairs on, a label column with one single value is a placeholder."""


def apply_rules(
    facts: pl.DataFrame,
    rules: tuple[Rule, ...],
    columns: Mapping[str, Column],
    seed: int,
    *,
    near: Nearby | None = None,
) -> tuple[pl.DataFrame, list[Json]]:
    """Apply rules to facts.

    Args:
        facts: One row per pair: ``pair_id`` and every column that a rule reads; where there are
            human verdicts, ``human_verdict``.
        rules: In the order in which they act.
        columns: What the columns mean.
        seed: Orders pairs where nothing else does.
        near: Which prompts are near which; only ``diverse`` rules need it.

    Returns:
        The facts with ``verdict``, ``rule``, ``column``, ``value``, ``threshold`` and their text
        twins, ``flipped_by``, ``order`` and ``weight``; and for each rule how many pairs it saw,
        dropped, held and flipped.

    Raises:
        DataError: A rule bounds a label column that is a placeholder.
    """
    frame = _undecided(facts, seed)
    log: list[Json] = []
    for rule in rules:
        _refuse_placeholder(frame, rule)
        frame = frame.with_columns((IN & ~_is_exempt(rule, columns)).alias("_seen"))
        num_seen = frame.select(SEEN.sum()).item()
        frame = _apply(frame, rule, columns, near)
        log.append({"rule": rule.reason, "in": num_seen, **_counts(frame, rule)})
    kept = pl.when(FLIPPED).then(pl.lit("flip")).otherwise(pl.lit("keep"))
    verdict = pl.coalesce("verdict", kept).alias("verdict")
    return frame.with_columns(verdict, pl.lit(1.0).alias("weight")), log


def _undecided(facts: pl.DataFrame, seed: int) -> pl.DataFrame:
    order = [hash_unit(seed, "order", pair) for pair in facts["pair_id"]]
    if HUMAN_VERDICT not in facts.columns:
        facts = facts.with_columns(pl.lit(None, pl.String).alias(HUMAN_VERDICT))
    texts = ("verdict", "rule", "column", "flipped_by", *_TEXTS)
    return facts.with_columns(
        pl.Series("order", order, pl.Float64),
        pl.lit(value=True).alias("_in"),
        pl.lit(value=False).alias("_flipped"),
        *(pl.lit(None, pl.String).alias(name) for name in texts),
        *(pl.lit(None, pl.Float64).alias(name) for name in _NUMBERS),
    ).sort("pair_id")


def _is_exempt(rule: Rule, columns: Mapping[str, Column]) -> pl.Expr:
    protected = pl.lit(value=False) if rule.verdicts else DIRECTED
    if rule.unless is None:
        return protected
    value = current_value(columns[rule.unless.column])
    holds = rule.unless.match(value).holds
    return protected | (holds & value.is_not_null()).fill_null(value=False)


def _counts(frame: pl.DataFrame, rule: Rule) -> Json:
    decided = frame.filter(pl.col("rule") == rule.reason)
    return {
        "dropped": decided.filter(pl.col("verdict") == "drop").height,
        "held": decided.filter(pl.col("verdict") == "hold").height,
        "flipped": decided.filter(pl.col("verdict").is_null() & FLIPPED).height,
    }


def _apply(
    frame: pl.DataFrame, rule: Rule, columns: Mapping[str, Column], near: Nearby | None
) -> pl.DataFrame:
    """Find the pairs that a rule acts on, and record its decision on them."""
    if rule.ranking is not None:
        frame = rank_pairs(frame, rule.ranking, columns, near)
    column = None if rule.tested is None else columns[rule.tested]
    hit = rule.hit(pl.col(PLACE) if column is None else current_value(column))
    frame = frame.with_columns((SEEN & hit.fails.fill_null(value=True)).alias("_acts"))
    is_text = column is not None and not column.numeric
    return _flip(frame, rule, hit, is_text) if rule.flips else _remove(frame, rule, hit, is_text)


def _remove(frame: pl.DataFrame, rule: Rule, hit: Hit, is_text: bool) -> pl.DataFrame:
    acts = pl.col("_acts")
    return frame.with_columns(
        pl.when(acts).then(hit.verdict).otherwise("verdict").alias("verdict"),
        *_record(rule, hit, is_text),
        (IN & ~acts).alias("_in"),
    )


def _flip(frame: pl.DataFrame, rule: Rule, hit: Hit, is_text: bool) -> pl.DataFrame:
    """Flip pairs; one that is flipped back has no decision any more."""
    acts = pl.col("_acts")
    reason = pl.when(~FLIPPED).then(pl.lit(rule.reason))
    return frame.with_columns(
        *_record(rule, hit, is_text),
        pl.when(acts).then(reason).otherwise("flipped_by").alias("flipped_by"),
        (acts != FLIPPED).alias("_flipped"),
    )


def _record(rule: Rule, hit: Hit, is_text: bool) -> list[pl.Expr]:
    """Record rule, column, value and threshold, as numbers or as texts.

    What an earlier flip recorded is replaced, and erased where the pair is flipped back.
    """
    filled, cleared = (_TEXTS, _NUMBERS) if is_text else (_NUMBERS, _TEXTS)
    names = ("rule", "column", *filled)
    values = (pl.lit(rule.reason), pl.lit(rule.subject, pl.String), hit.value, hit.threshold)
    acts, erased = pl.col("_acts"), FLIPPED & rule.flips
    return [
        *(
            pl.when(acts).then(pl.when(~erased).then(value)).otherwise(name).alias(name)
            for name, value in zip(names, values, strict=True)
        ),
        *(pl.when(acts).then(None).otherwise(name).alias(name) for name in cleared),
    ]


def _refuse_placeholder(frame: pl.DataFrame, rule: Rule) -> None:
    """Refuse a bound on a label column with one single value for all pairs of a source."""
    if rule.tested not in _LABEL_COLUMNS or not rule.is_bound:
        return
    value = pl.col(rule.tested)
    sources = frame.group_by("source").agg(
        value.drop_nulls().n_unique().alias("kinds"),
        value.drop_nulls().len().alias("rows"),
        value.drop_nulls().first().alias("value"),
    )
    for source, kinds, rows, same in sources.sort("source").iter_rows():
        if kinds == 1 and rows >= _MIN_PLACEHOLDERS:
            raise DataError(
                f"rule `{rule.reason}`: `{rule.tested}` is {same:g} for all {rows} pairs of "
                f"source {source}, so it is a placeholder; leave the rule out for this source"
            )
