"""Laws of near duplicates, on drawn texts and graphs."""

from typing import Any

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from prefine.measure.near_duplicates.pairs import add_cluster_columns, add_direction
from prefine.text.clusters import centres, components
from prefine.text.overlap import overlaps
from prefine.text.words import hash_words, split_words, word_shingles
from tests.examples import examples

quick = examples(60)

COUNT = 12
PLACE = st.integers(0, COUNT - 1)
EDGES = st.lists(st.tuples(PLACE, PLACE).filter(lambda e: e[0] < e[1]), unique=True)
VOTED = {
    "is_tie": False,
    "is_identical": False,
    "num_empty": 0,
    "human_verdict": None,
    "votes_for": 1,
    "votes_against": 0,
    "agreement": 1.0,
}
TEXT = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=9).map(" ".join)


@quick
@given(EDGES, st.sets(st.tuples(PLACE, PLACE)))
def test_every_member_is_joined_to_its_centre_or_like_it(
    edges: list[tuple[int, int]], like: set[tuple[int, int]]
) -> None:
    pairs = np.array(sorted(edges), np.int64).reshape(-1, 2)
    asked: list[tuple[int, int]] = []

    def alike(found: Any) -> Any:
        asked.extend((int(a), int(b)) for a, b in found)
        return np.array([(int(a), int(b)) in like for a, b in found], np.bool_)

    centre = centres(COUNT, pairs, alike)

    labels = components(COUNT, pairs)
    for place, middle in enumerate(centre.tolist()):
        joined = (min(place, middle), max(place, middle)) in edges
        assert place == middle or joined or (place, middle) in like
        assert centre[middle] == middle
        assert labels[place] == labels[middle]
    assert not set(asked) & set(edges)


@quick
@given(EDGES)
def test_with_nothing_refused_clusters_are_the_connected_components(
    edges: list[tuple[int, int]],
) -> None:
    pairs = np.array(sorted(edges), np.int64).reshape(-1, 2)

    centre = centres(COUNT, pairs, lambda found: np.ones(len(found), np.bool_))

    labels = components(COUNT, pairs)
    same = centre[:, None] == centre[None, :]
    assert (same == (labels[:, None] == labels[None, :])).all()


def multiset(text: str, size: int) -> dict[tuple[str, ...], int]:
    words = text.split()
    found: dict[tuple[str, ...], int] = {}
    for start in range(max(len(words) - size + 1, 1)):
        run = tuple(words[start : start + size])
        found[run] = found.get(run, 0) + 1
    return found


@quick
@given(st.lists(TEXT, min_size=2, max_size=6), st.integers(1, 4))
def test_overlaps_are_those_of_the_texts_themselves(texts: list[str], size: int) -> None:
    shingles = word_shingles(split_words(texts), size)
    pairs = np.array([(i, j) for i in range(len(texts)) for j in range(i + 1, len(texts))])

    found = overlaps(shingles, pairs)

    for (i, j), overlap in zip(pairs.tolist(), found.tolist(), strict=True):
        a, b = multiset(texts[i], size), multiset(texts[j], size)
        least = sum(min(a.get(run, 0), b.get(run, 0)) for run in a | b)
        most = sum(max(a.get(run, 0), b.get(run, 0)) for run in a | b)
        assert overlap == least / most
    keys = hash_words(split_words(texts))
    for (i, j), overlap in zip(pairs.tolist(), found.tolist(), strict=True):
        if keys[i] == keys[j]:
            assert overlap == 1.0


@quick
@given(st.lists(st.tuples(*[st.sampled_from("xy")] * 3, st.booleans()), min_size=1, max_size=8))
def test_turning_a_pair_turns_what_its_cluster_says_of_it(
    drawn: list[tuple[str, str, str, bool]],
) -> None:
    def clustered(flips: list[bool]) -> pl.DataFrame:
        rows: list[dict[str, Any]] = []
        for number, ((prompt, one, other, _), flip) in enumerate(zip(drawn, flips, strict=True)):
            sides = (f"{number}{other}", f"{number}{one}")
            chosen, rejected = sides if flip else sides[::-1]
            ids = {"pair_id": f"p{number}", "chosen_id": chosen, "rejected_id": rejected}
            rows.append({**ids, "prompt_cluster": prompt, **VOTED})
        ids = sorted({row[side] for row in rows for side in ("chosen_id", "rejected_id")})
        responses = {"response_id": ids, "cluster": [i[-1] for i in ids]}
        responses["text"] = [ord(i[-1]) for i in ids]
        return add_cluster_columns(add_direction(pl.DataFrame(rows), pl.DataFrame(responses))).sort(
            "pair_id"
        )

    before, after = clustered([False] * len(drawn)), clustered([True] * len(drawn))
    first = clustered([number == 0 for number in range(len(drawn))])

    columns = ["pair_cluster", "pair_cluster_size", "pair_cluster_agreeing", "pair_cluster_opposed"]
    assert before.select(columns).equals(after.select(columns))
    total = before["pair_cluster_agreeing"] + before["pair_cluster_opposed"] + 1
    assert total.to_list() == before["pair_cluster_size"].to_list()
    if drawn[0][1] != drawn[0][2]:
        turned = first.row(0, named=True)
        assert turned["pair_cluster_agreeing"] == before["pair_cluster_opposed"][0]
        assert turned["pair_cluster_opposed"] == before["pair_cluster_agreeing"][0]
