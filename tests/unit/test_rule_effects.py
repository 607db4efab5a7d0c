"""Rules after flips and drops: groups, representatives, missing values, history, remarks."""

from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prefine.decide import add_explanations, apply_rules
from prefine.decide.engine import decide
from prefine.errors import DataError, RecipeError
from prefine.recipe import parse_recipe
from prefine.schema import Column, Flip
from prefine.store import Draft, ParquetDraft, Store
from tests.rules import make_rules

TEXT = pa.large_string()
COLUMNS = {
    "source": Column("source", TEXT, ""),
    "topic": Column("topic", TEXT, ""),
    "chosen_model": Column("chosen_model", TEXT, "", Flip.SWAP, "rejected_model"),
    "rejected_model": Column("rejected_model", TEXT, "", Flip.SWAP, "chosen_model"),
    "margin": Column("margin", pa.float64(), "", Flip.NEGATE),
    "rating_gap": Column("rating_gap", pa.float64(), "", Flip.NEGATE),
    "serial": Column("serial", pa.int64(), ""),
    "is_best": Column("is_best", pa.bool_(), "", cluster="cluster", rank="rank"),
    "cluster": Column("cluster", TEXT, ""),
    "rank": Column("rank", pa.int64(), ""),
    "human_verdict": Column("human_verdict", TEXT, ""),
}
TURN = {"name": "turn", "column": "margin", "flip_when": {"maximum": -1}}


def facts(**columns: list[Any]) -> pl.DataFrame:
    count = len(next(iter(columns.values())))
    base = {
        "pair_id": [f"p{n}" for n in range(count)],
        "prompt_id": [f"q{n}" for n in range(count)],
        "chosen_id": [f"c{n}" for n in range(count)],
        "rejected_id": [f"r{n}" for n in range(count)],
        "source": ["one"] * count,
        "margin": [1.0] * count,
        "order": [n / count for n in range(count)],
    }
    return pl.DataFrame({**base, **columns}, strict=False, infer_schema_length=None)


def decided(frame: pl.DataFrame, *rules: dict[str, Any]) -> pl.DataFrame:
    return apply_rules(frame, make_rules(*rules), COLUMNS, 0)[0]


def verdicts(frame: pl.DataFrame, *rules: dict[str, Any]) -> list[str]:
    return decided(frame, *rules)["verdict"].to_list()


def remarks(frame: pl.DataFrame, *rules: dict[str, Any]) -> list[str]:
    return decide(frame.to_arrow(), make_rules(*rules), COLUMNS, None).remarks


@pytest.mark.parametrize(
    ("rule", "columns", "expected"),
    [
        (
            {"cap": 1, "per": "chosen_id"},
            {"chosen_id": ["x", "x"], "rejected_id": ["y", "y"]},
            ["flip", "drop"],
        ),
        (
            {"cap": 1, "per": "chosen_id"},
            {"chosen_id": ["x", "y"], "rejected_id": ["y", "x"]},
            ["flip", "flip"],
        ),
        (
            {"budget": 2, "balance": ["chosen_model"]},
            {"chosen_model": ["a", "b", "c"], "rejected_model": ["d", "d", "e"]},
            ["flip", "drop", "flip"],
        ),
        (
            {"column": "margin", "minimum": 9, "unless": {"column": "chosen_model", "equals": "d"}},
            {"chosen_model": ["a", "d"], "rejected_model": ["d", "a"]},
            ["flip", "drop"],
        ),
        (
            {"column": "chosen_model", "equals": "d"},
            {"chosen_model": ["a", "d"], "rejected_model": ["d", "a"]},
            ["flip", "drop"],
        ),
        (
            {"column": "margin", "maximum_quantile": 0.5, "per": "rejected_model"},
            {"margin": [-2.0, -3.0], "chosen_model": ["a", "a"], "rejected_model": ["b", "c"]},
            ["flip", "drop"],
        ),
    ],
)
def test_every_column_is_read_in_the_current_direction(
    rule: dict[str, Any], columns: dict[str, list[Any]], expected: list[str]
) -> None:
    count = len(next(iter(columns.values())))
    frame = facts(**{"margin": [-2.0] * count, **columns})

    assert verdicts(frame, TURN, rule) == expected


def test_large_integers_and_signed_zeros_group_as_what_they_are() -> None:
    serials = facts(serial=[2**53, 2**53 + 1, 2**53 + 1])
    zeros = facts(margin=[0.0, -0.0, 5.0])

    assert verdicts(serials, {"cap": 1, "per": "serial"}) == ["keep", "keep", "drop"]
    assert verdicts(zeros, {"cap": 1, "per": "margin"}) == ["keep", "drop", "keep"]


def test_all_nulls_are_one_group() -> None:
    frame = facts(topic=[None, None, "a", "a", ""], margin=[1.0, 2.0, 3.0, 4.0, 5.0])

    assert verdicts(frame, {"cap": 1, "per": "topic"}) == ["keep", "drop", "keep", "drop", "keep"]
    capped = {"column": "margin", "minimum_quantile": 0.9, "per": "topic"}
    assert verdicts(frame, capped) == ["drop", "keep", "drop", "keep", "keep"]


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([1.0, 2.0, 3.0, 4.0], 0.5, 2.5),
        ([1.0, 2.0, 3.0, 4.0, 5.0], 0.25, 2.0),
        ([7.0], 0.9, 7.0),
        ([1.0, None, float("nan"), 3.0], 0.5, 2.0),
        ([float("-inf"), 0.0, 1.0], 0.25, float("-inf")),
        ([0.0, 1.0, float("inf")], 0.75, float("inf")),
        ([float("-inf"), float("inf")], 0.5, float("-inf")),
    ],
)
def test_a_quantile_lies_between_the_two_nearest_values(
    values: list[float | None], share: float, expected: float
) -> None:
    frame = facts(margin=[*values, -1e9], topic=[*["a"] * len(values), "b"])
    rule = {"column": "margin", "minimum_quantile": share, "per": "topic"}
    found = decided(facts(margin=values), {"column": "margin", "minimum_quantile": share})

    dropped = found.filter(pl.col("threshold").is_not_null())["threshold"].unique().to_list()
    assert dropped in ([], [expected])
    kept = [v for v in values if v is not None and v >= expected]
    assert found.filter(pl.col("verdict") == "keep")["margin"].to_list() == kept
    assert verdicts(frame, rule)[:-1] == found["verdict"].to_list()


def test_the_best_pair_that_is_still_in_represents_its_cluster() -> None:
    frame = facts(
        margin=[-9.0, 1.0, 1.0, 1.0, 1.0],
        cluster=["x", "x", "x", "y", None],
        rank=[1, 2, 2, None, 1],
        is_best=[True, False, False, True, True],
    )
    best = {"name": "best", "column": "is_best", "equals": True}

    assert verdicts(frame, best) == ["keep", "drop", "drop", "drop", "drop"]
    low = {"name": "low", "column": "margin", "minimum": 0}
    found = decided(frame, low, best)
    assert found["verdict"].to_list() == ["drop", "keep", "keep", "drop", "drop"]
    assert found["value"].to_list() == [-9.0, None, None, None, None]
    exempt = {"column": "source", "differs": "one", "unless": {"column": "is_best", "minimum": 1}}
    assert verdicts(frame, exempt) == ["keep", "drop", "drop", "drop", "drop"]
    assert verdicts(frame, low, exempt) == ["drop", "keep", "keep", "drop", "drop"]


@pytest.mark.parametrize("missing", ["drop", "hold", "keep"])
@pytest.mark.parametrize(
    "rule",
    [
        {"column": "margin", "minimum": -9},
        {"column": "margin", "maximum_quantile": 0.9},
        {"column": "margin", "equals": 5},
        {"column": "margin", "differs": 1},
        {"column": "margin", "hold_when": {"minimum": 99}},
        {"column": "margin", "flip_when": {"minimum": 99}},
        {"budget": 9, "order_by": "margin"},
        {"cap": 9, "per": "topic", "order_by": "margin"},
    ],
)
def test_every_test_does_with_a_missing_value_as_it_is_told(
    rule: dict[str, Any], missing: str
) -> None:
    frame = facts(margin=[None, 5.0, float("nan")], topic=["a"] * 3)

    assert verdicts(frame, {**rule, "missing": missing}) == [missing, "keep", missing]


def test_pairs_without_a_group_or_an_order_take_no_place_where_they_are_missing() -> None:
    frame = facts(margin=[None, 2.0, 1.0, 3.0], topic=["a", "a", "a", None])
    cap = {"name": "few", "cap": 1, "per": "topic", "order_by": "margin", "missing": "hold"}

    found = decided(frame, cap)

    assert found["verdict"].to_list() == ["hold", "drop", "keep", "hold"]
    assert found["value"].to_list() == [None, 2.0, None, None]
    assert found["threshold"].to_list() == [1.0, 1.0, None, 1.0]
    sentence = add_explanations(found, make_rules(cap))["explanation"][0]
    assert sentence == "held for a human by few: margin or topic is missing"


def test_a_null_comes_after_an_infinite_value() -> None:
    frame = facts(margin=[None, float("inf"), float("-inf")])

    assert verdicts(frame, {"budget": 2, "order_by": "margin"}) == ["drop", "keep", "keep"]
    assert verdicts(frame, {"budget": 2, "order_by": "-margin"}) == ["drop", "keep", "keep"]


def test_equal_places_of_the_seed_go_by_pair_id() -> None:
    frame = facts(pair_id=["p2", "p0", "p1"], order=[0.5, 0.5, 0.5])

    found = decided(frame, {"budget": 1})

    assert found.select("pair_id", "verdict").rows() == [
        *(("p0", "keep"), ("p1", "drop"), ("p2", "drop"))
    ]


def test_two_flips_are_counted_and_kept() -> None:
    rules = make_rules(
        TURN,
        {"name": "back", "column": "margin", "flip_when": {"minimum": 3}},
        {"name": "low", "column": "margin", "minimum": -4},
        {"name": "again", "column": "margin", "flip_when": {"equals": -3}},
    )
    frame = facts(margin=[-2.0, -3.0, -9.0, 5.0, 0.0])

    found, log = apply_rules(frame, rules, COLUMNS, 0)

    columns = ("verdict", "rule", "value", "threshold", "flipped_by")
    assert found.select(columns).rows() == [
        ("flip", "turn", -2.0, -1.0, "turn"),
        ("flip", "again", -3.0, -3.0, "again"),
        ("drop", "low", -9.0, -4.0, None),
        ("drop", "low", -5.0, -4.0, "back"),
        ("keep", None, None, None, None),
    ]
    assert found["flips"].to_list() == [
        *(["turn"], ["turn", "back", "again"], ["turn", "back"], ["back"], None)
    ]
    assert [(r["rule"], r["flipped"], r["turned_back"], r["dropped"]) for r in log] == [
        *(("turn", 3, 0, 0), ("back", 1, 2, 0), ("low", 0, 0, 2), ("again", 1, 0, 0))
    ]
    sentences = add_explanations(found, rules)["explanation"].to_list()
    assert sentences[1] == (
        "flipped by again: margin is -3, which the rule looks for (-3); "
        "flipped by turn, flipped back by back, flipped by again"
    )
    assert sentences[2] == (
        "dropped by low: margin is -9, below -4; flipped by turn, flipped back by back"
    )
    assert sentences[3] == "dropped by low: margin is -5, below -4; previously flipped by back"


def test_a_pair_that_is_turned_back_is_kept_and_says_so() -> None:
    rules = make_rules(TURN, {"name": "back", "column": "margin", "flip_when": {"minimum": 1}})

    found = add_explanations(apply_rules(facts(margin=[-2.0]), rules, COLUMNS, 0)[0], rules)

    columns = ("verdict", "rule", "flipped_by", "explanation")
    assert found.select(columns).row(0) == (
        *("keep", None, None),
        "kept: passed all 2 rules; flipped by turn, flipped back by back",
    )


def test_every_rule_counts_by_source() -> None:
    frame = facts(source=["b", "a", "b"], margin=[-2.0, 1.0, 9.0])

    _, log = apply_rules(frame, make_rules({"column": "margin", "maximum": 5}), COLUMNS, 0)

    nothing = {"in": 1, "dropped": 0, "held": 0, "flipped": 0, "turned_back": 0}
    by_source = {"a": nothing, "b": {**nothing, "in": 2, "dropped": 1}}
    assert log[0]["by_source"] == by_source
    assert list(log[0]["by_source"]) == ["a", "b"]


GAPS = {"name": "gap", "column": "rating_gap", "minimum": 2}
GAPS_BY_TOPIC = {
    "column": "rating_gap",
    "minimum_quantile": 0.5,
    "per": "topic",
    "placeholder_pairs": 6,
}


@pytest.mark.parametrize(
    "rules",
    [
        [{**GAPS, "placeholder_pairs": None}],
        [{**GAPS, "placeholder_pairs": 7}],
        [{**GAPS, "unless": {"column": "source", "equals": "flat"}}],
        [{"column": "source", "differs": "flat"}, GAPS | {"placeholder_pairs": 6}],
        [GAPS_BY_TOPIC],
    ],
)
def test_a_placeholder_is_looked_for_among_the_pairs_that_the_rule_sees(
    rules: list[dict[str, Any]],
) -> None:
    frame = facts(
        source=[*["flat"] * 6, *["real"] * 6],
        rating_gap=[*[1.0] * 6, *[1.0, 2.0, 3.0] * 2],
        topic=[*["a", "b", "c"] * 2, *["a"] * 6],
    )

    assert len(verdicts(frame, *rules)) == 12


def test_a_placeholder_is_refused_with_both_ways_out() -> None:
    frame = facts(
        source=[*["flat"] * 6, *["real"] * 6],
        rating_gap=[*[1.0] * 6, *[1.0, 2.0, 3.0] * 2],
        margin=[-2.0, *[1.0] * 11],
    )

    with pytest.raises(DataError) as caught:
        verdicts(frame, TURN, {**GAPS, "placeholder_pairs": 6})

    assert str(caught.value) == (
        "rule `gap`: `rating_gap` is 1 for all 6 tested pairs of source flat, so it looks like a "
        "placeholder; exempt the source with `unless: {column: source, equals: flat}`, or disable "
        "this check with `placeholder_pairs: null`"
    )


def test_a_run_says_where_a_rule_has_little_to_work_with() -> None:
    frame = facts(
        source=[*["a"] * 20, *["b"] * 20],
        margin=[*(float(n) for n in range(20)), *(float(n) for n in range(100, 120))],
        rating_gap=[*[1.5] * 20, *[None] * 20],
        topic=[*["t"] * 39, None],
    )
    rules = (
        {"name": "gap", "column": "rating_gap", "minimum": 1, "missing": "keep"},
        {"name": "low", "column": "margin", "minimum_quantile": 0.05},
        {"name": "few", "cap": 30, "per": "topic", "order_by": "rating_gap"},
        {"name": "fine", "column": "margin", "minimum_quantile": 0.05, "per": "source"},
    )

    assert remarks(frame, *rules) == [
        "rule `gap`: `rating_gap` is null for all 20 pairs of source b",
        "rule `low`: the scales of `margin` differ between sources (interquartile range 4.75 to "
        "14.25 in a and 104.8 to 114.2 in b), so one quantile over all sources is not meaningful; "
        "add `per: source`",
        "rule `few`: `rating_gap` is null for all 20 pairs of source b",
        "rule `few`: `topic` is null for 1 pair, which counts as one group",
    ]


@pytest.mark.parametrize(
    ("margins", "expected"),
    [
        ([float(n) for n in range(20)], 0),
        ([float(10 * n) for n in range(-9, 11)], 0),
        ([float(20 * n) for n in range(-9, 11)], 1),
        ([float(n + 9) for n in range(20)], 0),
        ([float(n + 10) for n in range(20)], 1),
        ([0.0] * 20, 1),
        ([9.0] * 20, 0),
        ([100.0] * 19, 0),
    ],
)
def test_scales_differ_where_middle_halves_part_or_one_is_far_wider(
    margins: list[float], expected: int
) -> None:
    own = [float(n) for n in range(20)]
    frame = facts(margin=[*own, *margins], source=[*["a"] * 20, *["b"] * len(margins)])

    found = remarks(frame, {"column": "margin", "minimum_quantile": 0.05})

    assert len(found) == expected


RECIPE = (
    "name: made\nsources: [{{name: web, files: [b]}}, {{name: lab, files: [c]}}]\nrules:\n  - {}"
)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("{column: agreement, minimum: 60}", "in [0, 1], so that `minimum: 60` never holds"),
        ("{column: agreement, maximum: 60}", "in [0, 1], so that `maximum: 60` always holds"),
        ("{column: agreement, minimum: -1}", "so that `minimum: -1` always holds"),
        ("{column: disagreement, hold_when: {maximum: -1}}", "`maximum: -1` never holds"),
        ("{column: num_votes, minimum: 0.5}", "whole number; found `minimum: 0.5`"),
        ("{column: num_empty, flip_when: {minimum: 3}}", "`minimum: 3` never holds"),
        ("{column: is_tie, equals: 2}", "`is_tie` is true or false; found `2`"),
        ("{column: is_tie, minimum: 2}", "`is_tie` is true (1) or false (0)"),
        ("{column: num_votes, equals: 1.5}", "`num_votes` holds whole numbers; found `1.5`"),
        ("{column: num_votes, differs: -1}", "`num_votes` is at least 0, and never -1"),
        ("{column: source, equals: wbe}", "no source `wbe`; the sources are: web, lab"),
        ("{column: source, differs: wbe}", "no source `wbe`"),
        ("{column: source, flip_when: {equals: wbe}}", "no source `wbe`"),
        ("{column: source, hold_when: {equals: wbe}}", "no source `wbe`"),
        ("{budget: 5, unless: {column: source, equals: wbe}}", "no source `wbe`"),
        ("{cap: 18446744073709551616, per: source}", "at most 1000000000000"),
        ("{budget: 18446744073709551616}", "at most 1000000000000"),
        ("{column: strength, minimum: .inf}", "finite number"),
        ("{budget: 5, missing: drop}", "`missing: drop` has no effect without `order_by`"),
    ],
)
def test_a_value_that_cannot_be_right_is_refused(rule: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        parse_recipe(RECIPE.format(rule))

    assert message in str(caught.value)


@pytest.mark.parametrize(
    "rule",
    [
        "{column: agreement, minimum: 0, missing: hold}",
        "{column: agreement, maximum: 1}",
        "{column: is_tie, equals: 0}",
        "{column: strength, minimum: 0.5}",
        "{column: num_votes, equals: 3.0}",
        "{column: source, equals: lab}",
        "{cap: 1000000000000, per: source, missing: drop}",
    ],
)
def test_a_value_that_can_be_right_is_taken(rule: str) -> None:
    assert len(parse_recipe(RECIPE.format(rule)).rules) == 1


def test_plain_columns_have_no_dictionary_and_read_as_the_others(tmp_path: Path) -> None:
    rows = pa.table(
        {"id": ["a", "b"], "kind": ["x", "x"], "flips": [["f"], None]},
        schema=pa.schema([("id", TEXT), ("kind", TEXT), ("flips", pa.large_list(TEXT))]),
    )
    store = Store(str(tmp_path))
    draft = Draft(store, "made.parquet")

    written = ParquetDraft(draft, rows.schema, plain=("id",))
    written.write(rows)
    written.close()
    draft.publish()

    assert store.read_table("made.parquet").equals(rows)
    found = pq.ParquetFile(tmp_path / "made.parquet").metadata.row_group(0)
    columns = [found.column(number) for number in range(3)]
    assert [one.compression for one in columns] == ["UNCOMPRESSED", "ZSTD", "ZSTD"]
    assert [one.has_dictionary_page for one in columns] == [False, True, True]
