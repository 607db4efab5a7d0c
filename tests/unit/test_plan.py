"""The plan: what is shared between recipes, what is hashed, what inputs are refused."""

from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from prefine.errors import DataError, RecipeError
from prefine.planning import make_plan
from prefine.planning.servers import servers_for
from prefine.recipe import Resolved, parse_recipe
from prefine.settings import Runtime
from tests.made import explicit

RECIPE = """
name: made
sources: [{name: made, files: [rows.jsonl]}]
measures: [{kind: lengths}]
rules: [{name: short, column: chosen_chars, minimum: 3}]
"""
ROWS = [explicit(f"Question {n}?", f"Yes {n}", f"No {n}") for n in range(6)]


@pytest.fixture
def runtime(write_lines: Any, tmp_path: Path) -> Runtime:
    write_lines(ROWS)
    return Runtime(root=str(tmp_path / "root"), data=str(tmp_path))


def fingerprints(recipe: str, runtime: Runtime) -> dict[str, str]:
    return {s.name: s.fingerprint for s in make_plan(parse_recipe(recipe), runtime).steps}


def test_a_threshold_moves_only_the_steps_after_the_measures(runtime: Runtime) -> None:
    before = fingerprints(RECIPE, runtime)
    after = fingerprints(RECIPE.replace("minimum: 3", "minimum: 4"), runtime)

    assert {name for name in before if before[name] != after[name]} == {"decide", "export"}


@pytest.mark.parametrize(
    ("measure", "embedded"),
    [
        ("{kind: cosine}", {"response_vectors"}),
        ("{kind: prompt_topics}", {"prompt_vectors"}),
        ("{kind: prompt_neighbours}", {"prompt_vectors"}),
        ("{kind: near_duplicates, by: [semantic], of: [responses]}", {"response_vectors"}),
        ("{kind: near_duplicates}", set()),
        ("{kind: label_consistency}", {"prompt_vectors", "response_vectors"}),
    ],
)
def test_only_what_a_measure_reads_is_embedded(
    runtime: Runtime, measure: str, embedded: set[str]
) -> None:
    steps = fingerprints(RECIPE.replace("{kind: lengths}", "{kind: lengths}, " + measure), runtime)

    assert {name for name in steps if name.endswith("_vectors")} == embedded


def test_a_source_is_its_bytes_and_not_its_path(runtime: Runtime, tmp_path: Path) -> None:
    here = fingerprints(RECIPE, runtime)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "rows.jsonl").rename(tmp_path / "elsewhere" / "renamed.jsonl")
    there = fingerprints(RECIPE.replace("rows.jsonl", "elsewhere/*.jsonl"), runtime)

    assert here == there


def test_one_changed_byte_changes_everything_after_it(runtime: Runtime, tmp_path: Path) -> None:
    before = fingerprints(RECIPE, runtime)
    path = tmp_path / "rows.jsonl"
    path.write_text(path.read_text().replace("Question 5", "Question 9"))
    after = fingerprints(RECIPE, runtime)

    assert all(before[name] != after[name] for name in before)


def test_a_resolved_recipe_is_not_read_again(runtime: Runtime, tmp_path: Path) -> None:
    plan = make_plan(parse_recipe(RECIPE), runtime)
    (tmp_path / "rows.jsonl").unlink()

    again = make_plan(Resolved.model_validate_json(plan.resolved.model_dump_json()), runtime)

    assert [step.fingerprint for step in again.steps] == [step.fingerprint for step in plan.steps]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (("rows.jsonl", "none.jsonl"), RecipeError, r"source made: there is no file .*none\.jsonl"),
        (("rows.jsonl", "'*.csv'"), RecipeError, r"source made: no file matches .*\*\.csv"),
        (
            ("[rows.jsonl]", f"[rows.jsonl], sha256: ['{'0' * 64}']"),
            RecipeError,
            "do not match `sha256`",
        ),
        (("[rows.jsonl]", "[rows.jsonl, './rows.jsonl']"), DataError, "hold the same bytes"),
        (
            ("[rows.jsonl]", "[rows.jsonl], path_fields: 'x(?P<group>y)'"),
            RecipeError,
            "path_fields",
        ),
        (
            ("{kind: lengths}", "{kind: lengths, tokenizer: {model: ./nothing}}"),
            RecipeError,
            "no model `./nothing`",
        ),
    ],
)
def test_an_input_that_is_not_there_is_told_before_anything_runs(
    runtime: Runtime, change: tuple[str, str], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        make_plan(parse_recipe(RECIPE.replace(*change)), runtime)

    assert not Path(runtime.root).exists()


def test_the_right_hash_is_accepted(runtime: Runtime, tmp_path: Path) -> None:
    digest = sha256((tmp_path / "rows.jsonl").read_bytes()).hexdigest()
    recipe = RECIPE.replace("[rows.jsonl]", f"[rows.jsonl], sha256: ['{digest}']")

    assert make_plan(parse_recipe(recipe), runtime).steps


def test_a_layout_is_recognised_before_anything_runs(runtime: Runtime, tmp_path: Path) -> None:
    (file,) = make_plan(parse_recipe(RECIPE), runtime).resolved.files["source made"]

    assert file.format == "trl_explicit"
    assert file.reason == "`prompt` is a list of messages, with `chosen` and `rejected`"


def test_servers_are_started_for_what_asks_them() -> None:
    text = (
        "name: made\nsources: [{name: made, files: [rows.jsonl]}]\n"
        "encoder: {static: false, served_model: minilm, max_tokens: 64}\n"
        "measures:\n"
        "  - {kind: cosine}\n"
        "  - {kind: reward/vllm, name: rm, served_model: a, max_tokens: 9, weights: {model: x/a}}\n"
        "  - {kind: ches/vllm, served_model: b, dtype: float32, weights: {model: x/b}}\n"
        "  - {kind: judge/vllm, served_model: c, weights: {model: x/c}}\n"
    )

    resolved = Resolved(recipe=parse_recipe(text), shards=1, files={}, models={})

    found = servers_for(resolved, ("judge", "rm", "ches", "encoder", "rm"))

    assert [(one.name, one.served_model, one.task, one.dtype, one.max_tokens) for one in found] == [
        ("judge", "c", "judge", "bfloat16", 16_384),
        ("rm", "a", "reward", "bfloat16", 9),
        ("ches", "b", "hidden", "float32", 16_384),
        ("encoder", "minilm", "embed", "float32", 64),
    ]
    with pytest.raises(RecipeError, match="uses the server `x`; the names in use are: rm"):
        servers_for(resolved, ("x",))
