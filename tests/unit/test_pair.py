"""Votes become pairs: aggregation, ties, contradictions, and the selection of pairs."""

from functools import partial
from typing import Any

import polars as pl
import pytest

from prefine.errors import RecipeError
from prefine.pair.outcomes import outcomes
from prefine.pair.select import RankedPair, select, unused_reason, without_order
from prefine.pair.settings import Pairs
from prefine.recipe import parse_recipe
from prefine.schema import hash_unit

ABCD = [("a", 4), ("b", 3), ("c", 1), ("d", 1)]


def chance(key: str) -> float:
    return sum(map(ord, key)) % 97 / 97


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("best_vs_worst", [("a", "d", 3)]),
        ("adjacent", [("b", "c", 2), ("a", "b", 1)]),
        (
            "all",
            [("a", "c", 3), ("a", "d", 3), ("b", "c", 2), ("b", "d", 2), ("a", "b", 1)],
        ),
    ],
)
def test_each_strategy_selects_its_pairs(
    strategy: Any, expected: list[tuple[str, str, int]]
) -> None:
    found = select(ABCD, Pairs(select=strategy), chance).pairs

    assert sorted(found) == sorted(RankedPair(*pair) for pair in expected)
    assert [pair.gap for pair in found] == sorted((c[2] for c in expected), reverse=True)


def test_best_against_random_takes_one_lower_response_by_the_seed() -> None:
    config = Pairs(select="best_vs_random")
    drawn = [select(ABCD, config, partial(hash_unit, seed, "made")) for seed in range(40)]
    losers = {found.pairs[0].loser for found in drawn}

    assert losers == {"b", "c", "d"}


CIRCLE = [RankedPair("a", "b", 3), RankedPair("b", "c", 2), RankedPair("c", "a", 1)]
LINE = [
    RankedPair("a", "b", 1),
    RankedPair("b", "c", 1),
    RankedPair("a", "c", 2),
    RankedPair("c", "d", 0),
]


@pytest.mark.parametrize(
    ("pairs", "strategy", "expected"),
    [
        (CIRCLE, "all", {"ab", "bc", "ca"}),
        (CIRCLE, "adjacent", {"ab", "bc", "ca"}),
        (CIRCLE, "best_vs_worst", {"ab"}),
        (CIRCLE, "best_vs_random", {"ab"}),
        (LINE, "all", {"ab", "bc", "ac"}),
        (LINE, "adjacent", {"ab", "bc"}),
        (LINE, "best_vs_worst", {"ac"}),
        (LINE[3:], "best_vs_worst", set()),
    ],
)
def test_pairs_are_selected_without_an_order_of_all_responses(
    pairs: list[RankedPair], strategy: str, expected: set[str]
) -> None:
    found = without_order(pairs, strategy, chance)

    assert {pair.winner + pair.loser for pair in found} == expected


def test_without_an_order_the_winner_of_the_widest_couple_meets_a_random_one() -> None:
    losers = {
        without_order(LINE, "best_vs_random", partial(hash_unit, seed, "made"))[0][:2]
        for seed in range(40)
    }

    assert losers == {("a", "b"), ("a", "c")}


def test_gap_and_number_limit_the_pairs() -> None:
    wide = select(ABCD, Pairs(select="all", minimum_gap=2.5), chance)
    few = select(ABCD, Pairs(select="all", per_prompt=2), chance)

    assert {(c.winner, c.loser) for c in wide.pairs} == {("a", "c"), ("a", "d")}
    assert {(c.winner, c.loser) for c in few.pairs} == {("a", "c"), ("a", "d")}
    assert (wide.too_narrow, few.too_narrow) == ({"b"}, set())


@pytest.mark.parametrize(
    ("values", "minimum", "unit", "wide"),
    [
        ((34, 32), 0.2, 10, True),
        ((34, 32), 0.21, 10, False),
        ((2, 1), 0.3333333333333333, 3, True),
        ((2, 1), 0.3333333333333334, 3, False),
        ((10**30 + 1, 1), 1.0, 10**30, True),
        ((10**30, 1), 1.0, 10**30, False),
    ],
)
def test_the_least_gap_is_the_decimal_that_the_recipe_says(
    values: tuple[int, int], minimum: float, unit: int, wide: bool
) -> None:
    scored = list(zip("ab", values, strict=True))

    found = select(scored, Pairs(minimum_gap=minimum), chance, unit)

    assert found.pairs == ([RankedPair("a", "b", values[0] - values[1])] if wide else [])
    assert found.too_narrow == (set() if wide else {"a", "b"})


def test_a_response_with_a_wide_couple_is_not_too_narrow() -> None:
    found = select(ABCD, Pairs(select="adjacent", minimum_gap=1.5, per_prompt=1), chance)

    assert found.pairs == [RankedPair("b", "c", 2)]
    assert found.too_narrow == {"a"}


def test_equal_values_make_no_couple() -> None:
    equal = select([("a", 2), ("b", 2)], Pairs(select="all", minimum_gap=1), chance)

    assert equal == ([], set())
    assert unused_reason([("a", 2), ("b", 2)]) == "tie"
    assert unused_reason([("a", 2)]) == "no_partner"
    assert unused_reason(ABCD) == "not_selected"


RATED = (
    "name: made\nsources: [{name: made, files: [rows.jsonl], format: helpsteer2}]\n"
    "pairs: {aspects: {helpfulness: 1, verbosity: -2}}\n"
)


def test_a_weight_of_nothing_is_refused() -> None:
    with pytest.raises(RecipeError, match="leave the aspect out"):
        parse_recipe(RATED.replace("-2", "0"), "recipe.yaml")


@pytest.mark.parametrize(
    ("use", "expected"),
    [
        (("label", "reward"), [None, None]),
        (("reward", "label"), ["other_kind", None]),
        (("reward",), ["other_kind", "other_kind"]),
    ],
)
def test_a_reward_takes_its_place_among_the_kinds(
    use: tuple[Any, ...], expected: list[str | None]
) -> None:
    judgements = pl.DataFrame(
        {"prompt_id": ["p1", "p2"], "kind": "pair", "aspect": None, "winner": "a", "source": "s"}
    )
    rewards = pl.DataFrame({"prompt_id": ["p1"], "response_id": ["r"], "value": [1.0]})

    found = outcomes(judgements, Pairs(use=use, reward="rm"), rewards)

    assert found["outcome"].to_list() == expected
