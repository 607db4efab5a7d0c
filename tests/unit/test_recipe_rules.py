"""Rules in a recipe: errors and their messages, and the columns that they may read."""

import pytest

from prefine.errors import RecipeError
from prefine.recipe import parse_recipe
from prefine.schema import Flip


def test_every_column_of_a_pair_says_how_it_flips() -> None:
    recipe = parse_recipe(
        "name: made\nsources: [{name: a, files: [b]}]\nmeasures:\n"
        "  - {kind: lengths}\n  - {kind: cosine}\n  - {kind: near_duplicates}\n"
        "  - {kind: prompt_topics}\n  - {kind: prompt_neighbours}\n"
        "  - {kind: target_similarity, files: [c]}\n"
        "  - {kind: reward/bootstrap}\n"
        "  - {kind: ches/transformers, weights: {model: a/b}}\n"
        "  - {kind: reward/transformers, weights: {model: a/b}}\n"
    )
    columns = recipe.columns

    for column in columns.values():
        assert (column.partner is not None) == (column.flip is Flip.SWAP)
        if column.partner is not None:
            assert columns[column.partner].partner == column.name
    for name in ("reward_margin", "bootstrap_margin", "chars_gap", "rating_gap", "strength"):
        assert columns[name].flip is Flip.NEGATE


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("{budget: 5, diverse: {}}", "`diverse` needs the measure `prompt_neighbours`"),
        ("{column: cosine, minimum: 1, diverse: {}}", "`diverse` is a key of `cap`, `budget` only"),
        ("{cap: 5, per: source, balance: [group]}", "`balance` is a key of `budget` only"),
        ("{budget: 5, balance: [sauce]}", "no column `sauce`; did you mean `source`"),
        (
            "{budget: 5, diverse: {by: cluster}}",
            "found the text `cluster`; expected one of: cover, spread",
        ),
    ],
)
def test_a_selection_that_cannot_be_made_is_refused(rule: str, message: str) -> None:
    start = "name: made\nsources: [{name: a, files: [b]}]\nmeasures: [{kind: cosine}]\n"

    with pytest.raises(RecipeError) as caught:
        parse_recipe(f"{start}rules: [{rule}]\n")

    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("{budget: true}", "expected a number of pairs; found `true`"),
        ("{cap: yes, per: source}", "expected a number of pairs; found `true`"),
        ("{column: chosen_chars, maximum: -3}", "so that `maximum: -3` never holds"),
        ("{column: prompt_chars, equals: -1}", "is at least 0, and never -1"),
        ("{column: shared_chars_ratio, minimum: 60}", "so that `minimum: 60` never holds"),
        ("{column: pair_cluster_size, minimum: 1.5}", "a whole number; found `minimum: 1.5`"),
    ],
)
def test_a_number_that_cannot_be_right_is_refused(rule: str, message: str) -> None:
    start = (
        "name: made\nsources: [{name: a, files: [b]}]\n"
        "measures: [{kind: lengths}, {kind: shared_chars}, "
        "{kind: near_duplicates, of: [prompts, responses, pairs]}]\n"
    )

    with pytest.raises(RecipeError) as caught:
        parse_recipe(f"{start}rules: [{rule}]\n")

    assert message in str(caught.value)


def test_a_limit_may_order_by_a_kept_column_whose_type_is_not_yet_known() -> None:
    recipe = parse_recipe(
        "name: made\nsources: [{name: a, files: [b], keep: [quality]}]\n"
        "rules: [{budget: 5, order_by: -quality}, {cap: 1, per: source, order_by: quality}]\n"
    )

    assert [rule.reason for rule in recipe.rules] == ["all_budget", "source_cap"]
