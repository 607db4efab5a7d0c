"""Votes become pairs: aggregation, ties, contradictions, and the choice of couples."""

from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from prefine.errors import DataError, RecipeError
from prefine.pair.outcomes import outcomes
from prefine.pair.select import Couple, fate, select, without_order
from prefine.pair.settings import Pairs
from prefine.recipe import parse_recipe
from prefine.schema import hash_unit
from tests.made import table

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
def test_each_strategy_chooses_its_couples(
    strategy: Any, expected: list[tuple[str, str, int]]
) -> None:
    found = select(ABCD, Pairs(select=strategy), chance).couples

    assert sorted(found) == sorted(Couple(*couple) for couple in expected)
    assert [couple.gap for couple in found] == sorted((c[2] for c in expected), reverse=True)


def test_best_against_random_takes_one_lower_response_by_the_seed() -> None:
    config = Pairs(select="best_vs_random")
    drawn = [select(ABCD, config, partial(hash_unit, seed, "made")) for seed in range(40)]
    losers = {found.couples[0].loser for found in drawn}

    assert losers == {"b", "c", "d"}


CIRCLE = [Couple("a", "b", 3), Couple("b", "c", 2), Couple("c", "a", 1)]
LINE = [Couple("a", "b", 1), Couple("b", "c", 1), Couple("a", "c", 2), Couple("c", "d", 0)]


@pytest.mark.parametrize(
    ("couples", "strategy", "expected"),
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
def test_couples_are_chosen_without_an_order_of_all_responses(
    couples: list[Couple], strategy: str, expected: set[str]
) -> None:
    found = without_order(couples, strategy, chance)

    assert {couple.winner + couple.loser for couple in found} == expected


def test_without_an_order_the_winner_of_the_widest_couple_meets_a_random_one() -> None:
    losers = {
        without_order(LINE, "best_vs_random", partial(hash_unit, seed, "made"))[0][:2]
        for seed in range(40)
    }

    assert losers == {("a", "b"), ("a", "c")}


def test_gap_and_number_limit_the_couples() -> None:
    wide = select(ABCD, Pairs(select="all", minimum_gap=2.5), chance)
    few = select(ABCD, Pairs(select="all", per_prompt=2), chance)

    assert {(c.winner, c.loser) for c in wide.couples} == {("a", "c"), ("a", "d")}
    assert {(c.winner, c.loser) for c in few.couples} == {("a", "c"), ("a", "d")}
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

    assert found.couples == ([Couple("a", "b", values[0] - values[1])] if wide else [])
    assert found.too_narrow == (set() if wide else {"a", "b"})


def test_a_response_with_a_wide_couple_is_not_too_narrow() -> None:
    found = select(ABCD, Pairs(select="adjacent", minimum_gap=1.5, per_prompt=1), chance)

    assert found.couples == [Couple("b", "c", 2)]
    assert found.too_narrow == {"a"}


def test_equal_values_make_no_couple() -> None:
    equal = select([("a", 2), ("b", 2)], Pairs(select="all", minimum_gap=1), chance)

    assert equal == ([], set())
    assert fate([("a", 2), ("b", 2)]) == "tie"
    assert fate([("a", 2)]) == "no_partner"
    assert fate(ABCD) == "not_selected"


COLUMNS = {
    "prompt": "prompt",
    "responses": ["a", "b"],
    "annotator": "who",
    "labels": [{"column": "win", "values": {"a": "a", "b": "b", "tie": "tie", "?": "invalid"}}],
}
RECIPE = (
    "name: made\nsources:\n  - {name: made, files: [rows.jsonl], format: columns, "
    f"columns: {COLUMNS}}}\n"
)


def vote(win: str, who: str, a: str = "A", b: str = "B", prompt: str = "Hi?") -> dict[str, str]:
    return {"prompt": prompt, "a": a, "b": b, "win": win, "who": who}


def pairs_of(write_lines: Any, tmp_path: Path, *votes: dict[str, str]) -> pl.DataFrame:
    write_lines(list(votes))
    return table(RECIPE, tmp_path, "pairs")


def test_the_majority_directs_a_pair_and_the_minority_is_kept_as_a_fact(
    write_lines: Any, tmp_path: Path
) -> None:
    pairs = pairs_of(
        write_lines,
        tmp_path,
        vote("a", "x"),
        vote("b", "y"),
        vote("b", "z", a="B", b="A"),
        vote("tie", "w"),
        vote("?", "v"),
    )

    row = pairs.row(0, named=True)
    assert pairs.height == 1
    assert (row["votes_for"], row["votes_against"], row["votes_tie"]) == (2, 1, 1)
    assert (row["votes_invalid"], row["num_votes"], row["num_annotators"]) == (1, 4, 5)
    assert (row["agreement"], row["disagreement"]) == (0.5, 0.25)
    assert row["is_contradiction"]
    assert row["both_orders"]
    assert not row["is_tie"]


def test_one_vote_each_way_is_a_tie_and_a_contradiction(write_lines: Any, tmp_path: Path) -> None:
    row = pairs_of(write_lines, tmp_path, vote("a", "x"), vote("b", "y")).row(0, named=True)

    assert row["is_tie"]
    assert row["is_contradiction"]


def test_a_label_that_names_no_side_leaves_a_pair_without_votes(
    write_lines: Any, tmp_path: Path
) -> None:
    row = pairs_of(write_lines, tmp_path, vote("?", "x")).row(0, named=True)

    assert (row["num_votes"], row["votes_invalid"], row["agreement"]) == (0, 1, None)


def test_a_repeated_label_is_one_vote_and_is_counted(write_lines: Any, tmp_path: Path) -> None:
    votes = [vote("a", "x"), vote("a", "x"), vote("a", "x"), vote("b", "y")]

    row = pairs_of(write_lines, tmp_path, *votes).row(0, named=True)

    assert (row["votes_for"], row["votes_against"], row["num_votes"]) == (1, 1, 2)
    assert (row["agreement"], row["is_tie"], row["num_duplicates"]) == (0.5, True, 2)


def test_identical_and_blank_sides_are_marked(write_lines: Any, tmp_path: Path) -> None:
    pairs = pairs_of(
        write_lines,
        tmp_path,
        vote("a", "x", a="same", b="same", prompt="1?"),
        vote("a", "x", a="text", b=" \n", prompt="2?"),
        vote("a", "x", prompt="3?"),
    )

    assert sorted(zip(pairs["is_identical"], pairs["num_empty"], strict=True)) == [
        (False, 0),
        (False, 1),
        (True, 0),
    ]


@pytest.mark.parametrize(
    ("other", "identical"),
    [
        ("\ufeffOak", True),
        ("Oak\u200b \u2060", True),
        ("\ufeff \nOak", True),
        ("O\u200bak", False),
        ("Oa\ufeffk", False),
    ],
)
def test_marks_without_width_around_a_text_are_no_difference(
    write_lines: Any, tmp_path: Path, other: str, identical: bool
) -> None:
    found = pairs_of(write_lines, tmp_path, vote("a", "x", a="Oak", b=other))

    assert found["is_identical"].to_list() == [identical]


def test_a_prompt_uses_the_first_kind_of_judgement_that_it_has(
    write_lines: Any, tmp_path: Path
) -> None:
    write_lines(
        [
            {"prompt": "2?", "all_generated_responses": ["x", "y"], "all_rm_scores": [1, 2]},
            {
                "prompt": "3?",
                "all_generated_responses": ["x", "y", "z"],
                "all_rm_scores": [1, 2, 3],
                "chosen": [{"role": "assistant", "content": "x"}],
                "rejected": [{"role": "assistant", "content": "z"}],
            },
        ]
    )
    recipe = "name: made\nsources: [{name: made, files: [rows.jsonl]}]\n"

    labelled = table(recipe, tmp_path, "pairs").sort("label_source")
    rated = table(f"{recipe}pairs: {{use: [rating]}}\n", tmp_path, "pairs")

    assert labelled["label_source"].to_list() == ["label", "rating"]
    assert labelled["rating_gap"].to_list() == [-2.0, 1.0]
    assert rated["rating_gap"].sort().to_list() == [1.0, 2.0]


def test_ratings_are_averaged_over_annotators_before_aspects(
    write_lines: Any, tmp_path: Path
) -> None:
    columns = {
        "prompt": "prompt",
        "responses": ["a", "b"],
        "ratings": [
            {"columns": ["x1", "y1"], "aspect": "help", "annotator": "one"},
            {"columns": ["x2", "y2"], "aspect": "help", "annotator": "two"},
            {"columns": ["x3", "y3"], "aspect": "truth", "annotator": "one"},
        ],
    }
    row = {"prompt": "?", "a": "A", "b": "B"}
    write_lines([{**row, "x1": 5, "x2": 3, "x3": 1, "y1": 2, "y2": 2, "y3": 3}])
    start = "name: made\nsources: [{name: made, files: [rows.jsonl], format: columns, "
    recipe = f"{start}columns: {columns}}}]\n"

    with pytest.raises(DataError, match=r"source made rates several aspects \(help, truth\)"):
        table(recipe, tmp_path, "pairs")
    weighed = table(f"{recipe}pairs: {{aspects: {{help: 1, truth: 3}}}}\n", tmp_path, "pairs")

    assert weighed.select("chosen_rating", "rejected_rating").rows() == [(2.75, 1.75)]


def test_a_ranking_gives_pairs_and_its_equals_none(write_lines: Any, tmp_path: Path) -> None:
    answers = [
        {"answer": "one", "model": "m1", "rank": 1},
        {"answer": "two", "model": "m2", "rank": 2},
        {"answer": "also two", "model": "m3", "rank": 2},
    ]
    write_lines([{"prompt": "\n\nHuman: Hi\n\nAssistant: ", "answers": answers}])
    recipe = "name: made\nsources: [{name: made, files: [rows.jsonl]}]\npairs: {select: all}\n"

    pairs = table(recipe, tmp_path, "pairs")

    assert pairs["label_source"].to_list() == ["rank", "rank"]
    assert pairs["strength"].to_list() == [1.0, 1.0]


RATED = (
    "name: made\nsources: [{name: made, files: [rows.jsonl], format: helpsteer2}]\n"
    "pairs: {aspects: {helpfulness: 1, verbosity: -2}}\n"
)


def test_an_aspect_of_negative_weight_counts_against_a_response(
    write_lines: Any, tmp_path: Path
) -> None:
    short = {"response": "short", "helpfulness": 4, "correctness": 1, "verbosity": 0}
    long = {"response": "long", "helpfulness": 4, "correctness": 1, "verbosity": 3}
    write_lines([{"prompt": "Hi?", **row} for row in (short, long)])

    pairs = table(RATED, tmp_path, "pairs")

    facts = ("chosen_rating", "rejected_rating", "rating_gap")
    assert pairs.select(*facts).rows() == [(4 / 3, -2 / 3, 2.0)]


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
