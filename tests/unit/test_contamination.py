"""Prompts that stand in benchmarks: by words, by runs of words and by embeddings."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from prefine.cli import app
from prefine.errors import DataError, RecipeError
from prefine.plan import make_plan, publish_plan
from prefine.plan.look import dossier, read_table
from prefine.recipe import parse_recipe
from prefine.schema import prompt_id
from prefine.settings import Runtime
from prefine.text import ngrams
from prefine.text.ngrams import runs, shared
from prefine.text.words import words_of
from tests.made import assistant, explicit, run_recipe, table, turn, user

RIVER = "A man stands at a river with a wolf a goat and a cabbage and one small boat"
HEAD = "name: made\nsources: [{name: made, files: [rows.jsonl]}]\nmeasures:\n"
RECIPE = (
    HEAD + "  - kind: contamination\n    benchmarks: [{name: puzzles, files: [puzzles.jsonl]}]\n"
)


def overlaps(texts: list[str], known: list[str], size: int) -> list[tuple[int, int, float]]:
    found = shared(runs(words_of(texts), size), runs(words_of(known), size))
    return sorted(pl.concat([pl.DataFrame(schema=_SCHEMA), *found]).iter_rows())


_SCHEMA = {"place": pl.Int64, "known": pl.Int64, "overlap": pl.Float64}


def test_the_overlap_is_the_share_of_the_known_texts_runs() -> None:
    known = ["a b c d e", "c d e", "x y"]
    texts = ["z a b c d z", "c d e c d e", "x y", "b c"]

    # of abc, bcd, cde the first text has two, the second one; of cde the second has all
    assert overlaps(texts, known, 3) == [
        (0, 0, pytest.approx(2 / 3)),
        (1, 0, pytest.approx(1 / 3)),
        (1, 1, 1.0),
    ]


def test_blocks_of_texts_give_what_one_block_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["the", "same", "old", "start", "of", "every", "question", "in", "this", "bench"]
    known = [" ".join([*words, f"k{n}"]) for n in range(20)]
    texts = [" ".join([*words[n % 3 :], f"t{n}"]) for n in range(30)]
    whole = overlaps(texts, known, 4)

    monkeypatch.setattr(ngrams, "_JOINED", 50)

    assert overlaps(texts, known, 4) == whole
    assert len(whole) == 600


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

    found = table(RECIPE, tmp_path, "measure_contamination")

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

    found = table(RECIPE, tmp_path, "measure_contamination")

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
    recipe += "shards: 2\nrules: [{name: leaked, column: contamination_overlap, maximum: 0.49}]\n"

    plan, runtime = run_recipe(recipe, tmp_path)
    manifest = publish_plan(plan, runtime, str(tmp_path / "out"))

    assert manifest["dropped"] == {"leaked": 1}
    counts = {"texts": 1, "prompts_exact": 0, "prompts_overlap": 1}
    assert manifest["benchmarks"] == {"puzzles": counts, "primes": counts | {"prompts_overlap": 0}}
    refused = read_table(plan, runtime, "quarantine")
    assert sorted(refused["reason"]) == ["missing_value", "prompt_empty"]
    assert set(refused["source"]) == {"puzzles"}
    leaked = read_table(plan, runtime, "decisions").filter(pl.col("rule") == "leaked")["pair_id"][0]
    matches = dossier(plan, runtime, leaked).matches
    assert matches.rows() == [("puzzles", RIVER, "puzzles.jsonl", 1)]
    shown = CliRunner().invoke(app, ["explain", leaked, "--root", runtime.root])
    assert shown.exit_code == 0
    assert "like a text of benchmark puzzles" in shown.output
    assert RIVER in shown.output.replace("\n", " ")


def test_embeddings_find_what_is_said_in_other_words(write_lines: Any, tmp_path: Path) -> None:
    near, far = "How do I repair a broken bicycle wheel?", "Who was the first emperor of Rome?"
    write_lines([explicit(near, "yes", "no"), explicit(far, "yes", "no")])
    asked = ["How can I fix the broken wheel of a bicycle?", "Which fish live in warm rivers?"]
    write_lines([{"prompt": text} for text in asked], "puzzles.jsonl")
    recipe = f"{RECIPE}    semantic: true\n    counted_similarity: 0.7\n"

    found = table(recipe, tmp_path, "measure_contamination")

    by_id = {row["prompt_id"]: row for row in found.iter_rows(named=True)}
    first, second = by_id[prompt_id([user(near)])], by_id[prompt_id([user(far)])]
    assert first["contamination_nearest"] == prompt_id([user(asked[0])])
    assert first["contamination_similarity"] > 0.7 > second["contamination_similarity"]
    assert first["contamination_overlap"] == second["contamination_overlap"] == 0.0


def test_a_benchmark_is_its_bytes_and_not_its_path(write_lines: Any, tmp_path: Path) -> None:
    write_lines([explicit("Hi", "yes", "no")])
    one = write_lines([{"prompt": RIVER}], "puzzles.jsonl")
    (tmp_path / "moved.jsonl").write_bytes(one.read_bytes())
    write_lines([{"prompt": "Another one"}], "other.jsonl")
    runtime = Runtime(root=str(tmp_path / "root"), data=str(tmp_path))
    prints = {
        name: make_plan(parse_recipe(RECIPE.replace("puzzles.jsonl", name)), runtime)
        .step("measure_contamination")
        .fingerprint
        for name in ("puzzles.jsonl", "moved.jsonl", "other.jsonl")
    }

    assert prints["puzzles.jsonl"] == prints["moved.jsonl"] != prints["other.jsonl"]
    with pytest.raises(RecipeError, match=r"benchmark puzzles: there is no file .*gone\.jsonl"):
        make_plan(parse_recipe(RECIPE.replace("puzzles.jsonl", "gone.jsonl")), runtime)


def test_a_benchmark_without_texts_is_an_error(write_lines: Any, tmp_path: Path) -> None:
    write_lines([explicit("Hi", "yes", "no")])
    write_lines([{"question": "Why?"}], "puzzles.jsonl")

    with pytest.raises(DataError, match="benchmark puzzles: no text could be read at `prompt`"):
        table(RECIPE, tmp_path, "measure_contamination")


def test_two_benchmarks_need_two_names() -> None:
    twice = "[{name: puzzles, files: [a.jsonl]}, {name: puzzles, files: [b.jsonl]}]"

    with pytest.raises(RecipeError, match="`puzzles` is used twice"):
        parse_recipe(f"{HEAD}  - {{kind: contamination, benchmarks: {twice}}}\n")
