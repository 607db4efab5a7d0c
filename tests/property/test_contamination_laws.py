"""Laws of contamination, on drawn texts and items: the same as brute force."""

from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from prefine.measure.contamination.items import build_items
from prefine.measure.contamination.matches import find_matches, split_turns
from tests.examples import examples

quick = examples(40)

WORD = st.sampled_from(["ant", "bee", "cat", "dog"])
TEXT = st.lists(WORD, max_size=9).map(" ".join)
LINES = st.lists(st.lists(WORD, min_size=1, max_size=4).map(" ".join), min_size=2, max_size=4)
Found = dict[tuple[int, int], dict[str, Any]]


def found_in(texts: list[str], known: list[str], size: int) -> Found:
    names = [f"{number:03}" for number in range(len(known))]
    columns = {"example_id": names, "text": known, "answer": [None] * len(known)}
    frame = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))
    message = {"role": "user", "content": ""}
    schema = {"messages": pl.List(pl.Struct(dict.fromkeys(message, pl.String)))}
    turns = [[{"role": "user", "content": text}] for text in texts]
    messages = pl.DataFrame({"messages": turns}, schema=schema)
    items = build_items([frame], size, 1)
    blocks = split_turns(messages, pl.col("role") == "user")
    rows = [row for block in blocks for row in find_matches(block, items, size).to_dicts()]
    found = {(row["place"], int(row["example_id"])): row for row in rows}
    assert len(found) == len(rows)
    return found


def runs_of(words: list[str], size: int) -> list[tuple[str, ...]]:
    size = min(size, len(words))
    return [tuple(words[i : i + size]) for i in range(len(words) - size + 1)] if words else []


def covered_by(words: list[str], inside: set[tuple[str, ...]], size: int) -> list[bool]:
    size = min(size, len(words))
    covered = [False] * len(words)
    for start, run in enumerate(runs_of(words, size)):
        if run in inside:
            covered[start : start + size] = [True] * size
    return covered


def all_runs(words: list[str]) -> set[tuple[str, ...]]:
    count = len(words)
    return {tuple(words[i:j]) for i in range(count) for j in range(i + 1, count + 1)}


@quick
@given(st.lists(TEXT, max_size=5), st.lists(TEXT, max_size=5, unique=True), st.integers(1, 5))
def test_what_is_found_of_an_item_is_what_brute_force_finds(
    texts: list[str], known: list[str], size: int
) -> None:
    found = found_in(texts, known, size)

    for i, text in enumerate(texts):
        inside = all_runs(text.split())
        for j, item in enumerate(known):
            words = item.split()
            runs = runs_of(words, size)
            met = [run in inside for run in runs]
            assert ((i, j) in found) == any(met)
            if not any(met):
                continue
            row = found[i, j]
            longest = max(len(part) for part in "".join("01"[m] for m in met).split("0"))
            covered = covered_by(words, inside, size)
            assert row["overlap"] == len(set(runs) & inside) / len(set(runs))
            assert row["covered"] == row["parts"] == sum(covered) / len(words)
            assert row["longest_run"] == longest + min(size, len(words)) - 1
            short = "whole" if len(words) < size else "ngrams"
            assert row["by"] == ("exact" if text == item else short)


@quick
@given(st.lists(TEXT, max_size=4), LINES, st.integers(1, 5))
def test_parts_are_found_in_any_order(texts: list[str], lines: list[str], size: int) -> None:
    found = found_in(texts, ["\n".join(lines)], size)

    for i, text in enumerate(texts):
        inside = all_runs(text.split())
        covered = [covered_by(line.split(), inside, size) for line in lines]
        share = sum(map(sum, covered)) / sum(map(len, covered))
        seeds = (
            run for line in lines for run in runs_of(line.split(), size) if len(run) >= min(4, size)
        )
        seeded = any(run in inside for run in seeds)
        if (i, 0) in found and found[i, 0]["by"] != "exact":
            assert found[i, 0]["parts"] == share
        elif (i, 0) not in found:
            assert not seeded


@quick
@given(LINES, st.permutations(range(4)))
def test_an_item_in_another_order_is_found_whole(lines: list[str], order: list[int]) -> None:
    lines = [*lines, "eel fox gnu hen"]
    mixed = [lines[place] for place in order if place < len(lines)]
    mixed += [line for number, line in enumerate(lines) if number not in order]

    found = found_in(["Say: " + "\n".join(mixed)], ["\n".join(lines)], 8)

    assert found[0, 0]["parts"] == 1.0
