"""Kinds of check: how a rule is read, what it refuses, what it reads; and the step that decides."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from pydantic import TypeAdapter, ValidationError

from prefine.decide import (
    CHECKS,
    DECIDE_VERSION,
    AnyRule,
    Rule,
    Structure,
    decide_spec,
    kinds_with,
    parse_rule,
)
from prefine.schema import DECISIONS, Column, Flip
from prefine.settings import Inputs, Part, Runtime
from prefine.step import Counts, Step, Work, run_step
from prefine.store import Store
from tests.rules import make_rule, make_rules

COLUMNS = {
    "margin": Column("margin", pa.float64(), "", Flip.NEGATE),
    "chosen_chars": Column("chosen_chars", pa.int64(), "", Flip.SWAP, "rejected_chars"),
    "rejected_chars": Column("rejected_chars", pa.int64(), "", Flip.SWAP, "chosen_chars"),
    "source": Column("source", pa.large_string(), ""),
    "is_tie": Column("is_tie", pa.bool_(), ""),
}
UNLESS = {"column": "source", "equals": "human"}

EXAMPLES: dict[str, dict[str, Any]] = {
    "bound": {"column": "margin", "minimum": -1.5, "maximum": 2, "unless": UNLESS},
    "quantile": {"column": "margin", "minimum_quantile": 0.1, "per": "source"},
    "equals": {"column": "is_tie", "equals": False, "missing": "hold"},
    "differs": {"column": "source", "differs": "web"},
    "flip": {"name": "turn", "column": "margin", "flip_when": {"maximum": 0}},
    "hold": {"column": "margin", "hold_when": {"equals": 3}},
    "cap": {"cap": 2, "per": "prompt_id", "order_by": "-margin", "diverse": {"by": "spread"}},
    "budget": {"budget": 9, "order_by": "margin", "balance": ["source"], "unless": UNLESS},
}


class Rules(Part):
    """A list of rules, as a recipe has it."""

    rules: tuple[AnyRule, ...]


def errors(*rules: Any) -> list[tuple[tuple[int | str, ...], str]]:
    with pytest.raises(ValidationError) as caught:
        Rules.model_validate({"rules": rules})
    return [(error["loc"], error["msg"]) for error in caught.value.errors()]


def problems(**settings: Any) -> list[tuple[tuple[int | str, ...], str]]:
    return list(make_rule(**settings).problems(COLUMNS))


def test_every_kind_is_read_from_a_flat_mapping_and_survives_json() -> None:
    read = Rules.model_validate({"rules": list(EXAMPLES.values())})

    assert [rule.test for rule in read.rules] == [check.test for check in CHECKS] == [*EXAMPLES]
    assert [type(rule) for rule in read.rules] == list(CHECKS)
    assert Rules.model_validate_json(read.model_dump_json()) == read
    assert Rules.model_validate(read.model_dump(mode="json")) == read
    assert Rules(rules=read.rules) == read


@pytest.mark.parametrize("kind", EXAMPLES)
def test_only_the_settings_of_its_own_kind_are_written(kind: str) -> None:
    settings = EXAMPLES[kind]

    written = make_rule(**settings).model_dump(mode="json", exclude_unset=True)

    assert written == settings
    assert make_rule(**settings).identity().keys() >= settings.keys()


def test_the_json_schema_knows_the_keys_of_every_kind() -> None:
    definitions = TypeAdapter(AnyRule).json_schema()["$defs"]

    for check in CHECKS:
        assert set(check.keys) <= definitions[check.__name__]["properties"].keys()


def test_no_two_kinds_share_a_name_or_a_key() -> None:
    keys = [key for check in CHECKS for key in check.keys]

    assert len(keys) == len(set(keys))
    assert len({check.test for check in CHECKS}) == len(CHECKS)


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"column": "margin"}, "none"),
        ({"per": "source"}, "none"),
        ({"column": "margin", "minimum": None}, "none"),
        ({"equals": 1, "column": "margin", "minimum": 0}, "bound, equals"),
        (
            {"budget": 1, "cap": 2, "hold_when": {}, "maximum_quantile": 2},
            "quantile, hold, cap, budget",
        ),
    ],
)
def test_a_rule_has_exactly_one_test(settings: dict[str, Any], names: str) -> None:
    message = f"Value error, a rule has exactly one test; found: {names}; "

    [(location, text)] = errors(EXAMPLES["cap"], settings)
    assert location == ("rules", 1)
    assert text.startswith(message)


@pytest.mark.parametrize(
    ("settings", "location", "message"),
    [
        ({"cap": 3}, (), "Value error, `cap` needs `per`: the column whose values share the cap"),
        (
            {"column": "margin", "minimum": 9, "maximum": 3},
            (),
            "Value error, the minimum 9 is above the maximum 3, so nothing passes",
        ),
        (
            {"column": "margin", "minimum_quantile": 0.9, "maximum_quantile": 0.3},
            (),
            "Value error, the minimum 0.9 is above the maximum 0.3, so nothing passes",
        ),
        (
            {"column": "margin", "flip_when": {"minimum": 9, "maximum": 3}},
            ("flip_when",),
            "Value error, the minimum 9 is above the maximum 3, so nothing passes",
        ),
        (
            {"column": "margin", "hold_when": {"minimum": 9, "equals": 3}},
            ("hold_when",),
            "Value error, found bounds and `equals`; "
            "expected `minimum` and/or `maximum`, or `equals`",
        ),
        ({"minimum": 1}, ("column",), "Field required"),
        ({"column": "margin", "minimun": 1}, ("minimun",), "Extra inputs are not permitted"),
        ({"column": "x", "minimum": 1, "per": "x"}, ("per",), "Extra inputs are not permitted"),
        (
            {"column": "x", "equals": 1, "diverse": {}},
            ("diverse",),
            "Extra inputs are not permitted",
        ),
        ({"cap": 1, "per": "x", "balance": ["x"]}, ("balance",), "Extra inputs are not permitted"),
        ({"budget": 0}, ("budget",), "Input should be greater than or equal to 1"),
        (
            {"budget": 5, "diverse": {"by": "cluster"}},
            ("diverse", "by"),
            "Input should be 'cover' or 'spread'",
        ),
        (5, (), "Input should be a valid dictionary or instance of Rule"),
    ],
)
def test_a_mistake_is_reported_at_its_place(
    settings: Any, location: tuple[str, ...], message: str
) -> None:
    assert errors(EXAMPLES["bound"], settings) == [(("rules", 1, *location), message)]


@pytest.mark.parametrize(
    ("key", "kinds"),
    [
        ("per", ("quantile", "cap")),
        ("order_by", ("cap", "budget")),
        ("diverse", ("cap", "budget")),
        ("balance", ("budget",)),
        ("column", ("bound", "quantile", "equals", "differs", "flip", "hold")),
        ("missing", tuple(EXAMPLES)),
        ("minimun", ()),
    ],
)
def test_a_key_belongs_to_the_kinds_that_have_it(key: str, kinds: tuple[str, ...]) -> None:
    assert kinds_with(key) == kinds


@pytest.mark.parametrize("settings", EXAMPLES.values(), ids=EXAMPLES.keys())
def test_a_rule_on_known_columns_has_no_problem(settings: dict[str, Any]) -> None:
    assert problems(**settings) == []


@pytest.mark.parametrize(
    ("settings", "location", "message"),
    [
        (
            {"column": "marginn", "minimum": 1},
            ("column",),
            "no column `marginn`; did you mean `margin`?",
        ),
        (
            {"column": "source", "minimum": 1},
            (),
            "`source` is text; use `equals`, or a numeric column",
        ),
        (
            {"column": "source", "maximum_quantile": 0.5},
            (),
            "`source` is text; use `equals`, or a numeric column",
        ),
        (
            {"column": "source", "flip_when": {"minimum": 1}},
            (),
            "`source` is text; use `equals`, or a numeric column",
        ),
        (
            {"column": "margin", "equals": "high"},
            (),
            "`margin` holds numbers; found the text `high`",
        ),
        (
            {"column": "source", "differs": 3},
            (),
            "`source` holds text; found `3`; if this is the text, put it in quotes",
        ),
        (
            {"column": "source", "hold_when": {"equals": True}},
            (),
            "`source` holds text; found `true`; if this is the text, put it in quotes",
        ),
        (
            {"column": "is_tie", "equals": "true"},
            (),
            "`is_tie` holds truth values (`true` or `false`, without quotes); "
            "found the text `true`",
        ),
        (
            {"budget": 1, "unless": {"column": "source", "minimum": 1}},
            ("unless",),
            "`source` is text; use `equals`, or a numeric column",
        ),
        (
            {"budget": 1, "order_by": "-source"},
            ("order_by",),
            "`source` is text; `order_by` needs a numeric column",
        ),
    ],
)
def test_a_test_that_does_not_fit_its_column_is_refused(
    settings: dict[str, Any], location: tuple[str, ...], message: str
) -> None:
    assert problems(**settings) == [(location, message)]


@pytest.mark.parametrize(
    ("settings", "location"),
    [
        ({"budget": 1, "unless": {"column": "sauce", "equals": "a"}}, ("unless", "column")),
        ({"cap": 1, "per": "sauce"}, ("per",)),
        ({"column": "margin", "minimum_quantile": 0.5, "per": "sauce"}, ("per",)),
        ({"budget": 1, "balance": ["prompt_id", "sauce"]}, ("balance", 1)),
        ({"budget": 1, "order_by": "-sauce"}, ("order_by",)),
    ],
)
def test_an_unknown_column_is_reported_with_the_nearest_name(
    settings: dict[str, Any], location: tuple[str | int, ...]
) -> None:
    [(place, message)] = problems(**settings)

    assert place == location
    assert message == "no column `sauce`; did you mean `source`?"


def test_a_diverse_rule_wants_the_neighbours_of_prompts() -> None:
    rule = make_rule(budget=5, diverse={})
    message = "`diverse` needs the measure `prompt_neighbours`; add it to `measures`"

    assert list(rule.table_problems(["pairs"])) == [(("diverse",), message)]
    assert not list(rule.table_problems(["pairs", "neighbour_lists"]))
    assert not list(make_rule(budget=5).table_problems([]))


def test_a_rule_says_what_it_reads() -> None:
    read = {kind: set(make_rule(**settings).columns_read()) for kind, settings in EXAMPLES.items()}

    assert read == {
        "bound": {"margin", "source"},
        "quantile": {"margin", "source"},
        "equals": {"is_tie"},
        "differs": {"source"},
        "flip": {"margin"},
        "hold": {"margin"},
        "cap": {"prompt_id", "margin"},
        "budget": {"margin", "source"},
    }
    tables = {kind: make_rule(**settings).tables() for kind, settings in EXAMPLES.items()}
    assert {kind for kind, names in tables.items() if names == ("neighbour_lists",)} == {"cap"}


def test_a_reason_is_the_name_or_made_of_column_and_test() -> None:
    reasons = [rule.reason for rule in make_rules(*EXAMPLES.values())]

    assert reasons == [
        *("margin_bound", "margin_quantile", "is_tie_equals", "source_differs", "turn"),
        *("margin_hold", "prompt_id_cap", "all_budget"),
    ]


def test_structure_drops_or_holds() -> None:
    assert Structure().rules() == make_rules(
        {"name": "identical", "column": "is_identical", "equals": False, "verdicts": True},
        {"name": "empty", "column": "num_empty", "maximum": 0},
        {"name": "unlabelled", "column": "num_votes", "minimum": 1},
        {"name": "tie", "column": "is_tie", "equals": False},
    )
    held = Structure(identical="hold", empty="hold", unlabelled="hold", tie="hold")
    identical = {"name": "identical", "column": "is_identical", "hold_when": {"equals": True}}
    assert held.rules() == make_rules(
        {**identical, "verdicts": True},
        {"name": "empty", "column": "num_empty", "hold_when": {"minimum": 1}},
        {"name": "unlabelled", "column": "num_votes", "hold_when": {"maximum": 0}},
        {"name": "tie", "column": "is_tie", "hold_when": {"equals": True}},
    )
    with_verdicts = [rule.reason for rule in Structure().rules(verdicts=True)]
    assert with_verdicts == ["identical", "verdict", "empty", "unlabelled", "tie"]


FACTS = pa.schema(
    {
        **{
            name: pa.large_string() for name in ("pair_id", "prompt_id", "chosen_id", "rejected_id")
        },
        "order": pa.float64(),
        **{name: column.type for name, column in COLUMNS.items()},
    }
)
LISTS = pa.schema(
    {
        "prompt_id": pa.large_string(),
        "places": pa.list_(pa.int32()),
        "similarities": pa.list_(pa.float32()),
        "is_blank": pa.bool_(),
    }
)


def written(name: str, table: str, schema: pa.Schema, rows: list[list[dict[str, Any]]]) -> Step:
    """Return a step that writes made rows, one list per part."""

    def run(work: Work) -> Counts:
        for part, of_part in enumerate(rows):
            work.emit(table, pa.Table.from_pylist(of_part, schema=schema), part=part)
        count = sum(map(len, rows))
        return Counts(count, count)

    writes = {table: schema}
    return Step(name, 1, {}, (), run, writes, num_parts=len(rows), scope="corpus")


def fact(number: int, **more: Any) -> dict[str, Any]:
    base = {
        "pair_id": f"p{number}",
        "prompt_id": f"q{number}",
        "chosen_id": "c",
        "rejected_id": "r",
    }
    lengths = {"chosen_chars": 9, "rejected_chars": 1}
    return {**base, "source": "web", "order": number / 8, **lengths, **more}


def decisions(folder: Path, rules: tuple[Rule, ...], seed: int = 0) -> pl.DataFrame:
    facts = [[fact(0, margin=-2.0), fact(1, margin=3.0)], [fact(2, margin=4.0)]]
    near: list[dict[str, Any]] = [
        {"prompt_id": "q0", "places": [], "similarities": [], "is_blank": False},
        {"prompt_id": "q1", "places": [2], "similarities": [1.0], "is_blank": False},
        {"prompt_id": "q2", "places": [1], "similarities": [1.0], "is_blank": False},
    ]
    makers: dict[str, Callable[[], Step]] = {
        "facts": lambda: written("facts", "facts", FACTS, facts),
        "neighbour_lists": lambda: written("lists", "neighbour_lists", LISTS, [near[:1], near[1:]]),
    }
    spec = decide_spec(rules, COLUMNS, seed)
    upstream = tuple(makers[table]() for table in spec.reads)
    step = spec.step(upstream, shards=2, seed=seed, inputs=Inputs())
    runtime = Runtime(root=str(folder))
    for needed in (*upstream, step):
        run_step(needed, None, runtime)
    return pl.concat(Store(str(folder)).read(step.part("decisions", part)) for part in range(2))


def test_the_step_decides_on_all_parts_and_writes_each_pair_where_it_was(tmp_path: Path) -> None:
    rules = make_rules(
        {"name": "turn", "column": "margin", "flip_when": {"maximum": -1}},
        {"name": "long", "column": "chosen_chars", "minimum": 5},
        {"cap": 1, "per": "source", "order_by": "-margin"},
    )

    rows = decisions(tmp_path, rules)

    assert rows.columns == DECISIONS.names
    assert rows.select("pair_id", "verdict", "rule", "value", "flipped_by").rows() == [
        ("p0", "drop", "long", 1.0, "turn"),
        ("p1", "drop", "source_cap", 2.0, None),
        ("p2", "keep", None, None, None),
    ]


def test_the_step_reads_the_neighbours_for_diverse_rules_alone(tmp_path: Path) -> None:
    plain = make_rules({"budget": 2, "order_by": "-margin"})
    diverse = make_rules({"budget": 2, "order_by": "-margin", "diverse": {"by": "spread"}})

    assert decide_spec(plain, COLUMNS, 0).reads == ("facts",)
    assert decide_spec(diverse, COLUMNS, 0).reads == ("facts", "neighbour_lists")
    kept = decisions(tmp_path, plain).filter(pl.col("verdict") == "keep")["pair_id"]
    assert kept.to_list() == ["p1", "p2"]
    kept = decisions(tmp_path, diverse).filter(pl.col("verdict") == "keep")["pair_id"]
    assert kept.to_list() == ["p0", "p2"]


def test_the_step_depends_on_rules_and_seed_and_nothing_else() -> None:
    rules = make_rules(EXAMPLES["bound"])
    spec = decide_spec(rules, COLUMNS, 7)

    assert (spec.name, spec.version, spec.scope) == ("decide", DECIDE_VERSION, "corpus")
    assert (spec.rows_of, spec.rows_to) == ("facts", "decisions")
    assert spec.config == {
        "rules": [
            {
                "name": None,
                "column": "margin",
                "minimum": -1.5,
                "maximum": 2.0,
                "unless": {"column": "source", "equals": "human", "minimum": None, "maximum": None},
                "missing": "drop",
                "verdicts": False,
                "placeholder_pairs": 50,
            }
        ],
        "seed": 7,
    }


def test_keys_of_other_kinds_may_be_there_without_a_value() -> None:
    given = {"column": "margin", "minimum": 1, "cap": None, "per": None, "balance": []}

    assert parse_rule(given) == parse_rule({"column": "margin", "minimum": 1})
