"""Rules: order, directions, nulls, groups, caps; and the sentence that explains them."""

from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from prefine.decide import add_explanations, apply_rules
from prefine.schema import Column, Flip
from tests.rules import make_rule, make_rules

COLUMNS = {
    "margin": Column("margin", pa.float64(), "", Flip.NEGATE),
    "probability": Column("probability", pa.float64(), "", Flip.COMPLEMENT),
    "chosen_chars": Column("chosen_chars", pa.int64(), "", Flip.SWAP, "rejected_chars"),
    "rejected_chars": Column("rejected_chars", pa.int64(), "", Flip.SWAP, "chosen_chars"),
    "source": Column("source", pa.large_string(), ""),
    "is_tie": Column("is_tie", pa.bool_(), ""),
}


def facts(**columns: list[Any]) -> pl.DataFrame:
    count = len(next(iter(columns.values())))
    base = {
        "pair_id": [f"p{n}" for n in range(count)],
        "prompt_id": [f"q{n}" for n in range(count)],
        "source": ["one"] * count,
        "margin": [1.0] * count,
        "probability": [0.9] * count,
        "chosen_chars": [10] * count,
        "rejected_chars": [20] * count,
        "is_tie": [False] * count,
    }
    frame = pl.DataFrame({**base, **columns}, strict=False)
    return frame.cast({"margin": pl.Float64, "probability": pl.Float64})


def verdicts(frame: pl.DataFrame, *rules: dict[str, Any]) -> dict[str, tuple[str, str | None]]:
    decided, _ = apply_rules(frame, make_rules(*rules), COLUMNS, 0)
    rows = decided.select("pair_id", "verdict", "rule").rows()
    return {name: (verdict, rule) for name, verdict, rule in rows}


def kept(frame: pl.DataFrame, *rules: dict[str, Any]) -> list[str]:
    decided = verdicts(frame, *rules)
    return sorted(name for name, (verdict, _) in decided.items() if verdict in {"keep", "flip"})


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"column": "margin", "minimum": 1}, ["p1", "p2"]),
        ({"column": "margin", "maximum": 1}, ["p0", "p1"]),
        ({"column": "margin", "minimum": 0.5, "maximum": 1.5}, ["p1"]),
        ({"column": "source", "equals": "b"}, ["p1"]),
        ({"column": "source", "differs": "b"}, ["p0", "p2"]),
        ({"column": "is_tie", "equals": False}, ["p0", "p2"]),
        ({"column": "margin", "minimum_quantile": 0.5}, ["p1", "p2"]),
        ({"column": "margin", "maximum_quantile": 0.5}, ["p0", "p1"]),
    ],
)
def test_each_test_keeps_what_passes_it(rule: dict[str, Any], expected: list[str]) -> None:
    frame = facts(margin=[0.0, 1.0, 2.0], source=["a", "b", "c"], is_tie=[False, True, False])

    assert kept(frame, rule) == expected


@pytest.mark.parametrize("missing", [None, float("nan")])
@pytest.mark.parametrize(
    ("rule", "verdict"),
    [
        ({"column": "margin", "minimum": -9}, "drop"),
        ({"column": "margin", "maximum": 9}, "drop"),
        ({"column": "margin", "maximum_quantile": 0.99}, "drop"),
        ({"column": "margin", "minimum": -9, "missing": "hold"}, "hold"),
        ({"column": "margin", "equals": 1}, "drop"),
        ({"column": "margin", "differs": 1}, "drop"),
        ({"column": "margin", "hold_when": {"minimum": 99}}, "hold"),
        ({"column": "margin", "flip_when": {"maximum": 99}}, "keep"),
    ],
)
def test_a_missing_value_never_passes_and_never_flips(
    missing: float | None, rule: dict[str, Any], verdict: str
) -> None:
    frame = facts(margin=[missing, 5.0])

    assert verdicts(frame, rule)["p0"][0] == verdict


def test_the_first_rule_that_fails_decides() -> None:
    frame = facts(margin=[0.0, 5.0], chosen_chars=[1, 1])
    rules = (
        {"name": "low", "column": "margin", "minimum": 1},
        {"name": "short", "column": "chosen_chars", "minimum": 5},
    )

    assert verdicts(frame, *rules) == {"p0": ("drop", "low"), "p1": ("drop", "short")}


def test_a_flipped_pair_is_seen_in_its_new_direction_by_later_rules() -> None:
    frame = facts(
        margin=[-3.0, 3.0], probability=[0.1, 0.9], chosen_chars=[100, 100], rejected_chars=[5, 5]
    )
    flip = {"name": "turn", "column": "probability", "flip_when": {"maximum": 0.2}}

    assert verdicts(frame, flip) == {"p0": ("flip", "turn"), "p1": ("keep", None)}
    assert kept(frame, flip, {"column": "margin", "minimum": 1}) == ["p0", "p1"]
    assert kept(frame, flip, {"column": "probability", "minimum": 0.8}) == ["p0", "p1"]
    assert kept(frame, flip, {"name": "s", "column": "chosen_chars", "minimum": 50}) == ["p1"]


def test_two_flips_leave_a_pair_as_it_was() -> None:
    frame = facts(margin=[-3.0])
    turn = {"name": "turn", "column": "margin", "flip_when": {"maximum": -1}}
    back = {"name": "back", "column": "margin", "flip_when": {"minimum": 1}}

    assert verdicts(frame, turn, back) == {"p0": ("keep", None)}


def test_a_quantile_is_taken_from_the_pairs_that_are_still_in_and_in_each_group() -> None:
    frame = facts(
        margin=[0.0, 1.0, 2.0, 100.0, 101.0, 102.0, 999.0],
        source=["a", "a", "a", "b", "b", "b", "b"],
    )
    rules = (
        {"name": "wild", "column": "margin", "maximum": 900},
        {"name": "half", "column": "margin", "minimum_quantile": 0.5, "per": "source"},
    )

    assert kept(frame, *rules) == ["p1", "p2", "p4", "p5"]


def test_a_cap_keeps_the_best_of_each_group() -> None:
    frame = facts(margin=[1.0, 3.0, 2.0, 9.0], source=["a", "a", "a", "b"])
    rule = {"cap": 2, "per": "source", "order_by": "-margin"}

    assert kept(frame, rule) == ["p1", "p2", "p3"]
    assert kept(frame, {**rule, "order_by": "margin"}) == ["p0", "p2", "p3"]


def test_a_cap_counts_only_pairs_that_are_still_in() -> None:
    frame = facts(margin=[9.0, 8.0, 1.0, 0.5], source=["a"] * 4)
    rules = (
        {"name": "wild", "column": "margin", "maximum": 5},
        {"cap": 1, "per": "source", "order_by": "-margin"},
    )

    assert kept(frame, *rules) == ["p2"]


def test_a_budget_is_exact_and_the_same_for_any_order_of_rows() -> None:
    frame = facts(margin=[float(n) for n in range(100)])
    rule = {"budget": 17}

    assert len(kept(frame, rule)) == 17
    assert kept(frame, rule) == kept(frame.reverse(), rule)
    assert kept(frame, {**rule, "order_by": "-margin"}) == sorted(f"p{n}" for n in range(83, 100))


def test_a_pair_without_a_value_is_last_in_a_cap() -> None:
    frame = facts(margin=[None, 1.0], source=["a", "a"])

    assert kept(frame, {"cap": 1, "per": "source", "order_by": "-margin"}) == ["p1"]


def test_each_rule_says_how_many_pairs_it_saw_and_what_it_did() -> None:
    frame = facts(margin=[-5.0, 0.0, 1.0, 2.0])
    rules = (
        make_rule(name="turn", column="margin", flip_when={"maximum": -4}),
        make_rule(name="low", column="margin", minimum=1),
        make_rule(name="look", column="margin", hold_when={"minimum": 4}),
    )

    _, log = apply_rules(frame, rules, COLUMNS, 0)

    nothing = {"in": 0, "dropped": 0, "held": 0, "flipped": 0, "turned_back": 0}
    expected = {
        "turn": {**nothing, "in": 4, "flipped": 1},
        "low": {**nothing, "in": 4, "dropped": 1},
        "look": {**nothing, "in": 3, "held": 1},
    }
    assert log == [
        {"rule": name, **counts, "by_source": {"one": counts}} for name, counts in expected.items()
    ]


@pytest.mark.parametrize(
    ("rule", "columns", "sentence"),
    [
        (
            {"name": "low", "column": "margin", "minimum": 1},
            {"margin": [-0.123456]},
            "dropped by low: margin is -0.1235, below 1",
        ),
        (
            {"name": "low", "column": "margin", "minimum": 1},
            {"margin": [None]},
            "dropped by low: margin is missing, and a missing value does not pass a bound",
        ),
        (
            {"name": "tie", "column": "is_tie", "equals": False},
            {"is_tie": [True]},
            "dropped by tie: is_tie is true, the rule wants false",
        ),
        (
            {"name": "other", "column": "source", "equals": "two"},
            {"margin": [1.0]},
            "dropped by other: source is one, the rule wants two",
        ),
        (
            {"name": "turn", "column": "probability", "flip_when": {"maximum": 0.2}},
            {"probability": [0.05]},
            "flipped by turn: probability is 0.05, which is at most 0.2",
        ),
        (
            {"name": "look", "column": "margin", "hold_when": {"minimum": 1}},
            {"margin": [3.0]},
            "held for a human by look: margin is 3, which is at least 1",
        ),
        (
            {"name": "look", "column": "margin", "hold_when": {"minimum": 1.234567}},
            {"margin": [1.2345678]},
            "held for a human by look: margin is 1.2345678, which is at least 1.234567",
        ),
        (
            {"name": "look", "column": "margin", "hold_when": {"equals": 1.23456}},
            {"margin": [1.23456]},
            "held for a human by look: margin is 1.23456, which the rule looks for (1.23456)",
        ),
        (
            {"name": "turn", "column": "margin", "flip_when": {"minimum": -2, "maximum": 1e-7}},
            {"margin": [-1.00001]},
            "flipped by turn: margin is -1.0, which is at least -2 and at most 1e-07",
        ),
        (
            {"name": "three", "column": "margin", "equals": 3},
            {"margin": [2.0]},
            "dropped by three: margin is 2, the rule wants 3",
        ),
        (
            {"name": "named", "column": "source", "equals": "one"},
            {"source": [""]},
            "dropped by named: source is an empty text, the rule wants one",
        ),
        (
            {"name": "unnamed", "column": "source", "equals": ""},
            {"source": ["one"]},
            "dropped by unnamed: source is one, the rule wants an empty text",
        ),
        ({"column": "margin", "minimum": 1}, {"margin": [3.0]}, "kept: passed all 1 rules"),
    ],
)
def test_the_explanation_is_a_plain_sentence(
    rule: dict[str, Any], columns: dict[str, list[Any]], sentence: str
) -> None:
    rules = make_rules(rule)
    decided, _ = apply_rules(facts(**columns), rules, COLUMNS, 0)

    assert add_explanations(decided, rules)["explanation"].to_list() == [sentence]


def test_a_cap_is_explained_by_its_number() -> None:
    rules = (make_rule(name="few", cap=1, per="source", order_by="-margin"),)
    decided, _ = apply_rules(facts(margin=[1.0, 2.0]), rules, COLUMNS, 0)
    explanations = dict(
        add_explanations(decided, rules).select("pair_id", "explanation").iter_rows()
    )

    assert explanations["p0"] == "dropped by few: number 2 of its source, where 1 is kept"


def test_a_pair_that_fell_after_a_flip_says_so() -> None:
    rules = (
        make_rule(name="turn", column="margin", flip_when={"maximum": 0}),
        make_rule(name="too_long", column="chosen_chars", maximum=15),
    )
    frame = facts(margin=[-1.0, 1.0], chosen_chars=[10, 10], rejected_chars=[20, 20])

    decided, _ = apply_rules(frame, rules, COLUMNS, 0)
    decisions = add_explanations(decided, rules).sort("pair_id")

    assert decisions["verdict"].to_list() == ["drop", "keep"]
    assert decisions["flipped_by"].to_list() == ["turn", None]
    assert decisions["explanation"][0] == (
        "dropped by too_long: chosen_chars is 20, above 15; previously flipped by turn"
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.98002, "margin is 0.98002, above 0.98"), (1e20, "margin is 1e+20, above 0.98")],
)
def test_value_and_threshold_are_never_shown_as_equal(value: float, expected: str) -> None:
    rules = (make_rule(column="margin", maximum=0.98),)

    decided, _ = apply_rules(facts(margin=[value]), rules, COLUMNS, 0)

    assert add_explanations(decided, rules)["explanation"][0].endswith(expected)


def test_a_missing_value_that_must_differ_is_called_missing() -> None:
    rules = (make_rule(column="source", differs="b"),)

    decided, _ = apply_rules(facts(source=[None]), rules, COLUMNS, 0)

    assert add_explanations(decided, rules)["explanation"][0].endswith(
        "is missing, which passes no test"
    )


def test_exempt_pairs_pass_and_count_in_no_cap_and_no_quantile() -> None:
    frame = facts(
        margin=[1.0, 2.0, 3.0, 4.0],
        source=["minimal", "free", "free", "free"],
        prompt_id=["q", "q", "q", "q"],
    )
    unless = {"column": "source", "equals": "minimal"}

    capped = {"cap": 1, "per": "prompt_id", "order_by": "margin", "unless": unless}
    median = {"column": "margin", "minimum_quantile": 0.5, "unless": unless}

    assert kept(frame, {"column": "margin", "minimum": 3, "unless": unless}) == ["p0", "p2", "p3"]
    assert kept(frame, capped) == ["p0", "p1"]
    assert kept(frame, median) == ["p0", "p2", "p3"]
    assert kept(frame, {**median, "unless": None}) == ["p2", "p3"]


def test_a_missing_value_exempts_nothing() -> None:
    frame = facts(margin=[1.0, 2.0], source=[None, "free"])
    unless = {"column": "source", "equals": "free"}

    assert kept(frame, {"column": "margin", "minimum": 3, "unless": unless}) == ["p1"]
