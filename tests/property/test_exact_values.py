"""Means and gaps of ratings against exact fractions, in any order of rows."""

import random
from collections import defaultdict
from fractions import Fraction
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefine.pair.aggregate import VOTE, aggregate
from prefine.pair.exact import decimal, exact_means, exact_values
from prefine.pair.ratings import rating_facts
from prefine.pair.settings import Pairs, SourceWeight
from prefine.pair.votes import from_labels, from_ratings
from tests.examples import examples
from tests.unit.test_votes import judgements, label, rating

many = examples(150)

few_digits = st.integers(-500, 500).map(lambda n: n / 100)
any_digits = st.floats(-1e6, 1e6, allow_subnormal=False)
ratings = st.one_of(st.sampled_from([4.0, 5.0, 3.4, 3.2, 0.1, 0.3]), few_digits, any_digits)
weights = st.one_of(st.sampled_from([1.0, 2.0, 0.1, -0.3, 1 / 3]), st.floats(0.001, 1000))
SCHEMA = {
    "group": pl.String,
    "aspect": pl.String,
    "annotator": pl.String,
    "number": pl.Float64,
    "weight": pl.Float64,
}


def mean(values: list[Fraction]) -> Fraction:
    return sum(values, Fraction()) / len(values)


def by_hand(rows: list[tuple[Any, ...]]) -> dict[str, Fraction]:
    """Return the mean of each group: over numbers, then annotators, then weighted aspects."""
    groups: dict[str, Any] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    weight: dict[str, Fraction] = {}
    for group, aspect, annotator, number, aspect_weight in rows:
        groups[group][aspect][annotator].append(Fraction(repr(number)))
        weight[aspect] = Fraction(repr(aspect_weight))
    return {
        group: sum(
            (weight[a] * mean([mean(one) for one in raters.values()]) for a, raters in by.items()),
            Fraction(),
        )
        / sum(abs(weight[a]) for a in by)
        for group, by in groups.items()
    }


@st.composite
def rated_groups(draw: Any) -> list[tuple[Any, ...]]:
    numbers = draw(st.sampled_from([few_digits, ratings, st.floats(allow_nan=False, width=16)]))
    of_aspect = {"help": draw(weights), "truth": draw(weights)}
    row = st.tuples(
        st.sampled_from("xyz"), st.sampled_from(["help", "truth"]), st.sampled_from([None, *"jkl"])
    )
    keys = draw(st.lists(row, min_size=1, max_size=25))
    finite = numbers.filter(lambda n: abs(n) < 1e300)
    return [(*key, draw(finite), of_aspect[key[1]]) for key in keys]


@many
@given(rated_groups(), st.randoms())
def test_means_are_the_exact_fractions(rows: list[tuple[Any, ...]], rng: random.Random) -> None:
    shuffled = rng.sample(rows, len(rows))

    found, numbers = exact_means(pl.DataFrame(shuffled, schema=SCHEMA, orient="row"), ["group"])

    values = [Fraction(multiple, numbers.unit) for multiple in numbers.multiples]
    assert {group: values[place] for group, place in found.rows()} == by_hand(rows)
    assert len(set(values)) == len(values)
    assert numbers.rounded() == [float(value) for value in values]


@many
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_each_float_is_its_shortest_decimal(values: list[float]) -> None:
    places, numbers = exact_values(pl.Series(values))

    found = [Fraction(numbers.multiples[place], numbers.unit) for place in places]
    assert found == [decimal(value) for value in values]


@pytest.mark.slow
@many
@given(st.tuples(ratings, ratings), st.lists(st.tuples(ratings, ratings), max_size=4))
def test_the_gap_and_the_strength_of_a_pair_are_the_nearest_floats(
    first: tuple[float, float], others: list[tuple[float, float]]
) -> None:
    each = [first, *others]
    rows = [
        rating(name, value, f"r{n}")
        for n, pair in enumerate(each)
        for name, value in zip("ab", pair, strict=True)
    ]
    a, b = (mean([decimal(pair[side]) for pair in each]) for side in (0, 1))
    pairs = pl.DataFrame({"low": "a", "high": "b", "chosen_id": "a", "rejected_id": "b"})

    facts = rating_facts(pairs, judgements(*rows), {}, {})
    votes = from_ratings(judgements(*rows[::-1]), Pairs(), 0).votes

    names = ("chosen_rating", "rejected_rating", "rating_gap")
    assert facts.select(names).rows() == [(float(a), float(b), float(a - b))]
    assert votes["direction"].to_list() == ([] if a == b else [1 if a > b else -1])
    assert votes["strength"].to_list() == ([] if a == b else [float(abs(a - b))])


@many
@given(
    st.lists(
        st.tuples(
            st.sampled_from("ab"),
            st.sampled_from("stu"),
            st.one_of(st.none(), st.sampled_from([0.1, 0.2, 0.3]), st.floats(0, 9)),
        ),
        min_size=1,
        max_size=9,
    ),
    st.lists(
        st.one_of(st.sampled_from([0.1, 0.2, 0.3]), st.floats(1e-6, 1e6)), min_size=3, max_size=3
    ),
    st.randoms(),
)
def test_majority_and_mean_strength_are_exact(
    said: list[tuple[str, str, float | None]], factors: list[float], rng: random.Random
) -> None:
    rows = [
        label(winner, source=source, strength=strength, row=n, annotator=str(n))
        for n, (winner, source, strength) in enumerate(said)
    ]
    weight = dict(zip("stu", factors, strict=True))
    toward = {"a": 1, "b": -1}
    balance = sum(toward[winner] * decimal(weight[source]) for winner, source, _ in said)
    strengths = [toward[w] * decimal(s) for w, _, s in said if s is not None]
    stated = {name: SourceWeight(weight=one) for name, one in weight.items()}

    votes = from_labels(judgements(*rng.sample(rows, len(rows))))
    pair = aggregate(votes, stated).row(0, named=True)

    direction = -1 if balance < 0 else 1
    assert Fraction(pair["balance"]) == balance
    assert (pair["chosen_id"], pair["is_tie"]) == ("ab"[balance < 0], balance == 0)
    expected = float(direction * mean(strengths)) if strengths else None
    assert pair["strength"] == expected


def test_strengths_that_are_no_decimals_are_averaged_exactly() -> None:
    """Gaps of 1/3 and 2/3 have the mean 1/2; the mean of the two floats is less."""
    facts: dict[str, Any] = dict.fromkeys(VOTE)
    facts |= {"prompt_id": "p", "low": "a", "high": "b", "direction": 1, "winner": "a"}
    facts |= {"source": "s", "context_mismatch": False, "label_source": "rating", "repeated": 0}
    votes = [
        {**facts, "strength": 1 / 3, "exact": "2/6", "judgement": "x"},
        {**facts, "strength": 2 / 3, "exact": "2/3", "judgement": "y"},
    ]

    assert aggregate(pl.DataFrame(votes, schema=VOTE))["strength"].to_list() == [0.5]
