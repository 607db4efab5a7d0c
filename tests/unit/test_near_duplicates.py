"""Near duplicates of prompts, responses and pairs, on made rows and by hand."""

import random
from typing import Any

import numpy as np
import polars as pl
import pytest

from prefine.measure.near_duplicates import NearDuplicates
from prefine.measure.near_duplicates.pairs import add_cluster_columns
from prefine.measure.near_duplicates.semantic import Nearness, find_neighbours, full_lists_remark
from prefine.search.settings import Search
from prefine.settings import Runtime
from prefine.text.clusters import centres, components
from prefine.text.overlap import overlaps
from prefine.text.sketches import candidates, chance_missed, rows_per_band, sketches
from prefine.text.words import character_shingles, hash_words, split_words, word_shingles


def overlap(one: str, other: str, size: int = 3) -> float:
    shingles = word_shingles(split_words([one, other]), size)
    return float(overlaps(shingles, np.array([[0, 1]]))[0])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Fine, thanks - and you?", ["fine", "thanks", "and", "you"]),
        ("What is C++?", ["what", "is", "c", "+", "+", "?"]),
        ("It cost 3.5 in 2020.", ["it", "cost", "3", ".", "5", "in", "2020"]),
        ("今天。Hello 你好", ["今", "天", "hello", "你", "好"]),
        ("zero\u200bwidth", ["zerowidth"]),
        ("\u202bright to left\u202c", ["right", "to", "left"]),
        ("  \n ", []),
        ("كيف الحال؟", ["كيف", "الحال"]),
        ("मौसम कैसा है।", ["मौसम", "कैसा", "है"]),
        ("¿Qué hora es?", ["qué", "hora", "es"]),
        ("I’m “fine”", ["i", "'", "m", '"', "fine", '"']),  # noqa: RUF001 - as printed
    ],
)
def test_words_are_those_that_are_read(text: str, words: list[str]) -> None:
    assert split_words([text]).to_list() == [words]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("What is C++?", "What is C#?", False),
        ("What is 12 + 4?", "What is 12 - 4?", False),
        ("What is 5!?", "What is 5?", False),
        ("What is 5²?", "What is 52?", False),
        ("Name this: 😀", "Name this: 😭", False),
        ("Good morning", "Good morning to you", False),
        ("What happened in 2020?", "what happened in 2020", True),
        ("Good  morning!", "good morning", True),
        ("Fine, thanks - and you?", "Fine thanks, and you", True),
        ("caf\u00e9", "cafe\u0301", True),
    ],
)
def test_texts_are_equal_when_their_words_and_symbols_are(one: str, other: str, same: bool) -> None:
    keys = hash_words(split_words([one, other]))

    assert (len(set(keys.tolist())) == 1) is same
    assert (overlap(one, other) == 1.0) is same


def test_shingles_are_runs_within_one_text_and_a_short_text_is_one_of_its_own() -> None:
    found = word_shingles(split_words(["a b c d", "b c d", "c d", "", "c d"]), 3)

    assert found.starts.tolist() == [0, 2, 3, 4, 5, 6]
    assert found.hashes[1] == found.hashes[2]
    assert found.hashes[3] == found.hashes[5]
    assert len(set(found.hashes.tolist())) == 4


def test_overlap_counts_every_shingle_as_often_as_it_stands_there() -> None:
    assert overlap("a b c d", "a b c e") == pytest.approx(1 / 3)
    assert overlap("ha ha ha ha", "ha ha ha ha ha ha") == 0.5
    assert overlap("a b c d", "d c b a") == 0.0
    characters = character_shingles(split_words(["abcdef", "abcdeg", "abc"]), 5)
    pairs = np.array([[0, 1], [0, 2]])
    assert overlaps(characters, pairs).tolist() == [pytest.approx(1 / 3), 0.0]


def test_bands_are_as_long_as_the_bound_on_missed_pairs_allows() -> None:
    assert rows_per_band(0.7) == 4
    assert rows_per_band(0.8) == 5
    assert chance_missed(0.7, 4) == pytest.approx((1 - 0.7**4) ** 32)
    assert chance_missed(0.7, 5) > 0.001


def test_every_pair_above_the_bound_is_proposed_as_brute_force_finds_it() -> None:
    rng = random.Random(0)
    vocabulary = [f"w{n}" for n in range(3000)]
    made = [" ".join(rng.choices(vocabulary, k=40)) for _ in range(150)]
    for _ in range(150):
        words = rng.choice(made[:150]).split()
        for place in rng.sample(range(len(words)), rng.randint(1, 3)):
            words[place] = rng.choice(vocabulary)
        made.append(" ".join(words))
    shingles = word_shingles(split_words(made), 3)
    every = np.array([(i, j) for i in range(300) for j in range(i + 1, 300)])

    found = candidates(sketches(shingles), 0.7)

    expected = {tuple(pair) for pair in every[overlaps(shingles, every) >= 0.7].tolist()}
    assert len(expected) > 50
    assert expected <= {tuple(pair) for pair in found.tolist()}
    assert len(found) < len(every) / 100


def test_a_crowd_of_equal_sketches_does_not_grow_with_its_square() -> None:
    crowd = np.zeros((1000, 128), np.uint32)

    found = candidates(crowd, 0.8)

    assert len(found) == 999 + 998
    assert len(set(components(1000, found))) == 1


def test_chains_are_split_where_members_are_unlike_the_centre() -> None:
    chain = np.array([[0, 1], [1, 2], [2, 3], [3, 4]])

    def never(pairs: Any) -> Any:
        return np.zeros(len(pairs), np.bool_)

    def always(pairs: Any) -> Any:
        return np.ones(len(pairs), np.bool_)

    assert centres(6, chain, never).tolist() == [1, 1, 1, 3, 3, 5]
    assert centres(6, chain, always).tolist() == [1, 1, 1, 1, 1, 5]


@pytest.mark.parametrize("exact_up_to", [1000, 1])
def test_neighbours_are_those_of_brute_force(exact_up_to: int) -> None:
    rng = np.random.default_rng(0)
    middles = rng.normal(size=(40, 16))
    vectors = np.repeat(middles, 5, axis=0) + 0.05 * rng.normal(size=(200, 16))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    config = NearDuplicates(
        kind="near_duplicates", similarity=0.95, search=Search(exact_up_to=exact_up_to, sampled=64)
    )

    nearest, edges, _, _ = find_neighbours(
        [f"{n:03d}" for n in range(200)], vectors, config, Runtime(), seed=0
    )

    all_ = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    np.fill_diagonal(all_, -1)
    expected = {(i, j) for i, j in np.argwhere(all_ >= 0.95).tolist() if i < j}
    assert {tuple(pair) for pair in edges.pairs.tolist()} == expected
    assert edges.overlaps == pytest.approx([all_[i, j] for i, j in edges.pairs.tolist()], abs=1e-5)
    assert nearest == pytest.approx(all_.max(axis=1), abs=1e-5)


def test_no_prompts_and_one_prompt_have_no_neighbours() -> None:
    config = NearDuplicates(kind="near_duplicates")
    for count in (0, 1):
        vectors = np.ones((count, 4), np.float32) / 2
        nearest, edges, _, _ = find_neighbours(["a"][:count], vectors, config, Runtime(), seed=0)

        assert len(edges.pairs) == 0
        assert np.isnan(nearest).all()


def judged(name: str, **more: Any) -> dict[str, Any]:
    """Return a pair of cluster 0 with one vote for it, but for what is given."""
    facts = {"is_tie": False, "is_identical": False, "num_empty": 0, "human_verdict": None}
    votes = {"votes_for": 1, "votes_against": 0, "agreement": 1.0}
    return {"pair_id": name, "copy": 0, "up": True, **facts, **votes, **more}


def ranked(rows: list[dict[str, Any]]) -> list[str]:
    schema = {"human_verdict": pl.String, "agreement": pl.Float64}
    found = add_cluster_columns(pl.DataFrame(rows, schema_overrides=schema)).sort(
        "copy", "pair_cluster_rank"
    )
    assert found["pair_is_representative"].to_list() == (found["pair_cluster_rank"] == 1).to_list()
    return found["pair_id"].to_list()


def test_the_pair_with_the_most_votes_then_agreement_then_id_stands_for_its_cluster() -> None:
    rows = [
        judged("p4"),
        judged("p3", up=False, votes_for=2, votes_against=1, agreement=0.5),
        judged("p2", votes_for=3, agreement=0.8),
        judged("p1", votes_for=3, agreement=0.8),
        judged("p0", copy=1, votes_for=0, agreement=None),
    ]

    found = add_cluster_columns(pl.DataFrame(rows, schema_overrides={"human_verdict": pl.String}))

    assert ranked(rows) == ["p1", "p2", "p3", "p4", "p0"]
    found = found.sort("pair_id")
    assert found["pair_cluster"].to_list() == ["p0", "p1", "p1", "p1", "p1"]
    assert found["pair_cluster_agreeing"].to_list() == [0, 2, 2, 0, 2]
    assert found["pair_cluster_opposed"].to_list() == [0, 1, 1, 3, 1]


@pytest.mark.parametrize(
    "flaw",
    [
        {"is_tie": True, "votes_for": 5, "votes_against": 5, "agreement": 0.4},
        {"is_identical": True, "votes_for": 9},
        {"num_empty": 1, "votes_for": 9},
        {"human_verdict": "drop", "votes_for": 9},
        {"human_verdict": "both_bad", "votes_for": 9},
        {"votes_for": 0, "agreement": None},
    ],
)
def test_a_pair_without_a_usable_label_ranks_after_one_with_it(flaw: dict[str, Any]) -> None:
    assert ranked([judged("p0", **flaw), judged("p9")]) == ["p9", "p0"]


def test_ties_are_no_votes_for_a_pair() -> None:
    often_tied = judged("p0", votes_for=1, votes_tie=7, agreement=0.125)

    assert ranked([often_tied, judged("p9", votes_for=2, votes_tie=0)]) == ["p9", "p0"]


def ring(count: int) -> Any:
    """Return unit vectors of which each is within 0.9 of all others, and one apart."""
    rng = np.random.default_rng(0)
    vectors = np.concatenate([np.ones((count, 1)), 0.02 * rng.normal(size=(count, 63))], axis=1)
    vectors = np.concatenate([vectors, np.eye(64)[1:2]])
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize(
    ("count", "expected", "full"),
    # all pairs of 40; of 400 the 256 nearest of each
    [(40, 40 * 39 // 2, 0), (400, None, 400)],
)
def test_lists_that_are_full_of_near_duplicates_are_made_longer(
    count: int, expected: int | None, full: int
) -> None:
    vectors = ring(count)
    ids = [f"{place:03d}" for place in range(len(vectors))]
    config = Nearness(0.9, 4, Search())

    found = find_neighbours(ids, vectors, config, Runtime(), seed=0)

    cosines = (vectors.astype(np.float64) @ vectors.T.astype(np.float64))[:count, :count]
    assert cosines.min() > 0.9
    assert found.notes["full_lists"] == full
    if expected is not None:
        assert len(found.edges.pairs) == expected
        assert full_lists_remark("prompts", found.notes) is None
    else:
        assert 400 * 256 // 2 <= len(found.edges.pairs) < 400 * 399 // 2
        assert full_lists_remark("prompts", found.notes) == (
            "400 prompts have more than 256 semantic near duplicates each; only the nearest 256 "
            "are joined; raise `similarity` of `near_duplicates` to get fewer"
        )
