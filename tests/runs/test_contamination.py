"""Contamination measured in runs of a recipe."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from prefine.cli import app
from prefine.errors import DataError, RecipeError
from prefine.planning import publish_plan
from prefine.planning.dossier import dossier
from prefine.planning.look import read_table
from prefine.recipe import parse_recipe
from prefine.schema import Column, Flip, prompt_id
from tests.made import assistant, explicit, run_recipe, table, turn, user
from tests.unit.test_contamination import RECIPE, RIVER

pytestmark = pytest.mark.usefixtures("distilled")


def measured(
    prompts: list[Any], questions: list[Any], write_lines: Any, folder: Path, recipe: str = ""
) -> list[dict[str, Any]]:
    """Return the facts of pairs of these prompts, or (prompt, chosen, rejected), in their order."""
    rows = [explicit(*(p if isinstance(p, tuple) else (p, "yes", "no"))) for p in prompts]
    write_lines(rows)
    write_lines([q if isinstance(q, dict) else {"prompt": q} for q in questions], "puzzles.jsonl")
    facts = table(recipe or RECIPE, folder, "facts")
    by_id = {row["prompt_id"]: row for row in facts.iter_rows(named=True)}
    return [by_id[prompt_id(row["prompt"])] for row in rows]


def resolved_column(name: str) -> Column:
    return parse_recipe(RECIPE).measured[name]


def test_prompts_tell_the_benchmark_text_that_they_show_the_most_of(
    write_lines: Any, tmp_path: Path
) -> None:
    prompts = {
        "whole": f"Solve this. {RIVER}. How many trips?",
        # 6 of the text's 11 runs of 8 words
        "part": " ".join(RIVER.split()[:13]),
        "same": "what IS two plus two",
        "other": "Tell me a story about a goat and a cabbage that live near a river in the hills",
    }
    write_lines([explicit(text, "yes", "no") for text in prompts.values()])
    questions = [RIVER, "What is two plus two?", "Name a colour."]
    write_lines([{"prompt": text} for text in questions], "puzzles.jsonl")

    found = table(RECIPE, tmp_path, "facts")

    by_id = {row["prompt_id"]: row for row in found.iter_rows(named=True)}
    named = {name: by_id[prompt_id([user(text)])] for name, text in prompts.items()}
    ids = {name: row["contamination_example"] for name, row in named.items()}
    assert ids == {
        "whole": prompt_id([user(RIVER)]),
        "part": prompt_id([user(RIVER)]),
        "same": prompt_id([user(questions[1])]),
        "other": None,
    }
    told = {n: (r["contamination_overlap"], r["contamination_by"]) for n, r in named.items()}
    assert told == {
        "whole": (1.0, "ngrams"),
        "part": (pytest.approx(6 / 11), "ngrams"),
        "same": (1.0, "exact"),
        "other": (0.0, None),
    }
    assert named["other"]["contamination_benchmark"] is None


@pytest.mark.parametrize("names", [("puzzles", "riddles"), ("riddles", "puzzles")])
def test_a_text_of_two_benchmarks_is_that_of_the_first(
    write_lines: Any, tmp_path: Path, names: tuple[str, str]
) -> None:
    prompts = [f"Is {n} a prime number, or is it not?" for n in range(300)]
    write_lines([explicit(text, "yes", "no") for text in prompts])
    for name in names:
        write_lines([{"prompt": text} for text in prompts], f"{name}.jsonl")
    benchmarks = ", ".join(f"{{name: {name}, files: [{name}.jsonl]}}" for name in names)
    recipe = RECIPE.replace("{name: puzzles, files: [puzzles.jsonl]}", benchmarks)
    assert recipe != RECIPE

    found = table(recipe, tmp_path, "measure_contamination")

    assert found["contamination_benchmark"].unique().to_list() == [names[0]]


def test_one_turn_of_a_conversation_is_enough(write_lines: Any, tmp_path: Path) -> None:
    asked = [turn("system", "Be brief."), user("Hi"), assistant("Hello"), user("Name a colour")]
    sides = {"chosen": [assistant("red")], "rejected": [assistant("no")]}
    said = [user("Say"), assistant("Name a colour"), user("Why?")]
    write_lines([{"prompt": asked, **sides}, {"prompt": said, **sides}])
    write_lines([{"prompt": "Name a colour."}], "puzzles.jsonl")

    found = table(RECIPE, tmp_path, "facts")

    by_id = {row["prompt_id"]: row["contamination_by"] for row in found.iter_rows(named=True)}
    assert by_id == {prompt_id(asked): "exact", prompt_id(said): None}


def test_rules_drop_the_manifest_counts_and_explain_shows_the_text(
    write_lines: Any, tmp_path: Path
) -> None:
    copied = f"Dear assistant, {RIVER.lower()}. Help me!"
    clean = [f"Is {n} a prime number or not?" for n in range(4)]
    write_lines([explicit(text, "yes", "no") for text in [copied, *clean]])
    lines = [{"prompt": RIVER}, {"question": "?"}, {"prompt": " "}]
    write_lines(lines, "puzzles.jsonl")
    write_lines([{"turns": ["Is 3 a prime number or not?", "Why?"]}], "primes.jsonl")
    more = "{name: primes, files: [primes.jsonl], text: turns}"
    recipe = RECIPE.replace("puzzles.jsonl]}", f"puzzles.jsonl]}}, {more}")
    recipe += "shards: 2\nrules: [{name: leaked, column: contamination_overlap, maximum: 0.5}]\n"

    plan, runtime = run_recipe(recipe, tmp_path)
    manifest = publish_plan(plan, runtime, str(tmp_path / "out"))

    assert manifest["dropped"] == {"leaked": 1}
    counts = {"texts": 1, "prompts_exact": 0, "prompts_whole": 0, "prompts_overlap": 1}
    counts |= {"responses_exact": 0, "responses_whole": 0, "responses_overlap": 0}
    assert manifest["benchmarks"] == {"puzzles": counts, "primes": counts | {"prompts_overlap": 0}}
    refused = read_table(plan, runtime, "quarantine")
    assert sorted(refused["reason"]) == ["missing_value", "prompt_empty"]
    assert set(refused["source"]) == {"puzzles"}
    leaked = read_table(plan, runtime, "decisions").filter(pl.col("rule") == "leaked")["pair_id"][0]
    matches = dossier(plan, runtime, leaked).matches
    assert matches.rows() == [("puzzles", RIVER, "puzzles.jsonl", 1)]
    shown = CliRunner().invoke(app, ["explain", leaked, "--root", runtime.root])
    assert shown.exit_code == 0
    assert "similar to a text of benchmark puzzles" in shown.output
    assert RIVER in shown.output.replace("\n", " ")


def test_explain_shows_questions_with_their_answers_and_every_item_named(
    write_lines: Any, tmp_path: Path
) -> None:
    passage = " ".join(f"word{n}" for n in range(60))
    items = [{"prompt": "Why so?", "answer": RIVER}, {"prompt": passage}]
    rows = [explicit("Any puzzle?", f"{RIVER}. {passage[:200]}", "no")]
    rows += [explicit(f"Is {n} a prime?", "yes", "no") for n in range(3)]
    write_lines(rows)
    write_lines(items, "puzzles.jsonl")
    recipe = RECIPE.replace("puzzles.jsonl]", "puzzles.jsonl], answer: 'answer?'")
    recipe += "rules: [{name: leaked, column: contamination_overlap, maximum: 0.5}]\n"

    plan, runtime = run_recipe(recipe, tmp_path)

    leaked = read_table(plan, runtime, "decisions").filter(pl.col("rule") == "leaked")["pair_id"]
    (found,) = (dossier(plan, runtime, pair) for pair in leaked)
    assert found.matches["text"].to_list() == [f"Why so?\n\n{RIVER}", passage]


def test_embeddings_find_what_is_said_in_other_words(write_lines: Any, tmp_path: Path) -> None:
    near, far = "How do I repair a broken bicycle wheel?", "Who was the first emperor of Rome?"
    write_lines([explicit(near, "yes", "no"), explicit(far, "yes", "no")])
    asked = ["How can I fix the broken wheel of a bicycle?", "Which fish live in warm rivers?"]
    write_lines([{"prompt": text} for text in asked], "puzzles.jsonl")
    recipe = f"{RECIPE}    semantic: true\n    counted_similarity: 0.7\n"

    found = table(recipe, tmp_path, "facts")

    by_id = {row["prompt_id"]: row for row in found.iter_rows(named=True)}
    first, second = by_id[prompt_id([user(near)])], by_id[prompt_id([user(far)])]
    assert first["contamination_nearest"] == prompt_id([user(asked[0])])
    assert first["contamination_similarity"] > 0.7 > second["contamination_similarity"]
    assert first["contamination_overlap"] == second["contamination_overlap"] == 0.0


def test_a_benchmark_without_texts_is_an_error(write_lines: Any, tmp_path: Path) -> None:
    write_lines([explicit("Hi", "yes", "no")])
    write_lines([{"prompt": " "}], "puzzles.jsonl")

    said = r"benchmark puzzles: no row has a text at `prompt` \(\w+ 1\); set `text`"
    with pytest.raises(DataError, match=said):
        table(RECIPE, tmp_path, "measure_contamination")


def test_a_benchmark_that_is_read_in_part_is_a_note_of_the_run(
    write_lines: Any, tmp_path: Path
) -> None:
    write_lines([explicit("Hi", "yes", "no")])
    write_lines([{"prompt": "Why is it so?"}, {"question": "Why?"}, {"x": 1}], "puzzles.jsonl")

    plan, runtime = run_recipe(RECIPE, tmp_path)
    remarks = publish_plan(plan, runtime, str(tmp_path / "out"))["remarks"]

    assert len(remarks) == 1
    assert remarks[0].startswith("2 of 3 rows in a file of benchmark puzzles (")
    assert str(tmp_path) not in remarks[0]


def test_a_short_item_is_found_inside_a_frame(write_lines: Any, tmp_path: Path) -> None:
    capital = "What is the capital of France?"
    prompts = [
        f"Please answer: {capital} Thanks",
        'Asked: "**What** is the capital of France?", they said',
        "Tell me: what is the capital city of France?",
        "Name a colour. Quickly!",
    ]

    found = measured(prompts, [capital, "Name a colour."], write_lines, tmp_path)

    told = [(r["contamination_by"], r["contamination_longest_run"]) for r in found]
    assert told == [("whole", 6), ("whole", 6), (None, 0), (None, 0)]
    assert [row["contamination_overlap"] for row in found] == [1.0, 1.0, 0.0, 0.0]


def test_the_floor_counts_three_characters_without_spaces_as_two_words(
    write_lines: Any, tmp_path: Path
) -> None:
    prompts = ["请问你好大世界可以吗", "请问质子泵是什么呢", "请回答。法国的首都是哪里。谢谢"]
    items = ["你好大世界", "质子泵是什么", "法国的首都是哪里"]

    found = measured(prompts, items, write_lines, tmp_path)

    assert [row["contamination_by"] for row in found] == [None, "whole", "ngrams"]


def test_responses_are_looked_at_and_swap_with_a_flip(write_lines: Any, tmp_path: Path) -> None:
    rows = [
        ("Any puzzle?", f"Sure: {RIVER}. Solve it!", "no"),
        ("A riddle?", "no", f"Here: {RIVER}."),
        (f"{RIVER}?", "One", "Two"),
    ]

    found = measured(rows, [RIVER], write_lines, tmp_path)

    sides = ("prompt_", "chosen_", "rejected_", "")
    told = [tuple(row[f"{side}contamination_overlap"] for side in sides) for row in found]
    assert told == [(0.0, 1.0, 0.0, 1.0), (0.0, 0.0, 1.0, 1.0), (1.0, 0.0, 0.0, 1.0)]
    assert [row["contamination_example"] for row in found] == [prompt_id([user(RIVER)])] * 3
    column = resolved_column("chosen_contamination_overlap")
    assert (column.flip, column.partner) == (Flip.SWAP, "rejected_contamination_overlap")


def test_in_names_where_items_are_looked_for(write_lines: Any, tmp_path: Path) -> None:
    rows = [("Any puzzle?", f"Sure: {RIVER}. Solve it!", "no"), (f"{RIVER}?", "One", "Two")]

    for places, expected in {"[prompts]": [0.0, 1.0], "[responses]": [1.0, 0.0]}.items():
        recipe = f"{RECIPE}    in: {places}\n"
        found = measured(rows, [RIVER], write_lines, tmp_path, recipe)
        assert [row["contamination_overlap"] for row in found] == expected
        assert ("chosen_contamination_overlap" in found[0]) == (places == "[responses]")
        assert "prompt_contamination_overlap" not in found[0]
    with pytest.raises(RecipeError, match="`in` lists a table twice: prompts, prompts"):
        parse_recipe(f"{RECIPE}    in: [prompts, prompts]\n")


def test_answers_are_found_alone_and_behind_their_questions(
    write_lines: Any, tmp_path: Path
) -> None:
    long = "Because the moon turns once around its own axis in the time of one orbit"
    questions = [
        {"prompt": "Why so?", "answer": long},
        {"prompt": "Two primes?", "answer": "5, 7"},
        {"prompt": "Name the letter behind A.", "answer": "B"},
        {"prompt": "How many of them?", "answer": 42},
        {"prompt": "No answer here at all?", "answer": None},
    ]
    rows = [
        ("Moon?", f"Well. {long}.", "B"),
        ("Quiz", "Two primes? 5, 7. Right!", "5, 7"),
        ("Letter", "B", "42"),
    ]
    recipe = RECIPE.replace("puzzles.jsonl]", "puzzles.jsonl], answer: answer")

    found = measured(rows, questions, write_lines, tmp_path, recipe)

    sides = ("chosen_contamination_overlap", "rejected_contamination_overlap")
    told = [tuple(row[side] for side in sides) for row in found]
    assert told == [(1.0, 0.0), (1.0, 0.0), (0.0, 0.0)]
    assert found[0]["contamination_example"] == prompt_id([user("Why so?")])
    assert measured(rows, questions, write_lines, tmp_path)[0]["contamination_overlap"] == 0.0


QUIZ = (
    "Which gas do plants take from the air to make sugar?\n"
    "A. oxygen\nB. carbon dioxide\nC. nitrogen\nD. hydrogen and helium"
)


def test_options_in_another_order_are_found_as_parts(write_lines: Any, tmp_path: Path) -> None:
    stem, *options = QUIZ.split("\n")
    texts = [option[3:] for option in options]
    mixed = "\n".join(f"({label}) {text}" for label, text in zip("ABCD", texts[::-1], strict=True))
    inline = " ".join(f"{label}) {text}" for label, text in zip("abcd", texts[::-1], strict=True))
    prompts = [f"{stem}\n{mixed}", f"Quiz! {stem} {inline}", f"{stem} Why?", "oxygen or nitrogen"]

    found = measured(prompts, [QUIZ], write_lines, tmp_path)

    # the stem has 11 of the 18 words of all parts
    parts = [row["contamination_parts"] for row in found]
    assert parts == [1.0, 1.0, pytest.approx(11 / 18), 0.0]
    assert max(row["contamination_overlap"] for row in found) < 0.5
    assert [row["contamination_longest_run"] for row in found] == [11, 12, 11, 0]
    assert found[0]["contamination_parts_example"] == prompt_id([user(QUIZ)])


def test_what_a_benchmark_says_to_every_question_is_left_out(
    write_lines: Any, tmp_path: Path
) -> None:
    told = "Answer the question below and give reasons for every step that you take."
    asked = [
        f"Can {n} boats and {n + 1} ships cross the channel in {n + 2} hours?" for n in range(40)
    ]
    items = [f"{told} {question}" for question in asked]
    prompts = [f"{told} What is the weather like in Spain in the month of May?", f"Hm. {asked[3]}"]

    found = measured(prompts, items, write_lines, tmp_path)
    few = measured(prompts, items[:19], write_lines, tmp_path)

    assert [row["contamination_overlap"] for row in found] == [0.0, 1.0]
    # each question begins with "Can", which the instruction takes along
    assert [row["contamination_longest_run"] for row in found] == [0, 11]
    assert [row["contamination_longest_run"] for row in few] == [13, 12]
    # the 12 words of the question have 5 runs, and the whole item of 25 words has 18
    assert few[1]["contamination_overlap"] == pytest.approx(5 / 18)


def test_an_item_is_found_over_turns_and_in_any_of_them(write_lines: Any, tmp_path: Path) -> None:
    first, second = " ".join(RIVER.split()[:9]), " ".join(RIVER.split()[9:])
    sides = {"chosen": [assistant("yes")], "rejected": [assistant("no")]}
    asked = {
        "split": [user(first), assistant("Go on."), user(second)],
        "system": [turn("system", f"You know this: {RIVER}"), user("Hi")],
        "history": [user("Hi"), assistant(f"A riddle: {RIVER}."), user("Why?")],
        "half": [user(first), assistant("Go on."), user("No.")],
    }
    write_lines([{"prompt": turns, **sides} for turns in asked.values()])
    write_lines([{"prompt": RIVER}], "puzzles.jsonl")

    facts = table(RECIPE, tmp_path, "facts")

    by_id = {row["prompt_id"]: row for row in facts.iter_rows(named=True)}
    found = {name: by_id[prompt_id(turns)] for name, turns in asked.items()}
    assert {name: row["contamination_overlap"] for name, row in found.items()} == {
        "split": 1.0,
        "system": 1.0,
        "history": 1.0,
        "half": pytest.approx(2 / 11),
    }
    assert found["split"]["contamination_by"] == "exact"


def test_the_longest_run_is_of_the_item_that_has_it(write_lines: Any, tmp_path: Path) -> None:
    passage = " ".join(f"word{n}" for n in range(100))
    short = "Name the three largest rivers of northern Asia now"
    text = " ".join(passage.split()[10:30])

    (found,) = measured([f"{short}. {text}"], [passage, short], write_lines, tmp_path)

    assert found["contamination_overlap"] == 1.0
    assert found["contamination_longest_run"] == 20
    assert found["contamination_example"] == prompt_id([user(short)])
    assert found["contamination_run_example"] == prompt_id([user(passage)])


def test_unseen_and_full_width_characters_hide_nothing(write_lines: Any, tmp_path: Path) -> None:
    hidden = "".join(f"{letter}\u200b" for letter in RIVER)
    wide = "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in RIVER)
    turned = "\u202e" + RIVER.replace(" ", " \u2067") + "\u202c"

    found = measured([hidden, wide, turned], [RIVER], write_lines, tmp_path)

    assert [row["contamination_by"] for row in found] == ["exact"] * 3


def test_any_number_of_shards_and_order_of_files_gives_the_same(
    write_lines: Any, tmp_path: Path
) -> None:
    rows = [explicit(f"{RIVER} {n}", f"Is {n} one?", f"No {n}: {RIVER}") for n in range(12)]
    items = [{"prompt": RIVER}, {"prompt": RIVER[:60]}, {"prompt": "Is 3 one?"}]
    write_lines(rows)
    found: list[pl.DataFrame] = []
    for shards, order in ((1, 1), (5, -1)):
        write_lines(items[::order], "puzzles.jsonl")
        rows_of = table(f"{RECIPE}shards: {shards}\n", tmp_path, "measure_contamination")
        found.append(rows_of.sort("pair_id"))

    assert found[0].equals(found[1])
