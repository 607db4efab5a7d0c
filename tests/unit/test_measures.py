"""Lengths, cosine, near duplicates and the bootstrap reward, on made rows."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from prefine.errors import DataError
from prefine.measure.bootstrap import fold_of
from prefine.measure.cosine import cosines
from prefine.measure.near_duplicates import components, overlaps, pairs_near, shingles
from prefine.recipe import NearDuplicates
from prefine.schema import prompt_id
from tests.made import explicit, table, user

RECIPE = "name: made\nsources: [{name: made, files: [rows.jsonl]}]\nmeasures: "


def test_lengths_are_characters_of_the_contents_alone(write_lines: Any, tmp_path: Path) -> None:
    write_lines([explicit("Wer?", "Käse", "ein Brot")])

    row = table(f"{RECIPE}[{{kind: lengths}}]\n", tmp_path, "measure_lengths").row(0, named=True)

    assert {k: v for k, v in row.items() if k != "pair_id"} == {
        "prompt_chars": 4,
        "chosen_chars": 4,
        "rejected_chars": 8,
        "chars_gap": -4,
    }


def test_cosines_are_exact_and_blank_texts_have_none() -> None:
    a = np.array([[1, 0], [3, 4], [0, 0]], np.float32)
    b = np.array([[0, 2], [3, 4], [1, 1]], np.float32)

    assert cosines(a, b) == [0.0, pytest.approx(1.0), None]


def test_a_short_text_is_one_shingle_and_equals_only_itself() -> None:
    texts = ["Good morning", "good MORNING!", "Good evening", "Good morning to you"]
    found = shingles(texts, np.arange(4), 3)
    by_place = {place: set(g["shingle"]) for (place,), g in found.group_by("place")}

    assert by_place[0] == by_place[1]
    assert not by_place[0] & by_place[2]
    assert not by_place[0] & by_place[3]
    assert len(by_place[3]) == 2


def test_overlap_is_that_of_the_shingle_sets() -> None:
    from scipy.sparse import csr_matrix

    ones = csr_matrix(np.array([[1, 1, 1, 0], [0, 1, 1, 1], [1, 0, 0, 0]], np.float32))
    pairs = np.array([[0, 1], [0, 2], [1, 2]])

    assert overlaps(ones, pairs).tolist() == [0.5, pytest.approx(1 / 3), 0.0]


def test_chains_of_neighbours_are_one_cluster() -> None:
    labels = components(5, np.array([[0, 1], [1, 3]]))

    assert labels[0] == labels[1] == labels[3]
    assert len(set(labels)) == 3


@pytest.mark.parametrize("exact_up_to", [1000, 1])
def test_neighbours_are_those_of_brute_force(exact_up_to: int) -> None:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(40, 16))
    vectors = np.repeat(centres, 5, axis=0) + 0.05 * rng.normal(size=(200, 16))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    config = NearDuplicates(kind="near_duplicates", similarity=0.95, exact_up_to=exact_up_to)

    nearest, found = pairs_near(vectors, config)

    all_ = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    np.fill_diagonal(all_, -1)
    expected = {(i, j) for i, j in np.argwhere(all_ >= 0.95).tolist() if i < j}
    assert {tuple(pair) for pair in found.tolist()} == expected
    assert nearest == pytest.approx(all_.max(axis=1), abs=1e-5)


def test_no_prompts_and_one_prompt_have_no_neighbours() -> None:
    config = NearDuplicates(kind="near_duplicates")
    for count in (0, 1):
        nearest, found = pairs_near(np.ones((count, 4), np.float32) / 2, config)

        assert len(found) == 0
        assert np.isnan(nearest).all()


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("What is C++?", "What is C#?", False),
        ("What is 12 + 4?", "What is 12 - 4?", False),
        ("What is 5!?", "What is 5?", False),
        ("Name this: 😀", "Name this: 😭", False),
        ("What happened in 2020?", "what happened in 2020", True),
        ("Good  morning!", "good morning", True),
        ("Fine, thanks - and you?", "Fine thanks, and you", True),
    ],
)
def test_symbols_are_words_and_the_punctuation_of_prose_is_none(
    one: str, other: str, same: bool
) -> None:
    found = shingles([one, other], np.array([0, 1]), 3)

    sets = [set(found.filter(pl.col("place") == place)["shingle"]) for place in (0, 1)]
    assert (sets[0] == sets[1]) is same


def test_near_copies_are_one_cluster_and_templates_are_not(
    write_lines: Any, tmp_path: Path
) -> None:
    asked = "My lamp stopped working after the storm last night, what should I check first"
    prompts = [f"{asked}?", asked.lower().replace(",", " -"), asked.replace("lamp", "radio")]
    prompts += ["Good morning", "Good evening", "Good  morning!"]
    write_lines([explicit(prompt, f"Yes {n}", f"No {n}") for n, prompt in enumerate(prompts)])

    found = table(f"{RECIPE}[{{kind: near_duplicates}}]\n", tmp_path, "measure_near_duplicates")

    names = [prompt_id([user(prompt)]) for prompt in prompts]
    cluster = dict(zip(found["prompt_id"], found["prompt_cluster"], strict=True))
    assert cluster[names[0]] == cluster[names[1]] == min(names[:2])
    assert cluster[names[3]] == cluster[names[5]]
    assert len({cluster[name] for name in names}) == 4
    assert found["prompt_is_representative"].sum() == 4
    assert sorted(found["prompt_cluster_size"]) == [1, 1, 2, 2, 2, 2]


def made_rows(count: int) -> list[dict[str, Any]]:
    """Return pairs whose chosen side is friendly and whose rejected side is not."""
    kind = ["Gladly, here is how it works", "With pleasure, let me explain it step by step"]
    rude = ["No idea and no interest", "Go away and leave me alone"]
    return [
        explicit(
            f"Please explain thing number {n} to me.", f"{kind[n % 2]}, {n}.", f"{rude[n % 2]}."
        )
        for n in range(count)
    ]


def test_the_bootstrap_margin_finds_flipped_labels(write_lines: Any, tmp_path: Path) -> None:
    rows = made_rows(120)
    for row in rows[:12]:
        row["chosen"], row["rejected"] = row["rejected"], row["chosen"]
    write_lines(rows)

    recipe = f"{RECIPE}[{{kind: reward/bootstrap}}]\n"
    found = table(recipe, tmp_path, "measure_bootstrap")

    below = found.filter(pl.col("bootstrap_margin") < 0)
    assert below.height == 12
    assert (found["bootstrap_margin_std"] > 0).all()
    assert found.filter(
        (pl.col("bootstrap_margin") > 0) != (pl.col("bootstrap_probability") > 0.5)
    ).is_empty()


def test_a_pair_is_scored_by_heads_that_never_saw_its_prompt(
    write_lines: Any, tmp_path: Path
) -> None:
    """Turning one prompt's label round must not move that prompt's own score but for its sign."""
    recipe = f"{RECIPE}[{{kind: reward/bootstrap}}]\n"
    rows = made_rows(60)
    write_lines(rows)
    (tmp_path / "before").mkdir()
    before = table(recipe, tmp_path, "facts", root=str(tmp_path / "before"))
    rows[7]["chosen"], rows[7]["rejected"] = rows[7]["rejected"], rows[7]["chosen"]
    write_lines(rows)
    after = table(recipe, tmp_path, "facts", root=str(tmp_path / "after"))

    name = prompt_id([user("Please explain thing number 7 to me.")])
    own = [t.filter(pl.col("prompt_id") == name)["bootstrap_margin"][0] for t in (before, after)]
    fold = fold_of(name, 5, 0)
    others = [p for p in before["prompt_id"] if fold_of(p, 5, 0) != fold]
    moved = [
        t.filter(pl.col("prompt_id") == others[0])["bootstrap_margin"][0] for t in (before, after)
    ]
    assert own[1] == pytest.approx(-own[0], abs=1e-12)
    assert moved[0] != moved[1]


def test_too_few_pairs_are_an_error_and_no_number(write_lines: Any, tmp_path: Path) -> None:
    write_lines(made_rows(5))

    with pytest.raises(DataError, match=r"labelled pairs of \d prompts outside fold"):
        table(f"{RECIPE}[{{kind: reward/bootstrap}}]\n", tmp_path, "measure_bootstrap")


def test_a_cosine_of_which_only_the_beginning_was_embedded_is_none(
    write_lines: Any, tmp_path: Path
) -> None:
    story = "The fox ran through the wood and over the hill. " * 4
    write_lines(
        [
            explicit("A story?", f"{story} Then it slept.", f"{story} I cannot go on."),
            explicit("A word?", "Fox.", "Hill."),
            explicit("Nothing?", "Fox.", ""),
        ]
    )
    recipe = f"{RECIPE}[{{kind: cosine}}]\nencoder: {{max_chars: 150}}\n"

    found = table(recipe, tmp_path, "measure_cosine")

    assert sorted(found["cosine_reason"].fill_null("").to_list()) == ["", "blank", "too_long"]
    assert found["cosine"].is_null().to_list() == found["cosine_reason"].is_not_null().to_list()
