"""Diversity measured in runs of a recipe."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prefine.errors import DataError, RecipeError
from prefine.schema import prompt_id
from tests.made import explicit, table, user
from tests.unit.test_diversity import PROMPTS, RECIPE, brute, unit

pytestmark = pytest.mark.usefixtures("distilled")


def test_blank_prompts_have_reasons_and_the_others_have_values(
    write_lines: Any, tmp_path: Path
) -> None:
    write_lines([explicit(text, "yes", "no") for text in [*PROMPTS, "\u200b"]])
    measures = "[{kind: prompt_topics, topics: 2}, {kind: prompt_neighbours, kth: 2}]\n"

    topics = table(RECIPE + measures, tmp_path, "measure_prompt_topics")
    near = table(RECIPE + measures, tmp_path, "measure_prompt_neighbours")
    lists = table(RECIPE + measures, tmp_path, "neighbour_lists").sort("prompt_id")

    names = [prompt_id([user(text)]) for text in PROMPTS]
    of_prompt = dict(topics.select("prompt_id", "prompt_topic").rows())
    assert len({of_prompt[name] for name in names[:3]}) == 1
    assert len({of_prompt[name] for name in names[3:]}) == 1
    assert of_prompt[names[0]] != of_prompt[names[3]]
    for found, reason, value in (
        (topics, "prompt_topic_reason", "prompt_topic_similarity"),
        (near, "prompt_knn_reason", "prompt_knn_distance"),
    ):
        assert sorted(found[reason].fill_null("").to_list()) == [""] * 6 + ["blank"]
        assert found[value].is_null().to_list() == found[reason].is_not_null().to_list()
    ids = lists["prompt_id"].to_list()
    listed = {ids[p] for p in lists.filter(prompt_id=names[0])["places"][0]}
    assert listed == set(names[1:])
    assert lists.filter("is_blank")["places"].to_list() == [[]]


def test_fewer_prompts_than_the_kth_neighbour_have_no_distance(
    write_lines: Any, tmp_path: Path
) -> None:
    write_lines([explicit(text, "yes", "no") for text in PROMPTS[:3]])

    found = table(
        RECIPE + "[{kind: prompt_neighbours, kth: 3}]\n", tmp_path, "measure_prompt_neighbours"
    )

    assert found["prompt_knn_distance"].to_list() == [None] * 3
    assert found["prompt_knn_reason"].to_list() == ["too_few"] * 3


@pytest.mark.parametrize(("exact_up_to", "share"), [(1000, 1.0), (20, 0.95)])
def test_lists_hold_the_nearest_others_and_no_prompt_itself(
    write_lines: Any, tmp_path: Path, exact_up_to: int, share: float
) -> None:
    rng = np.random.default_rng(0)
    words = [text.split() for text in PROMPTS]
    asked = [" ".join(rng.permutation(words[n % 6])[:5].tolist()) + f" {n}" for n in range(60)]
    write_lines([explicit(text, "yes", "no") for text in asked])
    search = f"search: {{exact_up_to: {exact_up_to}, recall: 1.0}}"
    recipe = RECIPE + f"[{{kind: prompt_neighbours, complete_up_to: 9, neighbours: 7, {search}}}]\n"

    lists = table(recipe, tmp_path, "neighbour_lists").sort("prompt_id")
    stored = table(recipe, tmp_path, "prompt_vectors").sort("prompt_id")

    vectors = np.array(stored["vector"].to_list(), np.float64)
    # all texts differ: their mean counts 60 / (60 + 10)
    cosines = brute(unit(vectors - vectors.sum(axis=0) / 70))
    np.fill_diagonal(cosines, -2)
    expected = -np.sort(-cosines, axis=1)[:, :7]
    places = np.array(lists["places"].to_list())
    found = np.array(lists["similarities"].to_list())
    assert np.take_along_axis(cosines, places, axis=1) == pytest.approx(found, abs=2e-6)
    assert (found > expected - 2e-6).mean() >= share
    assert (places != np.arange(60)[:, None]).all()


def test_prompts_are_ranked_by_their_likeness_to_examples(write_lines: Any, tmp_path: Path) -> None:
    write_lines([explicit(text, "yes", "no") for text in PROMPTS])
    examples = [
        {"q": {"text": "A python type error in my code"}},
        {"q": {"text": ["Explain this import error", "in python code"]}},
        {"q": {"text": [user("Explain this import error"), user("in python code")]}},
        {"q": {"text": "  "}},
        {"text": "not where it was said to be"},
    ]
    write_lines(examples, "examples.jsonl")
    recipe = RECIPE + "[{kind: target_similarity, files: [ex*.jsonl], text: q.text, name: code}]\n"

    found = table(recipe, tmp_path, "measure_code").sort("code_score", descending=True)
    read = table(recipe, tmp_path, "examples_code")
    refused = table(recipe, tmp_path, "quarantine", root=str(tmp_path / "again"))

    names = [prompt_id([user(text)]) for text in PROMPTS]
    assert set(found["prompt_id"][:3]) == set(names[3:])
    assert found["code_best_rank"][0] == 1
    assert (found["code_similarity"][:3] > found["code_similarity"][3:].max()).all()
    assert read["example_id"].n_unique() == 2
    assert read.height == 3
    assert refused.select("source", "row", "reason").rows() == [
        ("code", 4, "prompt_empty"),
        ("code", 5, "missing_value"),
    ]


def test_a_measure_without_a_single_example_is_an_error(write_lines: Any, tmp_path: Path) -> None:
    write_lines([explicit(PROMPTS[0], "yes", "no")])
    write_lines([{"prompt": " "}], "examples.jsonl")
    recipe = RECIPE + "[{kind: target_similarity, files: [examples.jsonl]}]\n"

    with pytest.raises(DataError, match="no example has a text at `prompt`"):
        table(recipe, tmp_path, "measure_target")
    with pytest.raises(RecipeError, match=r"measure target: there is no file .*gone\.jsonl"):
        table(recipe.replace("examples.jsonl", "gone.jsonl"), tmp_path, "measure_target")
    pinned = RECIPE + "[{kind: target_similarity, files: [examples.jsonl], sha256: [abc]}]\n"
    with pytest.raises(RecipeError, match="measure target: the files do not match `sha256`"):
        table(pinned, tmp_path, "measure_target")
