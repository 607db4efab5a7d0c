"""Decide: facts and rules become one verdict a pair.

What comes in: the facts of the whole corpus, by column. What goes out: a decision a pair. What
never happens: a measurement.
"""

import polars as pl

from prefine.decide.explain import explained
from prefine.decide.limits import Nearby, nearby
from prefine.decide.rules import judge
from prefine.recipe import Recipe, Rule, rule_columns
from prefine.schema import DECISIONS
from prefine.step import Counts, Work

_KEYS = ("pair_id", "prompt_id", "chosen_id", "rejected_id")
_PART = "_part"


def decide(work: Work, recipe: Recipe) -> Counts:
    """Decide on all pairs of all shards.

    Args:
        work: Reads the columns of ``facts`` that rules name, and ``neighbour_lists`` for rules
            that are ``diverse``; writes ``decisions``.
        recipe: Its rules, structural ones first, and its seed.
    """
    rules = recipe.all_rules
    columns = rule_columns(recipe)
    named = {
        name.removeprefix("-")
        for rule in rules
        for name in (*_single(rule), *rule.balance)
        if name is not None
    }
    wanted = {need for name in named & columns.keys() for need in columns[name].needs()}
    wanted |= {"source", *_KEYS}
    facts = pl.concat(
        work.read("facts", sorted(wanted), part=part).with_columns(pl.lit(part).alias(_PART))
        for part in work.parts("facts")
    )
    judged, log = judge(facts, rules, columns, recipe.seed, near=_near(work, rules))
    work.notes["rules"] = log
    decisions = explained(judged, rules)
    for part in work.parts("facts"):
        rows = decisions.filter(pl.col(_PART) == part).select(DECISIONS.names)
        work.emit("decisions", rows, part=part)
    return Counts(facts.height, decisions.height)


def _single(rule: Rule) -> tuple[str | None, ...]:
    return (rule.column, rule.per, rule.order_by, rule.unless and rule.unless.column)


def _near(work: Work, rules: tuple[Rule, ...]) -> Nearby | None:
    """Read which prompts are near which, where a rule wants to know."""
    if all(rule.diverse is None for rule in rules):
        return None
    parts = work.parts("neighbour_lists")
    return nearby(pl.concat(work.read("neighbour_lists", part=part) for part in parts))
