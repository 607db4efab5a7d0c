"""Rules do what ``docs/rules.md`` says: random recipes against an engine written from the page."""

import math
import random
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import polars as pl
import pyarrow as pa
import pytest

from prefine.decide import Structure, apply_rules
from prefine.errors import DataError
from prefine.schema import Column
from prefine.schema.columns import Flip
from tests.property.plain_rules import (
    KEYS,
    Field,
    PlaceholderError,
    Rule,
    decide,
    name_of,
    structure_rules,
)
from tests.rules import make_rule

FIELDS = {
    "source": Field("text"),
    "topic": Field("text"),
    "chosen_model": Field("text", "swap", "rejected_model"),
    "rejected_model": Field("text", "swap", "chosen_model"),
    "human_verdict": Field("text"),
    "margin": Field("number", "negate"),
    "probability": Field("number", "complement"),
    "distance": Field("number"),
    "logprob": Field("number"),
    "chosen_reward": Field("number", "swap", "rejected_reward"),
    "rejected_reward": Field("number", "swap", "chosen_reward"),
    "chosen_chars": Field("integer", "swap", "rejected_chars"),
    "rejected_chars": Field("integer", "swap", "chosen_chars"),
    "gap": Field("integer", "negate"),
    "num_votes": Field("integer"),
    "num_empty": Field("integer"),
    "rating_gap": Field("number", "negate"),
    "chosen_rating": Field("number", "swap", "rejected_rating"),
    "rejected_rating": Field("number", "swap", "chosen_rating"),
    "is_identical": Field("truth"),
    "is_tie": Field("truth"),
    "chosen_ok": Field("truth", "swap", "rejected_ok"),
    "rejected_ok": Field("truth", "swap", "chosen_ok"),
    "cluster": Field("text"),
    "rank": Field("integer"),
    "is_best": Field("truth", cluster="cluster", rank="rank"),
    "is_best_of_model": Field("truth", cluster="chosen_model", rank="margin"),
    "is_best_of_size": Field("truth", cluster="chosen_chars", rank="gap"),
    "is_best_so_far": Field("truth", cluster="distance", rank="chosen_reward"),
}
TYPES = {
    "text": pa.large_string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "truth": pa.bool_(),
}
COLUMNS = {
    name: Column(
        name, TYPES[f.type], "made", Flip(f.flip), f.partner, cluster=f.cluster, rank=f.rank
    )
    for name, f in FIELDS.items()
}
NUMERIC = [name for name, one in FIELDS.items() if one.type != "text"]
GROUPS = [*KEYS, *FIELDS]
REPRESENTATIVES = ["is_best", "is_best_of_model", "is_best_of_size", "is_best_so_far"]
TURNED = ["chosen_id", "rejected_id", "chosen_model", "margin", "probability", "gap"]
LABELS = ["rating_gap", "chosen_rating", "rejected_rating"]

NUMBERS = [0.0, -0.0, 0.1, 0.2, 0.3, 0.5, 1.0, -1.0, 2.5, 1e-300, 1e308, -1e308, math.inf]
ODD = [-math.inf, -math.inf, -math.inf, math.nan]
PLAIN = [-1.5, -1.0, -0.5, 0.0, 0.25, 0.5, 1.0, 2.0, 3.0]
INTEGERS = [0, 1, 2, 3, 5, -1, 2**53, 2**53 + 1, -(2**53) - 1]


FIRST = 20
"""The first seed: the 60 recipes from here notice each of 49 small changes of the plain engine,
such as ``<=`` for ``<``, nulls first, quantiles that count nulls, groups that ignore flips."""

REFUSED = ("refused", {})
"""The outcome of a recipe whose bound on a label column meets a constant."""


Draw = Callable[[random.Random, dict[str, list[Any]]], dict[str, Any]]


class Case(NamedTuple):
    """A recipe and the facts it is applied to."""

    facts: dict[str, list[Any]]
    structure: dict[str, str] | None
    has_verdicts: bool
    rules: list[dict[str, Any]]
    seed: int


def draw_case(seed: int) -> Case:
    """Draw a recipe and facts; equal seeds draw equal ones."""
    rng = random.Random(seed)
    facts = draw_facts(rng, rng.choice([1, 3, 12, 40, 60, 60, 80]))
    policies = ("identical", "verdict", "empty", "unlabelled", "tie")
    structure = {name: rng.choice(["drop", "hold"]) for name in policies if rng.random() < 0.5}
    policy = structure if rng.random() < 0.4 else None
    draws = None if rng.random() < 0.85 else [_flip, _label, _label, _label]
    rules = [draw_rule(rng, facts, place, draws) for place in range(rng.randint(3, 12))]
    return Case(facts, policy, rng.random() < 0.7, rules, rng.randint(0, 3))


def draw_facts(rng: random.Random, count: int) -> dict[str, list[Any]]:
    """Draw the columns of some pairs; half of the columns have few values, and many ties."""
    prompts = [f"prompt{rng.randint(0, count // 5)}" for _ in range(count)]
    facts: dict[str, list[Any]] = {
        "pair_id": [f"pair{n:04d}" for n in rng.sample(range(9999), count)],
        "prompt_id": prompts,
        "chosen_id": [f"{prompt}-{rng.randint(0, 2)}" for prompt in prompts],
        "rejected_id": [f"{prompt}-{rng.randint(0, 2)}" for prompt in prompts],
    }
    for name, about in FIELDS.items():
        some = _values(rng, name, about.type)
        nulls = rng.choice([0, 0, 0.1, 0.1, 0.3]) if rng.random() < 0.97 else 1
        facts[name] = [None if rng.random() < nulls else some() for _ in range(count)]
    usual = {"is_identical": False, "num_empty": 0, "num_votes": 1, "is_tie": False}
    for name, often in usual.items():
        facts[name] = [often if rng.random() < 0.9 else value for value in facts[name]]
    if rng.random() < 0.4:
        facts["human_verdict"] = [None] * count
    return facts


def _values(rng: random.Random, name: str, type_: str) -> Callable[[], Any]:
    """Return a function that draws the values of a column."""
    if name == "human_verdict":
        known = [None, None, None, "right", "wrong", "both_bad", "drop"]
    elif name in LABELS:
        known = rng.choice([[1.0], [1.0, -1.0], PLAIN])
    elif name in {"num_votes", "num_empty", "rank"}:
        known = [0, 1, 2, 3]
    elif name == "logprob":
        known = [-math.inf, -math.inf, -2.5, -1.0, -0.5, 0.0]
    elif name == "probability":
        return lambda: rng.choice([0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0, rng.random()])
    else:
        known = {
            "text": ["a", "b", "c", "", "ä"],
            "truth": [True, False],
            "integer": rng.choice([[1, 2, 3], INTEGERS, list(range(-9, 9))]),
            "number": rng.choice([PLAIN, NUMBERS, [*NUMBERS, *ODD]]),
        }[type_]
        if type_ == "number" and rng.random() < 0.4:
            return lambda: rng.gauss(0, 1)
    return lambda: rng.choice(known)


def draw_rule(
    rng: random.Random, facts: dict[str, list[Any]], place: int, draws: Sequence[Draw] | None
) -> dict[str, Any]:
    """Draw a rule, of any test where the draws to choose from are not given."""
    tested = [_bound, _quantile, _quantile, _equals, _flip, _flip, _flip, _hold]
    rule = rng.choice(draws or [*tested, _cap, _cap, _budget, _budget])(rng, facts)
    if rng.random() < 0.9:
        rule["name"] = f"rule{place}"
    if rng.random() < 0.5 and not ("budget" in rule and "order_by" not in rule):
        rule["missing"] = rng.choice(["keep", "keep", "drop", "hold"])
    if rng.random() < 0.3:
        column = rng.choice(list(FIELDS))
        rule["unless"] = {"column": column, **_condition(rng, facts, column)}
    if rng.random() < 0.3:
        rule["verdicts"] = rng.random() < 0.7
    return rule


def _some(rng: random.Random, facts: dict[str, list[Any]], column: str) -> Any:
    """Return a value of a column, or one near it, as a recipe can have it."""
    values = facts[column] + facts[FIELDS[column].partner or column]
    if FIELDS[column].type == "text":
        return rng.choice([*(value for value in values if value is not None), "a"])
    if FIELDS[column].type == "truth":
        return rng.random() < 0.5
    found = rng.choice([*(v for v in values if v is not None and math.isfinite(v)), 0, 1])
    flip = FIELDS[column].flip
    turned = -found if flip == "negate" else 1 - found if flip == "complement" else found
    return rng.choice([found, turned])


def _ends(rng: random.Random, facts: dict[str, list[Any]], column: str) -> tuple[float, float]:
    """Return two values of a column, between which most of the others are."""
    found = sorted(float(_some(rng, facts, column)) for _ in range(6))
    return found[rng.randint(0, 1)], found[-rng.randint(1, 2)]


def _bounds(rng: random.Random, facts: dict[str, list[Any]], column: str) -> dict[str, Any]:
    low, high = _ends(rng, facts, column)
    return rng.choice([{"minimum": low}, {"maximum": high}, {"minimum": low, "maximum": high}])


def _condition(rng: random.Random, facts: dict[str, list[Any]], column: str) -> dict[str, Any]:
    """Return a condition that holds for few values."""
    if FIELDS[column].type == "text" or rng.random() < 0.3:
        return {"equals": _some(rng, facts, column)}
    low, high = _ends(rng, facts, column)
    middle = float(_some(rng, facts, column))
    between = {"minimum": min(middle, high), "maximum": max(middle, high)}
    return rng.choice([{"maximum": low}, {"minimum": high}, between])


def _numeric(rng: random.Random) -> str:
    return rng.choice(rng.choice([NUMERIC, NUMERIC, LABELS, REPRESENTATIVES, ["logprob"]]))


def _group(rng: random.Random) -> str:
    return rng.choice(rng.choice([GROUPS, GROUPS, TURNED]))


def _guarded(
    rng: random.Random, facts: dict[str, list[Any]], rule: dict[str, Any]
) -> dict[str, Any]:
    if rng.random() < 0.8:
        sizes = [max(2, facts["source"].count(name)) for name in ("a", "b")]
        rule["placeholder_pairs"] = rng.choice([None, 8, *sizes, *sizes])
    return rule


def _bound(rng: random.Random, facts: dict[str, list[Any]]) -> dict[str, Any]:
    column = _numeric(rng)
    return _guarded(rng, facts, {"column": column, **_bounds(rng, facts, column)})


def _quantile(rng: random.Random, facts: dict[str, list[Any]]) -> dict[str, Any]:
    low = rng.choice([0.05, 0.1, 0.25, rng.uniform(0.01, 0.5)])
    high = rng.choice([0.5, 0.75, 0.9, rng.uniform(0.5, 0.99)])
    ends = [{"minimum_quantile": low}, {"maximum_quantile": high}]
    ends.append({"minimum_quantile": low, "maximum_quantile": high})
    rule = {"column": _numeric(rng), **rng.choice(ends)}
    if rng.random() < 0.5:
        rule["per"] = _group(rng)
    return _guarded(rng, facts, rule)


def _label(rng: random.Random, facts: dict[str, list[Any]]) -> dict[str, Any]:
    column = rng.choice(LABELS)
    rule = _bounds(rng, facts, column) if rng.random() < 0.5 else {"minimum_quantile": 0.1}
    return _guarded(rng, facts, {"column": column, **rule})


def _equals(rng: random.Random, facts: dict[str, list[Any]]) -> dict[str, Any]:
    column = rng.choice([*FIELDS, "is_best"])
    return {"column": column, rng.choice(["equals", *["differs"] * 4]): _some(rng, facts, column)}


def _flip(rng: random.Random, facts: dict[str, list[Any]]) -> dict[str, Any]:
    column = rng.choice([*FIELDS, "margin", "gap", "probability"])
    return {"column": column, "flip_when": _condition(rng, facts, column)}


def _hold(rng: random.Random, facts: dict[str, list[Any]]) -> dict[str, Any]:
    column = rng.choice(list(FIELDS))
    return {"column": column, "hold_when": _condition(rng, facts, column)}


def _ordered(rng: random.Random, rule: dict[str, Any]) -> dict[str, Any]:
    if rng.random() < 0.7:
        rule["order_by"] = rng.choice(["", "-"]) + rng.choice(NUMERIC)
    return rule


def _cap(rng: random.Random, facts: dict[str, list[Any]]) -> dict[str, Any]:
    return _ordered(rng, {"cap": rng.choice([1, 2, 5, 9]), "per": _group(rng)})


def _budget(rng: random.Random, facts: dict[str, list[Any]]) -> dict[str, Any]:
    count = len(facts["pair_id"])
    rule: dict[str, Any] = {"budget": rng.randint(1 + count // 5, 1 + count // 2)}
    if rng.random() < 0.5:
        rule["balance"] = rng.sample(rng.choice([GROUPS, TURNED]), rng.choice([1, 2, 3]))
    return _ordered(rng, rule)


def applied(case: Case) -> Any:
    """Return what the package decides: verdicts, and the counts of each rule."""
    rules = tuple(make_rule(**rule) for rule in case.rules)
    if case.structure is not None:
        structure = Structure.model_validate(case.structure)
        rules = (*structure.rules(verdicts=case.has_verdicts), *rules)
    types = {"text": pl.String, "integer": pl.Int64, "number": pl.Float64, "truth": pl.Boolean}
    schema = {
        name: types[FIELDS[name].type] if name in FIELDS else pl.String for name in case.facts
    }
    facts = pl.DataFrame(case.facts, schema=schema)
    try:
        decided, log = apply_rules(facts, rules, COLUMNS, case.seed)
    except DataError:
        return REFUSED
    columns = ("verdict", "rule", "column", "value", "threshold", "value_text", "threshold_text")
    rows = decided.select(*columns, "flipped_by", "flips", "order").rows()
    verdicts = [(*map(exact, row[:-2]), list(row[-2] or []), exact(row[-1])) for row in rows]
    return log, dict(zip(decided["pair_id"], verdicts, strict=True))


def expected(case: Case) -> Any:
    """Return the expected decisions."""
    rules: list[Rule] = list(case.rules)
    if case.structure is not None:
        rules = [*structure_rules(case.structure, verdicts=case.has_verdicts), *rules]
    try:
        decided = decide(case.facts, rules, FIELDS, case.seed)
    except PlaceholderError:
        return REFUSED
    verdicts = {
        pair_id: (
            state.verdict,
            *map(exact, state.record),
            state.flips[-1] if state.flipped else None,
            state.flips,
            exact(order),
        )
        for pair_id, state, order in zip(
            case.facts["pair_id"], decided.states, decided.order, strict=True
        )
    }
    return decided.log, verdicts


def exact(value: Any) -> Any:
    """Return a float as its bits, so that nothing but the same number is equal to it; -0 is 0."""
    return (value + 0.0).hex() if isinstance(value, float) else value


def same_names(rules: Sequence[Rule]) -> bool:
    """Return whether two rules have the same name, which a recipe refuses."""
    return len({name_of(rule) for rule in rules}) < len(rules)


def require_equal(seed: int) -> None:
    case = draw_case(seed)
    if same_names(case.rules):
        case = case._replace(rules=case.rules[:1])
    found, wanted = applied(case), expected(case)
    told = f"seed {seed}: {case.structure}, verdicts {case.has_verdicts}, rules {case.rules}"
    assert found[0] == wanted[0], told
    assert found[1] == wanted[1], told


@pytest.mark.parametrize("seed", range(FIRST, FIRST + 60))
def test_rules_do_what_the_page_says(seed: int) -> None:
    require_equal(seed)


@pytest.mark.slow
@pytest.mark.parametrize("start", range(FIRST + 60, FIRST + 660, 50))
def test_rules_do_what_the_page_says_in_many_recipes(start: int) -> None:
    for seed in range(start, start + 50):
        require_equal(seed)
