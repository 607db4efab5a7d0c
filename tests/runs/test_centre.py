"""The mean vector and what is measured from it, in runs of a recipe."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from prefine.planning.look import read_table
from tests.made import explicit, run_recipe, table

pytestmark = pytest.mark.usefixtures("distilled")

RECIPE = "name: made\nsources: [{name: made, files: [rows.jsonl]}]\nmeasures: "
COSINE = RECIPE + "[{kind: cosine}]\n"


def responses(write_lines: Any, texts: list[str]) -> None:
    write_lines([explicit(f"Question {n}?", text, "Certainly") for n, text in enumerate(texts)])


TEXTS = ["A lamp is broken", "The sea is blue", "Bread needs flour and water", "Go home"]


def test_the_mean_is_that_of_the_distinct_texts(write_lines: Any, tmp_path: Path) -> None:
    responses(write_lines, [*TEXTS, TEXTS[0], TEXTS[0], "", "오늘 날씨가 어때요?"])

    centre = table(COSINE, tmp_path, "response_centre")["vector"].item().to_numpy()
    rows = table(COSINE, tmp_path, "response_vectors")

    vectors = np.array(rows["vector"].drop_nulls().to_list())
    distinct = np.unique(vectors, axis=0)
    assert len(distinct) == 5
    assert len(vectors) == 14
    assert centre == pytest.approx(distinct.sum(axis=0) / 15, abs=1e-12)
    # an empty side has no response of its own to embed
    assert sorted(rows["reason"].drop_nulls()) == ["blank", "unknown_words"]


def test_neither_shards_nor_order_change_the_mean(write_lines: Any, tmp_path: Path) -> None:
    texts = [f"{text} {number}" for number in range(10) for text in TEXTS]
    found: list[list[float]] = []
    for number, (shards, order) in enumerate(((1, 1), (4, -1))):
        responses(write_lines, texts[::order])
        root = str(tmp_path / f"root{number}")
        centre = table(f"shards: {shards}\n{COSINE}", tmp_path, "response_centre", root=root)
        found.append(centre["vector"].item().to_list())

    assert found[0] == found[1]


def test_without_centering_nothing_is_subtracted_nor_embedded_again(
    write_lines: Any, tmp_path: Path
) -> None:
    responses(write_lines, TEXTS)
    off = f"{COSINE}encoder: {{center: false}}\n"

    centre = table(off, tmp_path, "response_centre")["vector"].item().to_list()
    plans = [run_recipe(text, tmp_path)[0] for text in (off, COSINE)]

    assert centre == [0.0] * 256
    vectors, centres = (
        {plan.step(name).fingerprint for plan in plans}
        for name in ("response_vectors", "response_centre")
    )
    assert len(vectors) == 1
    assert len(centres) == 2


@pytest.mark.parametrize("texts", [["The same."], ["The same.", "The same."], ["", ""]])
def test_equal_and_few_texts_keep_their_directions(
    write_lines: Any, tmp_path: Path, texts: list[str]
) -> None:
    write_lines([explicit(f"Why {n}?", text, text) for n, text in enumerate(texts)])

    found = table(COSINE, tmp_path, "measure_cosine")

    expected = [1.0 if text else None for text in texts]
    assert found["cosine"].to_list() == [pytest.approx(value) for value in expected]


def test_two_unlike_responses_are_not_opposites(write_lines: Any, tmp_path: Path) -> None:
    write_lines([explicit("Why?", "A lamp is broken", "The sea is blue")])

    assert -0.5 < table(COSINE, tmp_path, "measure_cosine")["cosine"].item() < 0.5


MEASURES = (
    "[{kind: cosine}, {kind: label_consistency}, {kind: prompt_topics},"
    " {kind: prompt_neighbours, kth: 1}, {kind: target_similarity, files: [ex.jsonl]},"
    " {kind: near_duplicates, by: [semantic]},"
    " {kind: contamination, semantic: true, benchmarks: [{name: b, files: [ex.jsonl]}]}]\n"
)


def test_every_measure_says_that_words_are_unknown(write_lines: Any, tmp_path: Path) -> None:
    write_lines(
        [
            explicit("오늘 날씨가 어때요?", "예 그렇습니다", "아니요"),
            explicit("김치찌개 끓이는 법을 알려 주세요.", "Yes, of course", "네 좋아요"),
            explicit("How do I bake bread?", "With flour and water", "No idea at all"),
            explicit("How do I bake a cake?", "With sugar and eggs", "Ask a cook"),
        ]
    )
    write_lines([{"prompt": "Bake a loaf"}, {"prompt": "빵을 굽다"}], "ex.jsonl")

    plan, runtime = run_recipe(RECIPE + MEASURES, tmp_path)

    facts = read_table(plan, runtime, "facts").sort("cosine_reason", nulls_last=True)
    columns = ["cosine", "label", "prompt_topic", "prompt_knn", "target"]
    unknown = facts.filter(pl.col("cosine_reason").is_not_null())
    for name in columns:
        assert set(unknown[f"{name}_reason"]) == {"unknown_words"}, name
        assert "unknown_words" not in set(facts[f"{name}_reason"][2:]), name
    assert set(unknown["prompt_similarity_reason"]) == {"unknown_words"}
    assert facts["prompt_similarity_reason"][2:].to_list() == [None, None]
    assert set(unknown["contamination_similarity_reason"]) == {"unknown_words"}
    assert facts["contamination_similarity_reason"][2:].to_list() == [None, None]
    assert unknown["contamination_similarity"].null_count() == 2
    assert unknown["prompt_cluster_size"].to_list() == [1, 1]
    assert unknown.select("cosine", "label_probability", "target_score").null_count().row(0) == (
        *(2, 2, 2),
    )


def test_the_share_of_unknown_texts_is_a_remark(write_lines: Any, tmp_path: Path) -> None:
    from prefine.step import require_manifest
    from prefine.store import Store

    write_lines([explicit("오늘 날씨가 어때요?", "Yes", "No"), explicit("Why?", "Yes", "No")])

    plan, runtime = run_recipe(RECIPE + "[{kind: prompt_topics}]\n", tmp_path)

    notes = require_manifest(Store(runtime.root), plan.step("prompt_centre"), None).notes
    assert notes["without_vector"] == {"unknown_words": 1}
    assert len(notes["remarks"]) == 1
    assert notes["remarks"][0].startswith("1 of 2 prompts (50.0%) have no embedding")
