"""Near duplicates measured in runs of a recipe."""

import random
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from prefine.planning import publish_plan
from prefine.planning.look import read_table
from prefine.schema import prompt_id
from tests.made import explicit, run_recipe, table, user

pytestmark = pytest.mark.usefixtures("distilled")

RECIPE = "name: made\nsources: [{name: made, files: [rows.jsonl]}]\nmeasures: "
ALL = "[{kind: near_duplicates, of: [pairs]}]"
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
    # the first adds a full stop, the second white space at the ends
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
    # an average of the words' vectors ignores their order
    assert one["prompt_overlap"] == one["prompt_similarity"] == pytest.approx(1.0, abs=1e-3)
    assert (sky["prompt_cluster_size"], sky["prompt_cluster_by"]) == (1, None)


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
