"""Splits against a plain implementation, written from ``docs/decisions/008-splits.md`` alone."""

import json
import random
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefine.export.splits import with_splits
from tests.examples import examples
from tests.made import explicit, table, user

Draws = Mapping[str, float]


def plain_draw(seed: int, prompt: str) -> float:
    digest = sha256(f"{seed}/split/{prompt}".encode()).digest()
    return int.from_bytes(digest[:7], "big") / 2**56


def plain_text(messages: Sequence[Mapping[str, Any]], tools: str | None = None) -> str:
    """Return the text that duplicates have in common."""
    parts = [str(turn.get(key) or "") for turn in messages for key in ("content", "tool_calls")]
    text = unicodedata.normalize("NFKC", "".join([*parts, tools or ""])).casefold()
    text = unicodedata.normalize("NFKC", text)
    signs = [sign for sign in text if unicodedata.category(sign)[0] != "Z"]
    return "".join(sign for sign in signs if unicodedata.category(sign) not in {"Cc", "Cf"})


def plain_groups(prompts: Iterable[str], links: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return a name for the group of each prompt: links are between prompts and names."""
    near: dict[str, set[str]] = {prompt: set() for prompt in prompts}
    for prompt, name in links:
        near[prompt].add(f"name {name}")
        near.setdefault(f"name {name}", set()).add(prompt)
    group: dict[str, str] = {}
    for first in sorted(near):
        waiting = [first]
        while waiting:
            here = waiting.pop()
            if here not in group:
                group[here] = first
                waiting += near[here]
    return {prompt: group[prompt] for prompt in prompts}


def is_far_off(test: int, wanted: Fraction, total: int) -> bool:
    off = abs(test - wanted)
    return test == 0 or (off > wanted / 4 and off > 1) or test >= total


def plain_splits(
    pairs: Mapping[str, int], groups: Mapping[str, str], draws: Draws, ratio: float
) -> dict[str, str]:
    """Return the split of each prompt."""
    if ratio == 0:
        return dict.fromkeys(pairs, "train")
    total = sum(pairs.values())
    wanted = Fraction(str(ratio)) * total
    members: dict[str, list[str]] = {}
    for prompt, group in groups.items():
        members.setdefault(group, []).append(prompt)
    size = {group: sum(pairs[p] for p in inside) for group, inside in members.items()}
    draw = {group: min(draws[p] for p in inside) for group, inside in members.items()}
    up = -(-wanted // 1)
    small = [g for g in sorted(members, key=draw.__getitem__) if size[g] <= min(up, total - 1)]
    natural = sum(draw[group] < ratio for group in small)
    counts = [
        count
        for count in range(len(small) + 1)
        if not is_far_off(sum(size[g] for g in small[:count]), wanted, total)
    ]
    test: list[str] = []
    if counts:
        test = small[: min(counts, key=lambda count: (abs(count - natural), count))]
    else:
        for group in small:
            taken = sum(size[g] for g in test)
            if draw[group] >= ratio and not is_far_off(taken, wanted, total):
                break
            more = taken + size[group]
            if more < total and more - wanted <= max(1, wanted / 4):
                test.append(group)
    return {prompt: "test" if group in test else "train" for prompt, group in groups.items()}


ratios = st.sampled_from([0.0, 0.01, 0.05, 0.1, 0.25, 0.3, 0.5, 0.9])


@st.composite
def corpora(draw: Any) -> tuple[dict[str, int], dict[str, str], int]:
    count = draw(st.integers(1, 60))
    few = draw(st.booleans())
    names = [f"{n:024x}" for n in range(count)]
    most = draw(st.sampled_from([1, 4, 40]))
    pairs = {name: draw(st.integers(1, most)) for name in names}
    last = max(1, count // 4) if few else 4 * count
    groups = {name: str(draw(st.integers(0, last))) for name in names}
    return pairs, groups, draw(st.integers(0, 99))


def product(
    pairs: Mapping[str, int], groups: Mapping[str, str], draws: Draws, ratio: float, *, turn: int
) -> dict[str, str]:
    names = list(pairs)
    random.Random(turn).shuffle(names)
    rows = pl.DataFrame(
        {
            "prompt_id": names,
            "num_pairs": [pairs[name] for name in names],
            "draw": [draws[name] for name in names],
            "group": [groups[name] for name in names],
        }
    )
    return dict(with_splits(rows, ratio).select("prompt_id", "split").iter_rows())


@examples(400)
@given(corpora(), ratios)
def test_groups_go_where_the_page_says(
    corpus: tuple[dict[str, int], dict[str, str], int], ratio: float
) -> None:
    pairs, groups, seed = corpus
    draws = {name: plain_draw(seed, name) for name in pairs}

    found = product(pairs, groups, draws, ratio, turn=seed)

    assert found == plain_splits(pairs, groups, draws, ratio)
    sides = {(groups[name], split) for name, split in found.items()}
    assert len(sides) == len(set(groups.values()))
    assert "train" in found.values()
    assert found == product(pairs, groups, draws, ratio, turn=seed + 1)


@examples(200)
@given(corpora(), ratios, st.integers(0, 59))
def test_a_prompt_stays_in_test_when_copies_join_it(
    corpus: tuple[dict[str, int], dict[str, str], int], ratio: float, which: int
) -> None:
    """It does as long as its group is not too large, and the draws below the ratio are enough."""
    pairs, groups, seed = corpus
    prompt = sorted(pairs)[which % len(pairs)]
    copy = f"{prompt[:-1]}x"
    more, joined = {**pairs, copy: 1}, {**groups, copy: groups[prompt]}
    draws = {name: plain_draw(seed, name) for name in more}
    before = product(pairs, groups, draws, ratio, turn=0)

    after = product(more, joined, draws, ratio, turn=0)

    size = dict.fromkeys(joined.values(), 0)
    for name, count in more.items():
        size[joined[name]] += count
    total = sum(more.values())
    wanted = Fraction(str(ratio)) * total
    low = {group for group in size if any(draws[n] < ratio for n in more if joined[n] == group)}
    small = {group for group in size if size[group] <= -(-wanted // 1)}
    test = sum(size[group] for group in low & small)
    assert after[copy] == after[prompt]
    if before[prompt] == "test" and joined[prompt] in low & small:
        assert after[prompt] == "test" or is_far_off(test, wanted, total)


WORDS = ["Why", "is", "THE", "sky", "blue", "Straße", "é", "e\u0301", "ﬁne", "一", "x\u200by"]


def variant(text: str, chance: random.Random) -> str:
    """Return a text with other white space, case or Unicode form."""
    form = chance.choice(["NFC", "NFD", "NFKC"])
    cased = chance.choice([str, str.upper, str.lower])(unicodedata.normalize(form, text))
    return chance.choice(["", " ", "\n"]) + cased.replace(" ", chance.choice([" ", "  ", "\t\n"]))


@pytest.mark.slow
@examples(6)
@given(st.integers(0, 2**32), st.sampled_from([0.1, 0.3, 0.5]), st.booleans())
def test_a_run_agrees_with_the_page_in_any_order_of_rows_and_shards(
    number: int, ratio: float, near: bool
) -> None:
    chance = random.Random(number)
    texts = [" ".join(chance.choices(WORDS, k=chance.randint(1, 9))) for _ in range(25)]
    texts += [variant(chance.choice(texts), chance) for _ in range(15)]
    texts += [f"{' '.join(WORDS * 5)} {chance.choice(WORDS)}" for _ in range(3)]
    rows = [
        explicit(text, f"yes {n}", "no") for text in texts for n in range(chance.choice([1, 1, 3]))
    ]
    measures = "[{kind: near_duplicates}]" if near else "[]"
    runs = [splits_of(rows, measures, ratio, shards=1), None]
    chance.shuffle(rows)
    runs[1] = splits_of(rows, measures, ratio, shards=3)

    (found, prompts, pairs, components), again = runs[0], runs[1]

    assert again is not None
    assert again[0] == found
    links = [
        (p, f"twin {plain_text(turns, tools)}")
        for p, turns, tools in prompts.select("prompt_id", "messages", "tools").iter_rows()
    ]
    links += [(prompt, f"component {name}") for prompt, name in components]
    names = prompts["prompt_id"].to_list()
    counts = Counter(pairs["prompt_id"])
    groups = plain_groups(names, links)
    draws = {name: plain_draw(7, name) for name in names}
    assert found == plain_splits({name: counts[name] for name in names}, groups, draws, ratio)
    assert len(set(groups.values())) < len(names)


Run = tuple[dict[str, str], pl.DataFrame, pl.DataFrame, list[tuple[str, str]]]


def splits_of(rows: Sequence[Any], measures: str, ratio: float, *, shards: int) -> Run:
    """Run a recipe as far as its splits."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        half = len(rows) // 2
        for file, part in (("a", rows[:half]), ("b", rows[half:])):
            lines = "".join(json.dumps(row) + "\n" for row in part)
            (folder / f"{file}.jsonl").write_text(lines, encoding="utf-8")
        recipe = (
            f"name: made\nseed: 7\nshards: {shards}\nmeasures: {measures}\n"
            f"sources: [{{name: made, files: [a.jsonl, b.jsonl]}}]\n"
            f"export: {{test_ratio: {ratio}}}\n"
        )
        splits = table(recipe, folder, "splits")
        prompts, pairs = (table(recipe, folder, one) for one in ("prompts", "pairs"))
        named: list[tuple[str, str]] = []
        if measures != "[]":
            clusters = table(recipe, folder, "prompt_clusters")
            named = list(clusters.select("prompt_id", "prompt_component").iter_rows())
    return dict(splits.iter_rows()), prompts, pairs, named


def test_twins_of_the_page_are_what_the_page_says() -> None:
    same = ["\uff26ine\u00a0STRASSE", "ﬁne straße", "fi ne  STRASSE\u200b"]

    assert {plain_text([user(text)]) for text in same} == {"finestrasse"}
