"""The plan: what is shared between recipes, what is hashed, what inputs are refused."""

import gzip
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
import pytest

from prefine.errors import DataError, RecipeError
from prefine.plan import make_plan, run_plan, servers
from prefine.plan.look import last_plan, read_table
from prefine.plan.servers import servers_for
from prefine.recipe import Resolved, parse_recipe
from prefine.settings import Runtime
from prefine.step import Manifest
from prefine.store import Store
from tests.made import byte_tokenizer, explicit, run_recipe

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


def test_a_new_threshold_measures_nothing_again(runtime: Runtime) -> None:
    class Seen:
        def __init__(self) -> None:
            self.did: list[str] = []

        def start(self, step: Any, done: int) -> None: ...
        def advance(self, step: Any, manifest: Any) -> None:
            self.did.append(step.name)

        def expect(self, count: int) -> None: ...
        def done(self, count: int) -> None: ...

    first, second, third = Seen(), Seen(), Seen()
    run_plan(make_plan(parse_recipe(RECIPE), runtime), runtime, first)
    moved = RECIPE.replace("minimum: 3", "minimum: 4")
    run_plan(make_plan(parse_recipe(moved), runtime), runtime, second)
    run_plan(make_plan(parse_recipe(moved), runtime), runtime, third)

    assert first.did[:3] == ["ingest_made", "gather", "label_audit"]
    assert second.did == ["decide", "export"]
    assert third.did == []


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
            "other bytes than",
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
    assert file.reason == "`prompt` is a list of messages beside `chosen` and `rejected`"


def test_quarantined_rows_say_where_they_stood(runtime: Runtime, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(path.read_text() + '{"prompt": "cut\n' + '{"prompt": null}\n')
    plan, settings = run_recipe(RECIPE, tmp_path)

    found = read_table(plan, settings, "quarantine")

    assert found.select("file", "row", "reason").rows() == [
        ("rows.jsonl", 7, "not_json"),
        ("rows.jsonl", 8, "missing_value"),
    ]
    assert found["text"].to_list() == ['{"prompt": "cut', '{"prompt": null}']


def test_the_same_pairs_in_two_files_and_layouts_are_one(tmp_path: Path, write_lines: Any) -> None:
    write_lines(ROWS)
    lines = [
        {
            "chosen": f"\n\nHuman: Question {n}?\n\nAssistant: Yes {n}",
            "rejected": f"\n\nHuman: Question {n}?\n\nAssistant: No {n}",
        }
        for n in range(4)
    ]
    plain = write_lines(lines, "hh.jsonl").read_bytes()
    (tmp_path / "hh.jsonl.gz").write_bytes(gzip.compress(plain))
    recipe = RECIPE.replace(
        "[{name: made, files: [rows.jsonl]}]",
        "[{name: made, files: [rows.jsonl]}, {name: other, files: [hh.jsonl.gz]}]",
    )

    pairs = read_table(*run_recipe(recipe, tmp_path), "pairs")

    assert pairs.height == 6
    assert sorted(pairs["num_sources"]) == [1, 1, 2, 2, 2, 2]
    assert sorted(pairs["votes_for"]) == [1, 1, 2, 2, 2, 2]


def test_the_latest_run_below_a_root_is_found_by_name(runtime: Runtime, tmp_path: Path) -> None:
    run_recipe(RECIPE, tmp_path)
    run_recipe(RECIPE.replace("name: made\n", "name: second\n"), tmp_path)

    assert last_plan(runtime).recipe.name == "second"
    assert last_plan(runtime, "made").recipe.name == "made"
    with pytest.raises(RecipeError, match="no run of a recipe `third`"):
        last_plan(runtime, "third")


def test_a_run_of_another_version_is_one_sentence(runtime: Runtime, tmp_path: Path) -> None:
    plan, _ = run_recipe(RECIPE, tmp_path)
    (path,) = (Path(runtime.root) / "recipes").glob("*.yaml")
    path.write_text(path.read_text().replace("shards:", "shardss:"))

    with pytest.raises(RecipeError, match="was not written by this version of prefine"):
        last_plan(runtime, plan.recipe.name)


def test_several_processes_write_the_same_bytes(tmp_path: Path, write_lines: Any) -> None:
    for number in range(3):
        write_lines(ROWS[number * 2 : number * 2 + 2], f"rows{number}.jsonl")
    recipe = "shards: 3\n" + RECIPE.strip().replace("[rows.jsonl]", "['rows*.jsonl']")

    def parts(root: Path, workers: int) -> dict[str, bytes]:
        run_recipe(recipe, tmp_path, root=str(root), workers=workers)
        return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*.parquet")}

    assert parts(tmp_path / "one", 1) == parts(tmp_path / "two", 2)


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
    with pytest.raises(RecipeError, match="uses the server `x`; those that use one are: rm"):
        servers_for(resolved, ("x",))


def test_an_encoder_is_served_while_examples_are_to_be_embedded(
    runtime: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_lines: Any
) -> None:
    started: list[str] = []

    @contextmanager
    def serving(missing: Sequence[Any], _: Runtime) -> Generator[dict[str, tuple[str, ...]]]:
        started.extend(launch.name for launch in missing)
        yield {}

    byte_tokenizer().save_pretrained(tmp_path / "mini")
    write_lines([{"prompt": "Is it so?"}], "examples.jsonl")
    monkeypatch.setattr(servers, "serving", serving)
    measure = "{kind: lengths}, {kind: target_similarity, files: [examples.jsonl]}"
    weights = f"{{model: {tmp_path / 'mini'}}}"
    encoder = f"encoder: {{static: false, served_model: mini, weights: {weights}}}\n"
    plan = make_plan(parse_recipe(RECIPE.replace("{kind: lengths}", measure) + encoder), runtime)
    for expected in (["encoder"], ["encoder"], []):
        started.clear()
        with servers.served(plan, runtime.model_copy(update={"start": ("encoder",)})):
            assert started == expected
        # the prompts are embedded first, then the examples
        name = "prompt_vectors" if not (tmp_path / "one").exists() else "example_vectors_target"
        (tmp_path / "one").touch()
        step = next(step for step in plan.steps if step.name == name)
        for shard in step.shards:
            manifest = Manifest(step.name, step.fingerprint, shard, 0, 0, {}, [], {}, 0.0)
            content = orjson.dumps(asdict(manifest))
            Store(runtime.root).write_bytes(step.manifest_path(shard), content)
