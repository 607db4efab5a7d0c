"""Apply rules in order to all pairs of the corpus: one verdict per pair.

A pair remains until a rule drops or holds it. A flipped pair remains, and later rules test it in
its new direction: margins change sign, and columns of chosen and rejected are swapped. The result
does not depend on the order of rows. ``docs/rules.md`` is the specification.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple, cast

import numpy as np
import polars as pl
import pyarrow as pa

from prefine.decide.arrays import Bools, Facts, Places
from prefine.decide.counts import counts_of
from prefine.decide.neighbours import Nearby
from prefine.decide.outcome import Outcome
from prefine.decide.placeholders import refuse_placeholder
from prefine.decide.remarks import remarks_on
from prefine.decide.rule import Hit, Rule
from prefine.decide.tested import TestedPairs
from prefine.schema import Column, hash_unit
from prefine.settings.json import Json

_REMOVALS: tuple[tuple[Literal["drop", "hold"], str], ...] = (("drop", "dropped"), ("hold", "held"))


class Decided(NamedTuple):
    """The decisions on all pairs."""

    decisions: pa.Table
    """One row per pair, in the order of the facts, without ids."""
    log: list[Json]
    """For each rule, the numbers of pairs that it tested, dropped, held and flipped."""
    remarks: list[str]
    """Warnings about rules whose columns are null, constant or not comparable."""


def apply_rules(
    facts: pl.DataFrame,
    rules: tuple[Rule, ...],
    columns: Mapping[str, Column],
    seed: int,
    *,
    near: Nearby | None = None,
) -> tuple[pl.DataFrame, list[Json]]:
    """Apply rules to a frame of pairs.

    Args:
        facts: One row per pair: ``pair_id``, ``source``, every column that a rule reads, and
            ``human_verdict`` if there are human verdicts; ``order`` is added if it is missing.
        rules: The rules, in order.
        columns: The definitions of the columns, by name.
        seed: Seed of the random order of pairs.
        near: The neighbours of prompts, for ``diverse`` rules.

    Returns:
        The facts sorted by pair id, with the columns of decisions; and for each rule the numbers of
        pairs that it tested, dropped, held, flipped and flipped back, in total and by source.

    Raises:
        DataError: A rule bounds a label column that is a placeholder.
    """
    if "order" not in facts.columns:
        order = [hash_unit(seed, "order", pair) for pair in facts["pair_id"]]
        facts = facts.with_columns(pl.Series("order", order, pl.Float64))
    facts = facts.sort("pair_id")
    decided = decide(facts.to_arrow(), rules, columns, near)
    decisions = cast("pl.DataFrame", pl.from_arrow(decided.decisions))
    return facts.drop("order").hstack(decisions), decided.log


def decide(
    facts: pa.Table, rules: tuple[Rule, ...], columns: Mapping[str, Column], near: Nearby | None
) -> Decided:
    """Apply rules to a table of facts.

    Args:
        facts: One row per pair: ``source``, ``order`` and every column that a rule reads.
        rules: The rules, in order.
        columns: The definitions of the columns, by name.
        near: The neighbours of prompts, for ``diverse`` rules.

    Raises:
        DataError: A rule bounds a label column that is a placeholder.
    """
    arrays = Facts(facts, columns)
    assert len(arrays.source) == facts.num_rows, "every pair has a source"
    outcome = Outcome.undecided(arrays)
    log: list[Json] = []
    remarks: list[str] = []
    for rule in rules:
        pairs = _select_pairs(arrays, outcome, rule, near)
        refuse_placeholder(pairs, rule)
        hit = rule.hit(pairs)
        remarks += remarks_on(pairs, rule, hit)
        log.append({"rule": rule.reason, **_record(outcome, pairs, rule, hit)})
    return Decided(outcome.table(), log, remarks)


def _select_pairs(facts: Facts, outcome: Outcome, rule: Rule, near: Nearby | None) -> TestedPairs:
    """Return the pairs that a rule tests: remaining, not exempt, without a human verdict."""
    live = outcome.live
    pairs = TestedPairs(facts, live, outcome.flipped, live, near)
    exempt: Bools | None = None
    if not rule.verdicts and facts.is_directed is not None:
        exempt = facts.is_directed[live]
    if rule.unless is not None:
        holds = rule.unless.match(pairs, rule.unless.column).holds
        exempt = holds if exempt is None else exempt | holds
    return pairs if exempt is None or not exempt.any() else pairs.only(~exempt)


def _record(outcome: Outcome, pairs: TestedPairs, rule: Rule, hit: Hit) -> Json:
    """Record the decisions of a rule, and return its counts."""
    number = outcome.start(rule, hit, pairs)
    acts = hit.acts & ~hit.missing
    names = ("dropped", "held", "flipped", "turned_back")
    decided: dict[str, Places] = {name: np.zeros(0, np.int64) for name in names}
    if rule.verdict == "flip":
        outcome.record(number, acts, pairs, hit)
        rows = pairs.rows[acts]
        is_flipped = outcome.flipped[rows]
        decided["flipped"], decided["turned_back"] = rows[~is_flipped], rows[is_flipped]
        outcome.flip(number, rows)
    for verdict, name in _REMOVALS:
        removed = acts if rule.verdict == verdict else np.zeros(len(pairs), np.bool_)
        if rule.missing == verdict:
            removed = removed | hit.missing
        if removed.any():
            outcome.record(number, removed, pairs, hit)
            decided[name] = pairs.rows[removed]
            outcome.remove(verdict, decided[name])
    return counts_of(pairs.facts, {"in": pairs.rows, **decided})
