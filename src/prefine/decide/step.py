"""The step that decides: facts of the whole corpus and rules become one decision per pair."""

from collections.abc import Mapping
from functools import partial

import polars as pl

from prefine.decide.columns import KEYS
from prefine.decide.engine import apply_rules
from prefine.decide.explain import explained
from prefine.decide.limits import NEIGHBOURS
from prefine.decide.neighbours import nearby
from prefine.decide.rule import Rule
from prefine.schema import DECISIONS, HUMAN_VERDICT, Column
from prefine.step import Counts, StepSpec, Work

DECIDE_VERSION = 4

_PART = "_part"


def decide_spec(rules: tuple[Rule, ...], columns: Mapping[str, Column], seed: int) -> StepSpec:
    """Return the step that decides on all pairs.

    Args:
        rules: In the order in which they act, structural ones first.
        columns: Every column that a rule may read.
        seed: The recipe's; it orders pairs where nothing else does.
    """
    return StepSpec(
        name="decide",
        version=DECIDE_VERSION,
        run=partial(run_decide, rules=rules, columns=columns),
        reads=("facts", *_tables(rules)),
        writes={"decisions": DECISIONS},
        config={"rules": [rule.identity() for rule in rules], "seed": seed},
        scope="corpus",
        rows_of="facts",
        rows_to="decisions",
    )


def run_decide(work: Work, rules: tuple[Rule, ...], columns: Mapping[str, Column]) -> Counts:
    """Decide on all pairs of all shards.

    Args:
        work: Reads the columns of ``facts`` that rules name, and ``neighbour_lists`` for rules
            that are ``diverse``; writes ``decisions``.
        rules: In the order in which they act, structural ones first.
        columns: Every column that a rule may read.
    """
    names = _columns_needed(rules, columns)
    facts = pl.concat(
        work.read("facts", names, part=part).with_columns(pl.lit(part).alias(_PART))
        for part in work.parts("facts")
    )
    near = nearby(work.read_all(NEIGHBOURS)) if NEIGHBOURS in _tables(rules) else None
    decided, log = apply_rules(facts, rules, columns, work.seed, near=near)
    work.notes["rules"] = log
    decisions = explained(decided, rules)
    for part in work.parts("facts"):
        rows = decisions.filter(pl.col(_PART) == part).select(DECISIONS.names)
        work.emit("decisions", rows, part=part)
    return Counts(facts.height, decisions.height)


def _tables(rules: tuple[Rule, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(table for rule in rules for table in rule.tables()))


def _columns_needed(rules: tuple[Rule, ...], columns: Mapping[str, Column]) -> list[str]:
    """Return the columns of facts that deciding reads, with what their flipped values need."""
    named = {name for rule in rules for name in rule.columns_read() if name in columns}
    needs = {need for name in named for need in columns[name].needs()}
    return sorted({"source", "own_id", *KEYS, *needs, *({HUMAN_VERDICT} & columns.keys())})
