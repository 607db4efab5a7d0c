"""Apply rules in order to all pairs of the corpus: one verdict per pair.

A pair is in until a rule drops or holds it. A flipped pair stays in, and every later rule sees it
in its new direction: margins change sign, and the lengths of chosen and rejected change places. The
result does not depend on the order of rows. ``docs/rules.md`` specifies it.
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
from prefine.decide.seen import Seen
from prefine.schema import Column, hash_unit
from prefine.settings.json import Json

_REMOVALS: tuple[tuple[Literal["drop", "hold"], str], ...] = (("drop", "dropped"), ("hold", "held"))


class Decided(NamedTuple):
    """What became of the pairs."""

    decisions: pa.Table
    """One row per pair, in the order of the facts, without ids."""
    log: list[Json]
    """For each rule, how many pairs it saw, and what it did."""
    remarks: list[str]
    """What a user should know about rules that have little to work with."""


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
            human verdicts, ``human_verdict``; ``order`` is made where it is missing.
        rules: In the order in which they act.
        columns: What the columns mean.
        seed: Orders pairs where nothing else does.
        near: Which prompts are near which; only ``diverse`` rules need it.

    Returns:
        The facts by pair id, with the columns of decisions; and for each rule how many pairs it
        saw, dropped, held, flipped and turned back, in all and by source.

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
    """Apply rules to facts.

    Args:
        facts: One row per pair: ``source``, ``order`` and every column that a rule reads.
        rules: In the order in which they act.
        columns: What the columns mean.
        near: Which prompts are near which; only ``diverse`` rules need it.

    Raises:
        DataError: A rule bounds a label column that is a placeholder.
    """
    arrays = Facts(facts, columns)
    assert len(arrays.source) == facts.num_rows, "every pair has a source"
    outcome = Outcome.undecided(arrays)
    log: list[Json] = []
    remarks: list[str] = []
    for rule in rules:
        seen = _looked_at(arrays, outcome, rule, near)
        refuse_placeholder(seen, rule)
        hit = rule.hit(seen)
        remarks += remarks_on(seen, rule, hit)
        log.append({"rule": rule.reason, **_act(outcome, seen, rule, hit)})
    return Decided(outcome.table(), log, remarks)


def _looked_at(facts: Facts, outcome: Outcome, rule: Rule, near: Nearby | None) -> Seen:
    """Return the pairs that a rule looks at: they are in, not exempt, and not a human's."""
    live = outcome.live
    seen = Seen(facts, live, outcome.flipped, live, near)
    exempt: Bools | None = None
    if not rule.verdicts and facts.is_directed is not None:
        exempt = facts.is_directed[live]
    if rule.unless is not None:
        holds = rule.unless.match(seen, rule.unless.column).holds
        exempt = holds if exempt is None else exempt | holds
    return seen if exempt is None or not exempt.any() else seen.only(~exempt)


def _act(outcome: Outcome, seen: Seen, rule: Rule, hit: Hit) -> Json:
    """Record what a rule does, and return its counts."""
    number = outcome.start(rule, hit, seen)
    acts = hit.acts & ~hit.missing
    names = ("dropped", "held", "flipped", "turned_back")
    done: dict[str, Places] = {name: np.zeros(0, np.int64) for name in names}
    if rule.verdict == "flip":
        outcome.record(number, acts, seen, hit)
        rows = seen.rows[acts]
        back = outcome.flipped[rows]
        done["flipped"], done["turned_back"] = rows[~back], rows[back]
        outcome.flip(number, rows)
    for verdict, name in _REMOVALS:
        out = acts if rule.verdict == verdict else np.zeros(len(seen), np.bool_)
        if rule.missing == verdict:
            out = out | hit.missing
        if out.any():
            outcome.record(number, out, seen, hit)
            done[name] = seen.rows[out]
            outcome.remove(verdict, done[name])
    return counts_of(seen.facts, {"in": seen.rows, **done})
