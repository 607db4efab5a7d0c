"""The real sources: every row is read or quarantined, and the known defects are counted.

The expected figures are the known ones of each source; where the definition differs, the
line says how.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import polars as pl
import pytest

from prefine.planning import Plan, make_plan
from prefine.planning.look import read_table, states
from prefine.recipe import load_recipe
from prefine.settings import Runtime
from prefine.step import run_step
from tests.integration.conftest import SharedRoot

RECIPES = sorted((Path(__file__).parents[1] / "sources").glob("*.yaml"))


class Known(NamedTuple):
    """What is known of a source; counts are labels unless a name says pairs or rows."""

    rows: int
    labels: dict[str, int]
    pairs: int | None = None
    """Distinct unordered pairs of responses, from labels."""
    identical: int = 0
    empty: int = 0
    contradictions: int = 0
    """Pairs."""
    both_orders: int = 0
    """Pairs."""
    repeated: int = 0
    """Labels that repeat another one word for word."""
    mismatch: int = 0
    """Pairs whose transcripts diverge early."""
    quarantined: Mapping[str, int] = MappingProxyType({})


KNOWN = {
    # 509 labels repeat another one when the second judging of vicuna-7b-v1.5, in a folder of its
    # own, counts as another annotator (1.4 %); by annotator name they are 1,314.
    "alpaca_eval": Known(
        *(36_218, {"a": 30_982, "b": 4_315, "tie": 921}, 32_486),
        identical=910,
        empty=2,
        contradictions=98,
        repeated=1_314,
    ),
    # 13 scores are null; six answers of one model hold more turns than were asked for
    "arena_bench_v1": Known(
        *(1_500, {"rating": 1_481, "invalid": 13}), quarantined={"turns_differ": 6}
    ),
    "autoj_pairwise": Known(
        *(1_392, {"a": 520, "b": 499, "tie": 373}, 1_390), identical=9, empty=1, repeated=1
    ),
    "dsp_domain": Known(661, {"rating": 3_305}, empty=1),
    "dsp_text_score": Known(
        *(3_213, {"a": 2_660, "b": 308, "tie": 245}, 3_213), empty=4, mismatch=5
    ),
    "finegrained_rlhf_qa": Known(500, {"a": 1_577, "b": 1_039, "tie": 384}, 3_000),
    "hh_rlhf_harmless": Known(2_312, {"a": 2_312}, 2_312, empty=4, mismatch=5),
    "judgebench": Known(350, {"a": 193, "b": 157}, 350),
    # 480 single grades hold three ratings each, two of which are null
    "korean_mt_bench_ko": Known(
        *(7_680, {"a": 3_286, "b": 2_030, "tie": 12, "invalid": 1_874, "rating": 1_438}, 1_200),
        contradictions=233,
        both_orders=240,
    ),
    "llamafactory_demo": Known(910, {"a": 610, "rating": 300}, 594, repeated=16),
    "llmbar": Known(*(885, {"a": 440, "b": 445}, 880), identical=1, empty=1, both_orders=5),
    "llmeval2_zh": Known(9_600, {"rating": 26_640}),
    "medicalgpt_dpo_zh": Known(500, {"a": 500}, 500),
    # six rows hold `true` for a response: with them there would be 18 labels more (9 a, 5 b, 4
    # ties) and 2 pairs more, both of them in both orders
    "pandalm_test": Known(
        *(999, {"a": 1_246, "b": 1_411, "tie": 322}, 861),
        empty=162,
        contradictions=63,
        both_orders=35,
        repeated=289,
        quarantined={"response_not_text": 6},
    ),
    "qlora_vicuna": Known(
        *(4_480, {"a": 2_512, "b": 1_355, "tie": 600, "invalid": 13}, 2_240),
        contradictions=456,
        both_orders=2_240,
    ),
    "rm_bench": Known(514, {"a": 1_542}, 1_539, repeated=3),
    "rmb": Known(6_702, {"a": 8_271}, 5_505, identical=2, repeated=15),
    "tulu_human_eval": Known(
        *(1_150, {"a": 423, "b": 351, "tie": 376}, 979),
        identical=40,
        contradictions=23,
        both_orders=84,
        repeated=6,
    ),
    "vicuna_blog_eval": Known(1_040, {"a": 277, "b": 663, "tie": 100}, 1_040, empty=4),
    # 11 answers of the model judge are not labels
    "xstest_refusals": Known(2_250, {"rating": 6_739, "invalid": 11}),
}


@pytest.fixture(scope="module", params=RECIPES, ids=lambda path: path.stem)
def ran(
    request: pytest.FixtureRequest, real_data: Path, shared_root: SharedRoot
) -> tuple[str, Plan, Runtime]:
    path: Path = request.param
    with shared_root(path.stem) as root:
        runtime = Runtime(root=str(root), data=str(real_data))
        plan = make_plan(load_recipe(path), runtime)
        for step in plan.steps[: plan.steps.index(plan.step("pairs")) + 1]:
            for shard in step.shards:
                run_step(step, shard, runtime)
    return path.stem, plan, runtime


def test_every_source_has_a_recipe_and_known_figures(real_data: Path) -> None:
    folders = {path.name for path in real_data.iterdir() if path.is_dir()}

    assert folders == set(KNOWN) == {path.stem for path in RECIPES}


def test_rows_in_are_rows_read_plus_quarantined(ran: tuple[str, Plan, Runtime]) -> None:
    name, plan, runtime = ran
    ingested = [s for s in states(plan, runtime) if s.name.startswith("ingest_")]
    dropped: dict[str, int] = {}
    for state in ingested:
        for reason, count in state.dropped.items():
            dropped[reason] = dropped.get(reason, 0) + count

    assert sum(s.rows_in for s in ingested) == KNOWN[name].rows
    assert sum(s.rows_out for s in ingested) == KNOWN[name].rows - sum(dropped.values())
    assert dropped == KNOWN[name].quarantined
    assert read_table(plan, runtime, "quarantine").height == sum(dropped.values())


def test_labels_are_counted_by_what_they_say(ran: tuple[str, Plan, Runtime]) -> None:
    name, plan, runtime = ran
    judgements = read_table(plan, runtime, "judgements")
    said = pl.coalesce("winner", "kind").alias("said")
    counted = dict(judgements.group_by(said).len().iter_rows())

    assert counted == KNOWN[name].labels


def test_the_known_defects_are_found(ran: tuple[str, Plan, Runtime]) -> None:
    name, plan, runtime = ran
    known = KNOWN[name]
    judgements = read_table(plan, runtime, "judgements")
    pairs = read_table(plan, runtime, "pairs")
    labelled = pairs.filter(pl.col("label_source") == "label")
    if known.pairs is not None:
        assert labelled.height == known.pairs
    found = {
        "identical": judgements.filter(pl.col("response_a") == pl.col("response_b")).height,
        "empty": _with_empty(judgements, read_table(plan, runtime, "responses")),
        "contradictions": pairs["is_contradiction"].sum(),
        "both_orders": pairs["both_orders"].sum(),
        "repeated": _repeated(judgements),
        "mismatch": pairs["context_mismatch"].sum(),
    }

    assert found == {key: getattr(known, key) for key in found}


def _with_empty(judgements: pl.DataFrame, responses: pl.DataFrame) -> int:
    text = pl.col("messages").list.eval(pl.element().struct.field("content")).list.join("")
    blank = responses.filter(text.str.strip_chars() == "")["response_id"].implode()
    a, b = (pl.col(f"response_{side}").is_in(blank) for side in "ab")
    return judgements.filter(a | b.fill_null(value=False)).height


def _repeated(judgements: pl.DataFrame) -> int:
    labels = judgements.filter(pl.col("kind") == "pair")
    keys: list[Any] = ["response_a", "response_b", "winner", "strength", "annotator", "source"]
    return labels.height - labels.select(keys).n_unique()
