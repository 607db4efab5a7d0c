"""The plan pulls steps by the tables that they read; a step that nobody reads is left out."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from prefine.errors import RecipeError
from prefine.ingest.layouts import layout_named
from prefine.planning import decision_plan, make_plan
from prefine.planning.steps import pull
from prefine.recipe import parse_recipe
from prefine.settings import Runtime
from prefine.step import Counts, StepSpec
from tests.made import explicit

SCHEMA = pa.schema([pa.field("id", pa.large_string())])


def spec(name: str, *reads: str, writes: tuple[str, ...] = (), provides: str = "") -> StepSpec:
    return StepSpec(
        name=name,
        version=1,
        run=lambda _: Counts(0, 0),
        reads=reads,
        writes=dict.fromkeys(writes or (name,), SCHEMA),
        config={},
        provides=(provides,) if provides else (),
    )


def order(*specs: StepSpec, wanted: str = "end") -> list[tuple[str, list[str]]]:
    return [(one.name, [maker.name for maker in makers]) for one, makers in pull(specs, wanted)]


def test_only_what_is_read_is_made_and_each_step_after_those_it_reads() -> None:
    found = order(
        spec("end", "b", "a"), spec("unread", "a"), spec("b", "a"), spec("a"), spec("alone")
    )

    assert found == [("a", []), ("b", ["a"]), ("end", ["b", "a"])]


def test_every_maker_of_a_table_is_needed_and_each_stands_once() -> None:
    left, right = (spec(name, writes=(f"{name}_own", "shared")) for name in ("left", "right"))

    found = order(left, right, spec("end", "shared", "left_own"))

    assert found == [("left", []), ("right", []), ("end", ["left", "right"])]


def test_a_step_may_want_what_is_no_table() -> None:
    found = order(spec("model", writes=("log",), provides="files"), spec("end", "files"))

    assert found == [("model", []), ("end", ["model"])]


def test_a_table_that_nobody_makes_names_who_wants_it() -> None:
    with pytest.raises(RecipeError, match=r"step end reads the table `gone`, which no step writes"):
        order(spec("a"), spec("end", "a", "gone"))


def test_several_tables_may_be_wanted_and_one_that_nobody_makes_is_refused() -> None:
    specs = spec("a"), spec("left", "a"), spec("right", "a"), spec("end", "left", "right")

    assert [one.name for one, _ in pull(specs, "right", "left")] == ["a", "right", "left"]
    with pytest.raises(
        RecipeError, match=r"no step writes the table `gone`; the tables are: a, left, right"
    ):
        pull(specs, "gone")


def test_a_circle_names_all_who_stand_in_it() -> None:
    specs = spec("a", "c"), spec("b", "a"), spec("c", "b"), spec("end", "b")

    with pytest.raises(RecipeError, match="b reads from a reads from c reads from b"):
        order(*specs)


def test_two_steps_of_one_name_must_be_the_same_step() -> None:
    one, other, end = spec("a"), replace(spec("a"), config={"size": 2}), spec("end", "a")

    assert order(one, spec("a"), end) == [("a", []), ("end", ["a"])]
    with pytest.raises(RecipeError, match="two different steps have the name `a`"):
        order(one, other, end)


RECIPE = """
name: made
sources: [{name: made, files: [rows.jsonl]}]
encoder: {dimensions: 64, max_chars: 20000}
measures: [MEASURES]
"""
POLICY = "weights: {model: a/b, revision: r}"


@pytest.fixture
def runtime(write_lines: Any, tmp_path: Path) -> Runtime:
    write_lines([explicit(f"Question {n}?", "Yes", "No") for n in range(3)])
    return Runtime(root=str(tmp_path / "root"), data=str(tmp_path))


def steps(runtime: Runtime, measures: str, *change: str) -> dict[str, Any]:
    text = RECIPE.replace("MEASURES", measures)
    text = text.replace(*change) if change else text
    return {step.name: step for step in make_plan(parse_recipe(text), runtime).steps}


def test_deciding_needs_no_export_and_is_the_same_run(runtime: Runtime) -> None:
    recipe = parse_recipe(RECIPE.replace("MEASURES", "{kind: lengths}"))
    whole, deciding = make_plan(recipe, runtime), decision_plan(recipe, runtime)
    facts = make_plan(recipe, runtime, ["facts"])

    assert [step.name for step in facts.steps][-1] == "facts"
    assert {step.name for step in whole.steps} - {step.name for step in deciding.steps} == {
        "export"
    }
    assert deciding.writers("decisions")
    assert deciding.dataset.fingerprint == whole.steps[-1].fingerprint
    assert facts.dataset.fingerprint == whole.steps[-1].fingerprint
    for step in deciding.steps:
        assert step.fingerprint == whole.step(step.name).fingerprint


def test_text_that_is_cut_elsewhere_needs_no_other_distillation(runtime: Runtime) -> None:
    before = steps(runtime, "{kind: cosine}")
    after = steps(runtime, "{kind: cosine}", "max_chars: 20000", "max_chars: 10000")
    other = steps(runtime, "{kind: cosine}", "dimensions: 64", "dimensions: 32")

    assert before["encoder"].fingerprint == after["encoder"].fingerprint
    assert before["response_vectors"].fingerprint != after["response_vectors"].fingerprint
    assert before["encoder"].fingerprint != other["encoder"].fingerprint


def test_likelihoods_of_one_policy_are_read_in_the_pass_of_the_first_ches(runtime: Runtime) -> None:
    ches = [f"{{kind: ches/transformers, name: {name}, {POLICY}}}" for name in ("one", "two")]
    policies = [
        f"{{kind: policy/transformers, name: {name}, {POLICY}}}" for name in ("policy", "again")
    ]
    apart = f"{{kind: policy/transformers, name: apart, max_tokens: 99, {POLICY}}}"

    found = steps(runtime, ", ".join([*policies, *ches, apart]))

    assert set(found["measure_one"].writes) == {"measure_one", "policy_policy", "policy_again"}
    assert set(found["measure_two"].writes) == {"measure_two"}
    assert [s.name for s in found["measure_again"].upstream] == ["pairs", "measure_one"]
    assert [s.name for s in found["measure_apart"].upstream] == ["pairs", "policy_apart"]


def test_a_pin_of_a_policy_does_not_part_what_shares_a_pass() -> None:
    given = f"{{kind: KIND, {POLICY}}}"
    text = RECIPE.replace("MEASURES", given.replace("KIND", "policy/transformers"))
    (plain,) = parse_recipe(text).measures
    (pinned,) = parse_recipe(text.replace("revision: r", "revision: r, sha256: abc")).measures

    assert plain.likelihoods() == pinned.likelihoods()


def test_a_layout_that_does_not_exist_is_no_layout() -> None:
    with pytest.raises(RecipeError, match=r"no layout `what`; the layouts are: trl_explicit, "):
        layout_named("what")
