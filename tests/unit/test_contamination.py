"""Prompts and responses that hold benchmark texts: by words, by runs and by embeddings."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from prefine.errors import RecipeError
from prefine.measure.contamination import matches
from prefine.measure.contamination.items import build_items, split_parts
from prefine.measure.contamination.matches import find_matches, split_turns
from prefine.planning import make_plan
from prefine.recipe import parse_recipe
from prefine.settings import Runtime
from prefine.text import ngrams
from prefine.text.fold import normalize_texts
from prefine.text.words import split_words
from tests.made import explicit, user

RIVER = "A man stands at a river with a wolf a goat and a cabbage and one small boat"
HEAD = "name: made\nsources: [{name: made, files: [rows.jsonl]}]\nmeasures:\n"
RECIPE = (
    HEAD + "  - kind: contamination\n    benchmarks: [{name: puzzles, files: [puzzles.jsonl]}]\n"
)


def shares(texts: list[str], known: list[str], size: int = 8) -> list[tuple[Any, ...]]:
    """Return what each text shares with each item: by place, item, overlap, covered, longest."""
    frame = pl.DataFrame({"example_id": [f"{n:02}" for n in range(len(known))], "text": known})
    frame = frame.with_columns(pl.lit(None, pl.String).alias("answer"))
    items = build_items([frame], size, 1)
    turns = pl.DataFrame({"messages": [[user(text)] for text in texts]})
    blocks = split_turns(turns, pl.col("role") == "user")
    found = pl.concat([find_matches(block, items, size) for block in blocks])
    found = found.sort("place", "example_id").with_columns(pl.col("example_id").cast(pl.Int64))
    return found.select("place", "example_id", "overlap", "covered", "longest_run").rows()


def test_the_overlap_is_the_share_of_the_known_texts_runs() -> None:
    known = ["a b c d e", "c d e", "x y"]
    texts = ["z a b c d z", "c d e c d e", "x y", "b c"]

    # of abc, bcd, cde the first text has two, which cover four words; the second one has cde
    assert shares(texts, known, 3) == [
        (0, 0, pytest.approx(2 / 3), 0.8, 4),
        (1, 0, pytest.approx(1 / 3), 0.6, 3),
        (1, 1, 1.0, 1.0, 3),
        (2, 2, 1.0, 1.0, 2),
    ]


def test_blocks_of_texts_give_what_one_block_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["the", "same", "old", "start", "of", "every", "question", "in", "this", "bench"]
    known = [" ".join([*words, f"k{n}"]) for n in range(20)]
    texts = [" ".join([*words[n % 3 :], f"t{n}"]) for n in range(30)]
    whole = shares(texts, known, 4)

    monkeypatch.setattr(ngrams, "_JOINED", 50)
    monkeypatch.setattr(matches, "_BLOCK", 7)
    apart = [
        (start + place, *rest)
        for start in range(0, 30, 7)
        for place, *rest in shares(texts[start : start + 7], known, 4)
    ]

    assert apart == whole
    assert len(whole) == 600


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


def test_two_benchmarks_need_two_names() -> None:
    twice = "[{name: puzzles, files: [a.jsonl]}, {name: puzzles, files: [b.jsonl]}]"

    with pytest.raises(RecipeError, match="`puzzles` is used twice"):
        parse_recipe(f"{HEAD}  - {{kind: contamination, benchmarks: {twice}}}\n")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Which is red?\nA. wine\nB) blood red\n(C) snow", ["Which is red?", "wine", "blood red"]),
        ("Pick: (A) 3 (B) 4 or 5", ["Pick:", "3", "4 or 5"]),
        ("首都是哪里。\nA、北京 B、上海", ["首都是哪里。", "北京", "上海"]),
        ("Sort them.\n1. cats\n- dogs\n* birds\n", ["Sort them.", "cats", "dogs", "birds"]),
        ("A cat. A dog sat on version 2.5 of it", ["A cat. A dog sat on version 2.5 of it"]),
    ],
)
def test_parts_are_lines_and_options_without_their_labels(text: str, parts: list[str]) -> None:
    assert split_parts(text)[: len(parts)] == parts


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("\uff37\uff48\uff41\uff54\u3000\uff49\uff53", ["what", "is"]),
        ("wh\u200bat \u202eis\u00ad \ufe0fit\u2066", ["what", "is", "it"]),
        ("Poincaré cafe\u0301", ["poincare", "cafe"]),
        ("5² is not 52, x² is x^2", ["5", "^", "2", "is", "not", "52", ",", "x", "^", "2"]),
        ("**Bold** `code` “said” _it_", ["bold", "code", "said", "it"]),
        ("# Head\n2**3 a*b", ["head", "2", "*", "*", "3", "a", "*", "b"]),
        ("2½ a\u2013b don\u2019t", ["2", "1", "/", "2", "a", "-", "b", "don", "'", "t"]),
        ("한국어 है 「東京」", ["한국어", "है", "東", "京"]),
    ],
)
def test_form_is_folded_and_powers_are_kept(text: str, words: list[str]) -> None:
    assert split_words(normalize_texts([text]).to_list())[0].to_list()[: len(words)] == words
