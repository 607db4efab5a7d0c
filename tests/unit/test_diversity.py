"""Topics, neighbours, likeness to examples and the entropy of a selection, on made vectors."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from prefine.ingest.examples import example_text
from prefine.ingest.record import RowError
from prefine.ingest.rows import RawRow
from prefine.measure.prompt_neighbours.entropy import RESOLUTION, entropy_of, knn_entropy
from prefine.measure.prompt_topics import PromptTopics, with_names
from prefine.measure.target_similarity import descending_ranks, ranks_and_scores
from prefine.planning import make_plan
from prefine.recipe import parse_recipe
from prefine.search.nearest import find_nearest
from prefine.search.storage import Vectors
from prefine.settings import Runtime
from tests.made import call, explicit

RECIPE = "name: made\nsources: [{name: made, files: [rows.jsonl]}]\nmeasures: "


def unit(vectors: Any) -> Vectors:
    found = np.asarray(vectors, np.float64)
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def grouped(groups: int, each: int, seed: int = 0, spread: float = 0.1) -> Vectors:
    rng = np.random.default_rng(seed)
    centres = np.repeat(rng.normal(size=(groups, 16)), each, axis=0)
    return unit(centres + spread * rng.normal(size=centres.shape))


def brute(vectors: Vectors) -> Any:
    return vectors.astype(np.float64) @ vectors.T.astype(np.float64)


def test_the_nearest_are_those_of_brute_force() -> None:
    vectors = grouped(30, 8)

    found = find_nearest(vectors[:50], vectors, 5)

    expected = -np.sort(-brute(vectors)[:50], axis=1)[:, :5]
    assert found.similarities == pytest.approx(expected, abs=2e-6)
    chosen = np.take_along_axis(brute(vectors)[:50], found.indices, axis=1)
    assert chosen == pytest.approx(found.similarities, abs=2e-6)


def test_equally_near_vectors_come_in_the_order_of_their_places() -> None:
    vectors = unit([[1, 0], [0, 1], [1, 0], [1, 1], [1, 0]])

    found = find_nearest(vectors[[2]], vectors, 5)

    assert found.indices.tolist() == [[0, 2, 4, 3, 1]]


def test_topics_are_the_groups_that_are_there() -> None:
    vectors = grouped(6, 40)

    centres = PromptTopics(kind="prompt_topics", topics=6).centres(vectors, seed=3)

    label = (vectors @ centres.T).argmax(axis=1).reshape(6, 40)
    assert (label == label[:, :1]).all()
    assert len(set(label[:, 0])) == 6
    assert np.linalg.norm(centres, axis=1) == pytest.approx(1.0, abs=1e-5)


def test_there_are_no_more_topics_than_prompts() -> None:
    config = PromptTopics(kind="prompt_topics", topics=9)

    assert len(config.centres(unit([[1, 0], [0, 1]]), seed=0)) == 2
    assert len(PromptTopics(kind="prompt_topics").centres(grouped(5, 20), seed=0)) == 10


def test_a_topic_is_named_by_its_most_central_prompt_and_a_blank_has_none() -> None:
    frame = pl.DataFrame(
        {
            "prompt_id": ["a", "b", "c", "d", "e"],
            "label": [1, 1, 0, 1, -1],
            "prompt_topic_similarity": [0.5, 0.9, 0.2, 0.9, None],
            "prompt_topic_reason": [None, None, None, None, "unknown_words"],
        }
    )

    found = with_names(frame)

    assert found["prompt_topic"].to_list() == ["b", "b", "c", "b", None]
    assert found["prompt_topic_size"].to_list() == [3, 3, 1, 3, None]
    assert found["prompt_topic_reason"].to_list() == [None, None, None, None, "unknown_words"]


def test_ranks_and_scores_are_those_worked_out_by_hand() -> None:
    """Ranks (prompts by examples) 1 4, 2 1, 3 2, 4 3: the worked example of BETR."""
    to_first, to_second = [0.4, 0.3, 0.2, 0.1], [0.1, 0.4, 0.3, 0.2]
    rest = np.sqrt(1 - np.square(to_first) - np.square(to_second))
    vectors = np.stack([to_first, to_second, rest], axis=1).astype(np.float32)

    best, score = ranks_and_scores(vectors, np.eye(3, dtype=np.float32)[:2])

    assert best.tolist() == [1, 1, 2, 3]
    assert score == pytest.approx([-1, -0.5, -1.2925, -1.7925], abs=5e-5)


def test_equally_near_prompts_share_a_place() -> None:
    assert descending_ranks(np.array([0.5, 0.9, 0.5, 0.1], np.float32)).tolist() == [2, 1, 2, 4]


def test_ranks_do_not_depend_on_where_a_prompt_stands() -> None:
    vectors, examples = grouped(20, 10), grouped(7, 1, seed=1)
    vectors[150:] = vectors[3]
    order = np.random.default_rng(2).permutation(len(vectors))

    straight, mixed = (
        ranks_and_scores(vectors, examples),
        ranks_and_scores(vectors[order], examples),
    )

    for one, other in zip(straight, mixed, strict=True):
        assert (one[order] == other).all()
    assert len(set(straight[0][150:].tolist())) == 1


def test_entropy_is_that_worked_out_by_hand() -> None:
    """Points 0, 1, 3, 7 on a line: d_1 = 1, 1, 2, 4; psi(4) - psi(1) = 11/6; V_1 = 2."""
    expected = 11 / 6 + np.log(2) + np.log(8) / 4

    assert knn_entropy(np.array([1.0, 1.0, 2.0, 4.0]), 4, 1, 1) == pytest.approx(expected)


def test_entropy_of_a_known_density_is_found() -> None:
    """Uniform on [0, 2] x [0, 2]: log 4 nats; unit Gaussian in the plane: log(2 pi e)."""
    from sklearn.neighbors import NearestNeighbors

    rng = np.random.default_rng(0)
    for points, expected in (
        (rng.uniform(0, 2, (4000, 2)), np.log(4)),
        (rng.normal(size=(4000, 2)), np.log(2 * np.pi * np.e)),
    ):
        distances = NearestNeighbors(n_neighbors=5).fit(points).kneighbors()[0][:, -1]
        assert knn_entropy(distances, 4000, 2, 5) == pytest.approx(expected, abs=0.05)


def test_spread_out_vectors_have_more_entropy_than_crowded_ones_of_the_same_number() -> None:
    crowded, spread = grouped(10, 30, spread=0.1), grouped(300, 1)

    found = [entropy_of(vectors, 5) for vectors in (crowded, spread)]

    assert found[0]["entropy"] < found[1]["entropy"]
    assert found[0]["mean_log_distance"] < found[1]["mean_log_distance"]
    assert found[0]["num_measured"] == 300


def test_equal_vectors_are_counted_and_too_few_have_no_entropy() -> None:
    equal = entropy_of(unit([[1, 0]] * 4 + [[0, 1], [1, 1]]), 2)

    assert equal["num_at_resolution"] == 4
    log_distances = [np.log(RESOLUTION)] * 4 + [np.log(np.sqrt(2)), np.log(np.sqrt(2 - 2**0.5))]
    assert equal["mean_log_distance"] == pytest.approx(np.mean(log_distances), abs=1e-5)
    assert entropy_of(unit([[1, 0], [0, 1]]), 2)["entropy"] is None
    assert entropy_of(np.empty((0, 2), np.float32), 2)["entropy"] is None


THREADS = """
import hashlib
import numpy as np
from prefine.measure.prompt_neighbours.entropy import entropy_of
from prefine.search.nearest import find_nearest
from prefine.measure.target_similarity import ranks_and_scores
from prefine.measure.prompt_topics import PromptTopics
rng = np.random.default_rng(0)
vectors = rng.normal(size=(40, 64))[rng.integers(0, 40, 5000)] + rng.normal(size=(5000, 64))
vectors[100:150] = vectors[7]
vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
digest = hashlib.sha256()
for part in find_nearest(vectors, vectors, 9):
    digest.update(part.tobytes())
digest.update(PromptTopics(kind="prompt_topics").centres(vectors, 0).tobytes())
for part in ranks_and_scores(vectors, vectors[:40]):
    digest.update(part.tobytes())
print(digest.hexdigest(), entropy_of(vectors, 5))
"""


@pytest.mark.parametrize("kernels", [None, "Haswell"])
@pytest.mark.slow
def test_results_are_the_same_from_any_number_of_threads(
    project: Path, kernels: str | None
) -> None:
    """With OpenBLAS's kernels for Haswell, which AMD gets too, products of threads differ."""
    env = {**os.environ} | ({} if kernels is None else {"OPENBLAS_CORETYPE": kernels})
    told = {
        call([sys.executable, "-c", THREADS], {**env, "OMP_NUM_THREADS": threads}, project)
        for threads in ("1", "2", "3")
    }

    assert len(told) == 1


PROMPTS = [
    "How do I bake bread with yeast and flour?",
    "How do I bake a cake with flour and sugar?",
    "Which flour is best for baking bread?",
    "How do I fix a type error in python code?",
    "Why does this python code raise an import error?",
    "What does this python error in my code mean?",
]


@pytest.mark.parametrize("value", [5, None, {"a": "b"}, [1, 2], [], ""])
def test_what_holds_no_text_is_no_example(value: Any) -> None:
    with pytest.raises(RowError):
        example_text(RawRow(1, {"prompt": value}, None, b""), "prompt")


def test_a_path_may_walk_a_list() -> None:
    row = RawRow(1, {"turns": [{"content": "Why?"}, {"content": "And how?"}]}, None, b"")

    assert example_text(row, "turns[].content") == "Why?\n\nAnd how?"


def test_examples_are_known_by_their_bytes_and_not_by_their_path(
    write_lines: Any, tmp_path: Path
) -> None:
    write_lines([explicit(PROMPTS[0], "yes", "no")])
    runtime = Runtime(root=str(tmp_path / "root"), data=str(tmp_path))

    def fingerprint(name: str, text: str) -> str:
        (tmp_path / name).write_text(json.dumps({"prompt": text}) + "\n")
        recipe = RECIPE + f"[{{kind: target_similarity, files: [{name}]}}]\n"
        return make_plan(parse_recipe(recipe), runtime).step("measure_target").fingerprint

    first = fingerprint("one.jsonl", "Why?")
    assert fingerprint("two.jsonl", "Why?") == first
    assert fingerprint("two.jsonl", "How?") != first
