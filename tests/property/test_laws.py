"""Laws, tested on random examples."""

import json
import random
import tempfile
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from prefine.decide import Rule, apply_rules
from prefine.ingest import layouts
from prefine.ingest.batch import TABLES, Batch
from prefine.ingest.kept import Own
from prefine.ingest.layout import Context
from prefine.ingest.layouts import format_of, layout_named
from prefine.ingest.messages import common_prompt
from prefine.ingest.parse import parse_row
from prefine.ingest.record import RowError
from prefine.ingest.rows import RawRow, parse_object
from prefine.measure.ches.scores import ches
from prefine.pair.select import select
from prefine.pair.settings import Pairs
from prefine.planning import make_plan, publish_plan, run_plan
from prefine.planning.look import read_table, states
from prefine.recipe import Recipe, Resolved, parse_recipe
from prefine.schema import Column, Flip, Message, hash_unit, pair_id, prompt_id
from prefine.settings import File, Runtime
from tests.examples import examples
from tests.made import explicit
from tests.published import PUBLISHED
from tests.rules import make_rule
from tests.unit.test_formats import ROWS

quick = examples(60)
slow = examples(8, suppress_health_check=[HealthCheck.function_scoped_fixture])

texts = st.text(st.characters(codec="utf-8"), max_size=30)
turns = st.lists(
    st.builds(
        lambda role, content: Message(role=role, content=content),
        st.sampled_from(["user", "assistant", "system"]),
        texts,
    ),
    min_size=1,
    max_size=5,
)
numbers = st.one_of(st.none(), st.floats(-5, 5), st.just(float("nan")))
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.floats(-9, 9), texts),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["role", "content", "from", "value", "text", "type", "rank", "answer"]),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=12,
)


@quick
@given(turns)
def test_a_prompt_survives_the_way_through_arrow(prompt: list[Message]) -> None:
    schema = TABLES["raw_prompts"]
    row = {"prompt_id": prompt_id(prompt), "messages": prompt, "source": "s", "partition": 0}
    found = pa.Table.from_pylist([row], schema=schema).to_pylist()[0]

    missing = dict.fromkeys(("tool_calls", "tool_call_id", "name"))
    assert found["messages"] == [missing | turn for turn in prompt]
    assert prompt_id(found["messages"]) == row["prompt_id"]


LAYOUTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    **{entry.format: (entry.rows[0], {}) for entry in PUBLISHED},
    **{layout: (row, {}) for layout, row in ROWS.items()},
    "fastchat": (
        ROWS["fastchat"],
        {"tables": {"questions": {"files": ["q"]}, "answers": {"files": ["a"]}}},
    ),
    "columns": (
        {
            "meta": {"q": "Why?", "system": "Be brief."},
            "said": [{"text": "a"}, {"text": "b"}],
            "votes": [{"best": "A", "grade": 3}, {"best": "B", "grade": 4}],
            "order": "A>B",
        },
        {
            "columns": {
                "prompt": "meta.q",
                "system": "meta.system",
                "responses": ["said[].text"],
                "labels": [{"column": "votes[].best", "values": {"A": "a", "B": "b"}}],
                "ratings": [{"columns": ["votes[].grade"]}],
                "ranking": [{"column": "order", "candidates": ["A", "B"]}],
            }
        },
    ),
}
TABLES_OF = {
    name: layout_named(entry.format).index(name, [(row, {}) for row in entry.rows])
    for entry in PUBLISHED
    for name in layout_named(entry.format).model_construct(name="made", files=("f",)).lookups()
} | {
    "questions": {1: {"question_id": 1, "text": "Why?"}},
    "answers": {"a": {"text": "So."}, "b": {"text": "No."}},
}
odd_values = st.one_of(
    json_values,
    st.sampled_from(["", "tie", "model_a", "A", "[]", "<![x[", 2**63, -(2**63), 1e300, [[]], [{}]]),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value inside a JSON value."""
    if not isinstance(value, dict | list):
        return []
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    return [p for key, v in inner for p in ((*path, key), *places(v, (*path, key)))]


def damaged(draw: Any, row: Any) -> Any:
    """Replace or remove up to three values anywhere in a row."""
    row = json.loads(json.dumps(row))
    for _ in range(draw(st.integers(0, 3))):
        found = places(row)
        if not found:
            break
        *way, last = draw(st.sampled_from(found))
        here = row
        for key in way:
            here = here[key]
        if draw(st.integers(0, 4)):
            here[last] = deepcopy(draw(odd_values))
        else:
            del here[last]
    return row


@pytest.mark.parametrize("layout", sorted(map(format_of, layouts.LAYOUTS)))
def test_a_damaged_row_is_read_or_quarantined_but_never_a_crash(layout: str) -> None:
    good, more = LAYOUTS[layout]
    if layout == "domains":
        more = {"domain": next(iter(good["responses"]))}
    num_read = 0

    @examples(40)
    @given(st.data())
    def law(data: Any) -> None:
        nonlocal num_read
        row = damaged(data.draw, good)
        text = data.draw(st.sampled_from(["plain", "html"]))
        source = layout_named(layout)(name="made", files=("f",), text=text, **more)

        found = parse_row(RawRow(1, row, None, b""), source, Context({}, TABLES_OF))

        assert isinstance(found, list | RowError)
        if isinstance(found, list):
            num_read += 1
            batch = Batch("made", File(path="f", sha256="0" * 64, num_bytes=1), 3)
            batch.add(1, found, Own(None, None, ()))
            assert batch.labels.total() == sum(len(record.labels) for record in found) > 0

    law()
    assert num_read, "no example was read, so nothing was tried"


@quick
@given(st.binary(max_size=60))
def test_any_line_is_parsed_or_has_its_reason(line: bytes) -> None:
    row = parse_object(line, 1)

    assert (row.value is None) == (row.error is not None)


@quick
@given(turns, turns, turns)
def test_conversations_part_where_they_stop_being_equal(
    common: list[Message], a: list[Message], b: list[Message]
) -> None:
    try:
        length, mismatch = common_prompt([*common, *a], [*common, *b])
    except RowError:
        return

    assert [*common, *a][:length] == [*common, *b][:length]
    assert [*common, *a][length]["role"] == [*common, *b][length]["role"] == "assistant"
    assert mismatch == (max(len(a), len(b)) + len(common) - length > 1)


@quick
@given(
    st.lists(st.tuples(st.integers(0, 30).map(str), st.integers(0, 5)), max_size=8),
    st.sampled_from(["best_vs_worst", "best_vs_random", "adjacent", "all"]),
    st.integers(0, 3),
    st.randoms(),
)
def test_selection_ignores_order_and_a_wider_gap_never_adds(
    scored: list[tuple[str, int]], strategy: Any, gap: int, rng: random.Random
) -> None:
    distinct = list(dict(scored).items())
    shuffled = rng.sample(distinct, len(distinct))

    def chance(key: str) -> float:
        return hash_unit(0, "made", key)

    def chosen(items: list[tuple[str, int]], least: float) -> set[tuple[str, str]]:
        if not items:
            return set()
        config = Pairs(select=strategy, minimum_gap=least)
        return {(c.winner, c.loser) for c in select(items, config, chance).pairs}

    values = dict(distinct)
    found = chosen(distinct, gap)
    assert found == chosen(shuffled, gap)
    assert chosen(distinct, gap + 1) <= found
    assert all(values[w] > values[o] and values[w] - values[o] >= gap for w, o in found)
    assert len({pair_id(w, o) for w, o in found}) == len(found)


vectors = st.lists(st.floats(-3, 3, width=32), min_size=4, max_size=4).map(np.array)
lengths = st.integers(1, 50)


@quick
@given(vectors, vectors, lengths, lengths, st.floats(0.1, 10))
def test_the_laws_of_ches(a: Any, b: Any, n: int, m: int, c: float) -> None:
    score, swapped = ches(a, b, n, m), ches(b, a, m, n)

    assert score.ches + swapped.ches == pytest.approx(-float((a - b) @ (a - b)), abs=1e-9)
    assert (score.ches_reversed, score.normalized_reversed) == (swapped.ches, swapped.normalized)
    assert ches(a, a, n, n).ches == 0
    assert ches(a, a, n, n).normalized == 0
    assert ches(c * a, c * b, n, m).ches == pytest.approx(c * c * score.ches, rel=1e-6, abs=1e-9)
    assert ches(a / n, b / m, 1, 1).ches == pytest.approx(score.normalized, rel=1e-9, abs=1e-9)


COLUMNS = {
    "margin": Column("margin", pa.float64(), "", Flip.NEGATE),
    "group": Column("group", pa.large_string(), ""),
}
frames = st.lists(
    st.tuples(numbers, st.sampled_from(["a", "b", None])), min_size=1, max_size=20
).map(
    lambda found: pl.DataFrame(
        {
            "pair_id": [f"p{n}" for n in range(len(found))],
            "prompt_id": [f"q{n // 2}" for n in range(len(found))],
            "source": ["s"] * len(found),
            "margin": [margin for margin, _ in found],
            "group": [group for _, group in found],
        },
        schema_overrides={"margin": pl.Float64, "group": pl.String},
    )
)
rules = st.lists(
    st.one_of(
        st.builds(lambda v: {"column": "margin", "minimum": v}, st.floats(-3, 3)),
        st.builds(lambda v: {"column": "margin", "maximum_quantile": v}, st.floats(0.1, 0.9)),
        st.builds(lambda v: {"column": "margin", "flip_when": {"maximum": v}}, st.floats(-3, 3)),
        st.builds(lambda v: {"column": "margin", "hold_when": {"minimum": v}}, st.floats(-3, 3)),
        st.builds(
            lambda v: {"cap": v, "per": "prompt_id", "order_by": "-margin"}, st.integers(1, 2)
        ),
        st.builds(lambda v: {"budget": v}, st.integers(1, 9)),
    ),
    max_size=5,
)


def built(found: list[dict[str, Any]]) -> tuple[Rule, ...]:
    return tuple(make_rule(name=f"r{n}", **rule) for n, rule in enumerate(found))


@quick
@given(frames, rules, st.randoms())
def test_one_verdict_a_pair_in_any_order(
    frame: pl.DataFrame, found: list[dict[str, Any]], rng: random.Random
) -> None:
    order = rng.sample(range(frame.height), frame.height)
    judged, log = apply_rules(frame, built(found), COLUMNS, 3)
    again, _ = apply_rules(frame[order], built(found), COLUMNS, 3)

    assert judged["pair_id"].to_list() == sorted(frame["pair_id"])
    assert judged.select("pair_id", "verdict", "rule", "value").equals(
        again.select("pair_id", "verdict", "rule", "value")
    )
    out = judged.filter(pl.col("verdict").is_in(["drop", "hold"])).height
    assert out == sum(rule["dropped"] + rule["held"] for rule in log)


@quick
@given(frames, st.floats(-3, 3), st.floats(0, 2))
def test_a_higher_bar_never_keeps_more_and_nothing_missing_passes(
    frame: pl.DataFrame, bar: float, more: float
) -> None:
    def kept(value: float) -> set[str]:
        judged, _ = apply_rules(frame, built([{"column": "margin", "minimum": value}]), COLUMNS, 0)
        return set(judged.filter(pl.col("verdict") == "keep")["pair_id"])

    present = frame.filter(pl.col("margin").fill_nan(None).is_not_null())
    assert kept(bar + more) <= kept(bar) <= set(present["pair_id"])


@quick
@given(frames)
def test_swapping_the_sides_negates_the_margin_and_mirrors_the_verdict(frame: pl.DataFrame) -> None:
    mirrored = frame.with_columns(-pl.col("margin"))
    low = built([{"column": "margin", "minimum": 0.5}])
    high = built([{"column": "margin", "maximum": -0.5}])

    one, _ = apply_rules(frame, low, COLUMNS, 0)
    other, _ = apply_rules(mirrored, high, COLUMNS, 0)

    assert one["verdict"].to_list() == other["verdict"].to_list()


RECIPE = """
name: made
shards: {shards}
sources: [{{name: made, files: ["rows*.jsonl"], format: trl_explicit, max_quarantined: 1}}]
measures: [{{kind: lengths}}]
rules: [{{name: gap, column: chars_gap, maximum: 4}}, {{cap: 2, per: prompt_id}}]
export: {{test_ratio: 0.3, rows_per_shard: 3}}
"""
answers = st.sampled_from(["", "a", "bb", "ccc", "dddd", "eeeeeeee"])
made = st.lists(
    st.one_of(
        st.builds(explicit, st.sampled_from(["1?", "2?", "3?", "4?"]), answers, answers),
        st.sampled_from(["{", "[1]", '{"prompt": null}']),
    ),
    min_size=3,
    max_size=16,
)


def write(folder: Path, found: list[Any], num_files: int) -> None:
    for number in range(num_files):
        lines = [r if isinstance(r, str) else json.dumps(r) for r in found[number::num_files]]
        body = "".join(f"{line}\n" for line in lines)
        (folder / f"rows{number}.jsonl").write_text(f"{body}\n\n{' ' * number}", encoding="utf-8")


def run(folder: Path, shards: int = 2) -> tuple[Any, Runtime]:
    runtime = Runtime(root=str(folder / "root"), data=str(folder))
    plan = make_plan(parse_recipe(RECIPE.format(shards=shards)), runtime)
    run_plan(plan, runtime)
    publish_plan(plan, runtime, str(folder / "out"))
    return plan, runtime


def data_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "out" / "data").iterdir()}


@slow
@given(made, st.integers(1, 3), st.integers(1, 3), st.randoms())
@pytest.mark.slow
def test_order_of_rows_and_files_does_not_matter(
    found: list[Any], one: int, two: int, rng: random.Random
) -> None:
    found = [*found, explicit("sure?", "yes", "no")]
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        write(Path(first), found, one)
        write(Path(second), rng.sample(found, len(found)), two)
        run(Path(first))
        run(Path(second))

        assert data_of(Path(first)) == data_of(Path(second))


@slow
@given(made)
def test_rows_in_are_rows_read_plus_quarantined_and_pairs_are_kept_plus_dropped(
    found: list[Any],
) -> None:
    found = [*found, explicit("sure?", "yes", "no")]
    with tempfile.TemporaryDirectory() as name:
        write(Path(name), found, 1)
        plan, runtime = run(Path(name))
        state = {s.name: s for s in states(plan, runtime)}
        read = state["ingest_made"]
        manifest = json.loads((Path(name) / "out" / "manifest.json").read_text())

        assert read.rows_in == len(found)
        assert read.rows_in == read.rows_out + read_table(plan, runtime, "quarantine").height
        pairs = read_table(plan, runtime, "pairs")
        assert read_table(plan, runtime, "decisions").height == pairs.height
        assert pairs["pair_id"].is_unique().all()
        kept = sum(manifest["splits"].values())
        assert kept + sum(manifest["dropped"].values()) == pairs.height == manifest["num_pairs"]
        votes = pairs["votes_for"].sum() + pairs["votes_against"].sum()
        assert votes + pairs["num_duplicates"].sum() == read.rows_out


@slow
@given(made)
def test_a_second_run_changes_nothing_and_does_nothing(found: list[Any]) -> None:
    found = [*found, explicit("sure?", "yes", "no")]
    with tempfile.TemporaryDirectory() as name:
        write(Path(name), found, 2)
        run(Path(name))
        before = {p: p.stat().st_mtime_ns for p in Path(name).rglob("*.parquet")}
        data = data_of(Path(name))
        run(Path(name))

        assert {p: p.stat().st_mtime_ns for p in Path(name).rglob("*.parquet")} == before
        assert data_of(Path(name)) == data


def test_a_recipe_survives_json() -> None:
    for path in sorted((Path(__file__).parents[2] / "pipelines").glob("*.yaml")):
        recipe = parse_recipe(path.read_text(), path.name)

        assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> Any:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _leaves(inner, (*path, index))
    else:
        yield path, value


FULL = """
name: made
seed: 1
shards: 2
sources:
  - {name: made, files: [rows.jsonl], format: columns, max_row_bytes: 2000,
     priority: 1, weight: 2,
     columns: {prompt: p, responses: [c, r], ratings: [{columns: [x, y]}], group: g}}
verdicts: [{files: [rows.jsonl], key: own_id, weight: 2}]
pairs: {minimum_gap: 1.0, per_prompt: 2, aspects: {overall: 1.0}}
encoder: {dimensions: 64}
measures:
  - {kind: lengths}
  - {kind: cosine}
  - {kind: near_duplicates}
  - {kind: prompt_topics, topics: 3}
  - {kind: prompt_neighbours}
  - {kind: target_similarity, files: [rows.jsonl], text: p}
  - {kind: label_consistency}
  - {kind: reward/bootstrap}
rules:
  - {name: one, column: chars_gap, minimum: 1, missing: hold}
  - {name: three, budget: 9, diverse: {weight: 2}, balance: [prompt_topic]}
  - {name: two, cap: 2, per: prompt_id, order_by: cosine}
export: {test_ratio: 0.1, license: mit}
"""
FULL_ROW = {
    "p": "a",
    "c": "b",
    "r": "c",
    "x": 2,
    "y": 1,
    "g": "d",
    "own_id": "1",
    "verdict": "right",
}
"""A row that has every key that ``FULL`` names."""


def _changed(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1 if value >= 1 else value / 2 + 0.01
    return f"{value}x"


def test_each_recipe_field_changes_the_fingerprint_and_no_location_does(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text(json.dumps(FULL_ROW) + "\n")
    runtime = Runtime(root=str(tmp_path / "root"), data=str(tmp_path))
    plan = make_plan(parse_recipe(FULL), runtime)
    base = plan.resolved.model_dump(mode="json")
    same: list[tuple[Any, ...]] = []
    for path, value in _leaves(base):
        if value is None or (
            isinstance(value, str) and path[-1] not in {"name", "license", "sha256", "digest"}
        ):
            continue
        changed = json.loads(json.dumps(base))
        inner = changed
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = _changed(value)
        if path[-1] == "name":  # files are listed by what they belong to
            changed["files"] |= {f"{key}x": files for key, files in changed["files"].items()}
        resolved = Resolved.model_validate(changed)
        if make_plan(resolved, runtime).steps[-1].fingerprint == plan.steps[-1].fingerprint:
            same.append(path)

    assert same == [
        ("recipe", "shards"),  # its result is in `shards`
        ("recipe", "sources", 0, "max_quarantined"),  # stops a run, and changes nothing else
        ("files", "source made", 0, "num_bytes"),
        ("files", "measure target", 0, "num_bytes"),
        ("files", "verdicts review", 0, "num_bytes"),
    ]


def test_no_runtime_value_changes_a_fingerprint(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text(json.dumps(FULL_ROW) + "\n")
    here = Runtime(root="one", data=str(tmp_path))
    there = Runtime(
        root="two",
        data=str(tmp_path) + "/.",
        workers=4,
        device="cuda",
        cache="x",
        batch_tokens=1,
        index_bytes=1,
        batch_rows=1,
        request_tokens=1,
        in_flight=1,
        timeout_s=1,
        retries=0,
        servers={"rm": ("http://x:1",)},
        start=("rm",),
        engine="x",
        engine_args="--x",
        replicas=2,
        gpus="0,1",
        logs="x",
        start_timeout_s=1,
        restarts=0,
    )
    assert set(Runtime.model_fields) == there.model_fields_set

    model = "served_model: rm, weights: {model: made/rm, revision: abc}"
    served = f"- {{kind: reward/vllm, name: rm, {model}}}"
    recipe = parse_recipe(FULL.replace("rules:", f"  {served}\nrules:", 1))
    plans = [make_plan(recipe, runtime) for runtime in (here, there)]

    assert [s.fingerprint for s in plans[0].steps] == [s.fingerprint for s in plans[1].steps]
