"""Near duplicates of prompts, responses and pairs, on made rows and by hand."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from prefine.measure.near_duplicates import NearDuplicates
from prefine.measure.near_duplicates.pairs import add_cluster_columns
from prefine.measure.near_duplicates.semantic import Nearness, find_neighbours, full_lists_remark
from prefine.plan import publish_plan
from prefine.plan.look import read_table
from prefine.schema import prompt_id
from prefine.search.settings import Search
from prefine.settings import Runtime
from prefine.text.clusters import centres, components
from prefine.text.overlap import overlaps
from prefine.text.sketches import candidates, chance_missed, rows_per_band, sketches
from prefine.text.words import character_shingles, keys_of, word_shingles, words_of
from tests.made import explicit, run_recipe, table, user

RECIPE = "name: made\nsources: [{name: made, files: [rows.jsonl]}]\nmeasures: "
ALL = "[{kind: near_duplicates, of: [pairs]}]"


def overlap(one: str, other: str, size: int = 3) -> float:
    shingles = word_shingles(words_of([one, other]), size)
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
    assert words_of([text]).to_list() == [words]


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
    keys = keys_of(words_of([one, other]))

    assert (len(set(keys.tolist())) == 1) is same
    assert (overlap(one, other) == 1.0) is same


def test_shingles_are_runs_within_one_text_and_a_short_text_is_one_of_its_own() -> None:
    found = word_shingles(words_of(["a b c d", "b c d", "c d", "", "c d"]), 3)

    assert found.starts.tolist() == [0, 2, 3, 4, 5, 6]
    assert found.hashes[1] == found.hashes[2]
    assert found.hashes[3] == found.hashes[5]
    assert len(set(found.hashes.tolist())) == 4


def test_overlap_counts_every_shingle_as_often_as_it_stands_there() -> None:
    assert overlap("a b c d", "a b c e") == pytest.approx(1 / 3)
    assert overlap("ha ha ha ha", "ha ha ha ha ha ha") == 0.5
    assert overlap("a b c d", "d c b a") == 0.0
    characters = character_shingles(words_of(["abcdef", "abcdeg", "abc"]), 5)
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
    shingles = word_shingles(words_of(made), 3)
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


ASKED = "My lamp stopped working after the storm last night, what should I check first"
PROMPTS = (
    f"{ASKED}?",
    ASKED.lower().replace(",", " -"),
    ASKED.replace("lamp", "radio"),
    f"{ASKED} of all?",
    "Good morning",
    "Good evening",
    "Good  morning!",
)


def test_near_copies_are_one_cluster_and_templates_and_short_prompts_are_not(
    write_lines: Any, tmp_path: Path
) -> None:
    write_lines([explicit(prompt, f"Yes {n}", f"No {n}") for n, prompt in enumerate(PROMPTS)])

    found = table(f"{RECIPE}[{{kind: near_duplicates}}]\n", tmp_path, "prompt_clusters")

    by_id = {row["prompt_id"]: row for row in found.iter_rows(named=True)}
    storm, calm, radio, all_, morning, evening, shout = (
        by_id[prompt_id([user(prompt)])] for prompt in PROMPTS
    )
    assert len({row["prompt_cluster"] for row in by_id.values()}) == 4
    assert storm["prompt_cluster"] == calm["prompt_cluster"] == all_["prompt_cluster"]
    assert (storm["prompt_cluster_by"], storm["prompt_overlap"]) == ("same_words", 1.0)
    # 12 of the 14 shingles of the longer text
    assert (all_["prompt_cluster_by"], all_["prompt_overlap"]) == ("words", 12 / 14)
    assert radio["prompt_cluster_size"] == evening["prompt_cluster_size"] == 1
    assert radio["prompt_cluster_by"] is None
    assert morning["prompt_cluster"] == shout["prompt_cluster"]
    assert found["prompt_is_representative"].sum() == 4


def test_many_small_slips_are_found_by_characters(write_lines: Any, tmp_path: Path) -> None:
    said = "unquestionably extraordinary circumstances necessitate comprehensive investigations "
    text = (said * 3 + "regarding international telecommunications").strip()
    slips = text.replace("extraordinary", "extraordinery", 1)
    slips = slips[:200] + slips[200:].replace("comprehensive", "comprehensiv", 1)
    write_lines([explicit(text, "a", "b"), explicit(slips, "a", "b")])
    recipe = f"{RECIPE}[{{kind: near_duplicates, jaccard: 0.6"

    found = table(f"{recipe}}}]\n", tmp_path, "prompt_clusters")
    words = table(f"{recipe}, character_jaccard: null}}]\n", tmp_path, "prompt_clusters")

    assert set(found["prompt_cluster_by"]) == {"characters"}
    assert set(words["prompt_cluster_size"]) == {1}


def test_the_prompt_with_the_most_votes_stands_for_its_cluster(
    write_lines: Any, tmp_path: Path
) -> None:
    copies = [f"{ASKED}?", f"{ASKED}!", f"{ASKED}."]
    once = [explicit(copy, "yes", "no") for copy in copies]
    voted = max(copies, key=lambda copy: prompt_id([user(copy)]))
    write_lines([*once, explicit(voted, "yes", "never")])

    found = table(f"{RECIPE}[{{kind: near_duplicates}}]\n", tmp_path, "prompt_clusters")

    assert set(found["prompt_cluster"]) == {prompt_id([user(voted)])}
    assert found["prompt_cluster_size"].to_list() == [3, 3, 3]


def test_a_copy_in_another_source_is_found_and_a_reversed_label_is_told(
    write_lines: Any, tmp_path: Path
) -> None:
    everest, k2 = "Everest is the tallest.", "It is K2, they say."
    mountain = "What is the tallest mountain?"
    write_lines([explicit(mountain, everest, k2), explicit("And the sea?", everest, "No.")])
    turned = [explicit(mountain.lower(), k2.lower(), everest.upper())]
    write_lines([*turned, explicit("and the sea", "everest is the tallest", "no")], "more.jsonl")
    sources = "[{name: a, files: [rows.jsonl]}, {name: b, files: [more.jsonl]}]"
    recipe = f"name: made\nsources: {sources}\nmeasures: {ALL}\n"

    found = table(recipe, tmp_path, "facts").sort("prompt_cluster_size", "pair_id")

    assert found["pair_cluster_size"].to_list() == [2, 2, 2, 2]
    assert found["pair_cluster_sources"].to_list() == [2, 2, 2, 2]
    assert found["pair_is_representative"].sum() == found["pair_cluster"].n_unique() == 2
    mountains = found.filter(pl.col("pair_cluster_opposed") == 1)
    seas = found.filter(pl.col("pair_cluster_agreeing") == 1)
    assert mountains.height == seas.height == 2
    asked = {prompt_id([user(text)]) for text in (mountain, mountain.lower())}
    assert set(mountains["prompt_id"]) == asked
    assert set(found["chosen_text_prompts"]) | set(found["rejected_text_prompts"]) == {2, 4}


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
def test_a_pair_that_teaches_nothing_comes_after_one_that_does(flaw: dict[str, Any]) -> None:
    assert ranked([judged("p0", **flaw), judged("p9")]) == ["p9", "p0"]


def test_ties_are_no_votes_for_a_pair() -> None:
    often_tied = judged("p0", votes_for=1, votes_tie=7, agreement=0.125)

    assert ranked([often_tied, judged("p9", votes_for=2, votes_tie=0)]) == ["p9", "p0"]


def test_a_tie_does_not_stand_for_the_prompts_of_its_cluster(
    write_lines: Any, tmp_path: Path
) -> None:
    tied, told = sorted((f"{ASKED}?", f"{ASKED}!"), key=lambda copy: prompt_id([user(copy)]))
    rows = [{"p": tied, "x": "yes", "y": "no", "w": "tie", "who": str(n)} for n in range(3)]
    write_lines([*rows, {"p": told, "x": "yes", "y": "no", "w": "a", "who": "0"}])
    layout = (
        "format: columns, columns: {prompt: p, responses: [x, y], annotator: who, "
        "labels: [{column: w, values: {a: a, tie: tie}}]}"
    )
    source = f"name: made\nsources: [{{name: made, files: [rows.jsonl], {layout}}}]\n"

    found = table(f"{source}measures: {ALL}\n", tmp_path, "facts").sort("prompt_cluster_rank")

    assert set(found["prompt_cluster"]) == {prompt_id([user(told)])}
    assert found["prompt_cluster_rank"].to_list() == [1, 2]
    assert found["prompt_is_representative"].to_list() == [True, False]
    assert found["pair_cluster_rank"].to_list() == [1, 2]
    assert found["is_tie"].to_list() == [False, True]


@pytest.mark.slow
def test_more_shards_than_prompts_and_blank_texts_are_no_trouble(
    write_lines: Any, tmp_path: Path
) -> None:
    blank = explicit("Say nothing", "", " \n ")
    write_lines([blank, explicit("Say nothing at all", "no", ""), explicit("?", "a", "b")])
    measures = f"measures: {ALL.replace('[pairs]', '[pairs], by: [lexical, semantic]')}"
    head = "name: made\nshards: 20\nsources: [{name: made, files: [rows.jsonl]}]"

    found = table(f"{head}\n{measures}\n", tmp_path, "facts")

    assert found["prompt_cluster_size"].to_list() == [1, 1, 1]
    assert sorted(found["responses_alike"]) == [False, False, True]
    assert sorted(found["rejected_text_prompts"]) == [1, 2, 2]


def test_sides_of_one_cluster_need_the_same_text_to_be_copies(
    write_lines: Any, tmp_path: Path
) -> None:
    said = "First unplug the lamp then look at the fuse and at last replace the old bulb"
    asked = "What now?"
    write_lines([explicit(asked, f"{said}.", f"{said} please"), explicit("So?", said, "Buy one.")])
    # the first is the pair above but for a stop, the second but for white space at the ends
    turned = [explicit("what now", f"{said} please", said)]
    turned += [explicit("What now", f"\n{said} please ", f"{said}.  \n")]
    write_lines(turned, "more.jsonl")
    sources = "[{name: a, files: [rows.jsonl]}, {name: b, files: [more.jsonl]}]"
    recipe = f"name: made\nsources: {sources}\nmeasures: {ALL}\n"

    found = table(recipe, tmp_path, "facts")

    assert found["responses_alike"].to_list() == [False] * 4
    near = found.filter(pl.col("chosen_cluster") == pl.col("rejected_cluster"))
    assert near["responses_differ"].to_list() == ["words"] * 3
    assert sorted(near["pair_cluster_opposed"]) == [0, 1, 1]
    assert near["chosen_cluster_prompts"].to_list() == [4, 4, 4]
    assert found.filter(pl.col("prompt_cluster_size") == 1)["responses_differ"].to_list() == [None]


def test_clusters_do_not_depend_on_the_order_of_rows_nor_on_shards(
    write_lines: Any, tmp_path: Path
) -> None:
    rng = random.Random(1)
    vocabulary = [a + b + "o" for a in "bdfklm" for b in "aeiouy" * 2][:60]
    made = []
    for _ in range(60):
        words = rng.choices(vocabulary, k=rng.randint(1, 30))
        for _ in range(rng.randint(1, 3)):
            if rng.random() < 0.7:
                words[rng.randrange(len(words))] = rng.choice(vocabulary)
            sides = (rng.choice(["yes, of course", "No", "no!", " ".join(words[:20])]), "maybe not")
            made.append(explicit(" ".join(words), *sides))
    measures = "measures: [{kind: near_duplicates, of: [pairs], jaccard: 0.5}]"
    found = []
    for shards in (1, 3):
        rng.shuffle(made)
        write_lines(made)
        head = "name: made\nsources: [{name: made, files: [rows.jsonl]}]"
        folder = tmp_path / str(shards)
        recipe = f"{head}\nshards: {shards}\n{measures}\n"
        facts = table(recipe, tmp_path, "facts", root=str(folder))
        found.append(facts.sort("pair_id"))

    assert found[0].equals(found[1])
    assert (found[0]["prompt_cluster_size"] > 1).any()


def spelled(number: int) -> str:
    """Return a number as letters: a number in the text would keep the copies apart."""
    return "".join("abcdefghij"[int(digit)] for digit in str(number))


def test_a_chain_is_several_clusters_and_stays_on_one_side_of_the_split(
    write_lines: Any, tmp_path: Path
) -> None:
    # each text shares 35 of 41 shingles with the next, and under half with the fifth after it
    texts = {
        " ".join(spelled(chain) + "z" + spelled(n) for n in range(start, start + 40)): chain
        for chain in range(20)
        for start in range(0, 36, 3)
    }
    write_lines([explicit(text, "yes", "no") for text in texts])
    recipe = f"{RECIPE}[{{kind: near_duplicates}}]\nexport: {{test_ratio: 0.5}}\n"

    plan, runtime = run_recipe(recipe, tmp_path)
    publish_plan(plan, runtime, str(tmp_path / "out"))

    split = {
        name: {row["prompt"][0]["content"] for row in shard.iter_rows(named=True)}
        for name in ("train", "test")
        for shard in [pl.read_parquet(tmp_path / "out/data" / f"{name}-*.parquet")]
    }
    sides = [{texts[text] for text in found} for found in split.values()]
    assert not sides[0] & sides[1]
    assert all(sides)
    found = read_table(plan, runtime, "prompt_clusters")
    assert found["prompt_component"].n_unique() == 20
    assert found["prompt_cluster"].n_unique() >= 40
    assert 5 <= found["prompt_cluster_size"].max() <= 9


def test_embeddings_join_what_no_word_does_where_the_recipe_says_so(
    write_lines: Any, tmp_path: Path
) -> None:
    parts = ["The lamp in the kitchen is broken.", "The radio fell down.", "What shall I do now?"]
    turned = [" ".join(parts), " ".join(reversed(parts)), "Why is the sky blue?"]
    write_lines([explicit(text, "yes", "no") for text in turned])
    recipe = f"{RECIPE}[{{kind: near_duplicates, by: [semantic]}}]\n"

    found = table(recipe, tmp_path, "facts")

    by_id = {row["prompt_id"]: row for row in found.iter_rows(named=True)}
    one, other, sky = (by_id[prompt_id([user(text)])] for text in turned)
    assert one["prompt_cluster"] == other["prompt_cluster"]
    assert one["prompt_cluster_by"] == "semantic"
    # an average of the words' vectors does not know their order
    assert one["prompt_overlap"] == one["prompt_similarity"] == pytest.approx(1.0, abs=1e-3)
    assert (sky["prompt_cluster_size"], sky["prompt_cluster_by"]) == (1, None)


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


def test_a_text_that_is_embedded_in_part_is_no_semantic_duplicate(
    write_lines: Any, tmp_path: Path
) -> None:
    begin = "The lamp in the kitchen is broken and the radio fell down. " * 2
    asked = [f"{begin} Why is the sky blue?", f"{begin} Name the capital of Peru.", "Bake bread"]
    write_lines([explicit(text, "yes", "no") for text in asked])
    recipe = f"{RECIPE}[{{kind: near_duplicates, by: [semantic]}}]\nencoder: {{max_chars: 100}}\n"

    found = table(recipe, tmp_path, "prompt_clusters")

    assert found["prompt_cluster_size"].to_list() == [1, 1, 1]
    assert found["prompt_similarity"].null_count() == 3
    reasons = found["prompt_similarity_reason"].sort().to_list()
    assert reasons == ["alone", "too_long", "too_long"]


@pytest.mark.parametrize(("least", "size"), [(0.5, 1), (0.0, 2)])
def test_embeddings_join_only_texts_with_words_in_common(
    write_lines: Any, tmp_path: Path, least: float, size: int
) -> None:
    # the same words in another order: a static encoder sees no difference
    asked = ["the dog of my aunt bites every old man", "every old man bites the aunt of my dog"]
    write_lines([explicit(text, "yes", "no") for text in [*asked, "Why is the sky blue?"]])
    more = f"by: [semantic], semantic_jaccard: {least}"

    found = table(f"{RECIPE}[{{kind: near_duplicates, {more}}}]\n", tmp_path, "prompt_clusters")

    assert found["prompt_similarity"].max() > 0.99
    assert found["prompt_cluster_size"].max() == size
