"""Apply rules to the columns of pairs: one verdict per pair."""

from prefine.decide.checks import CHECKS, AnyRule, kinds_with, parse_rule
from prefine.decide.columns import DECIDED, KEYS, KnownColumns, unknown_column
from prefine.decide.conditions import Condition, Exemption
from prefine.decide.diverse import Diverse
from prefine.decide.engine import apply_rules
from prefine.decide.explain import add_explanations
from prefine.decide.rule import ColumnRule, Hit, Rule
from prefine.decide.step import DECIDE_VERSION, decide_spec, run_decide
from prefine.decide.structure import Structure

__all__ = [
    "CHECKS",
    "DECIDED",
    "DECIDE_VERSION",
    "KEYS",
    "AnyRule",
    "ColumnRule",
    "Condition",
    "Diverse",
    "Exemption",
    "Hit",
    "KnownColumns",
    "Rule",
    "Structure",
    "add_explanations",
    "apply_rules",
    "decide_spec",
    "kinds_with",
    "parse_rule",
    "run_decide",
    "unknown_column",
]
