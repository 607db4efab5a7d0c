"""Sides that are identical to a trainer, and conversations that strict chat templates refuse."""

from pathlib import Path
from typing import Any

import pytest

from tests.made import assistant, explicit, table, turn, user

RECIPE = "name: made\nsources: [{name: made, files: [rows.jsonl]}]\n"
EXACT = f"{RECIPE}pairs: {{identical: exact}}\n"


@pytest.mark.parametrize(
    ("chosen", "rejected", "normalized"),
    [
        ("Oak.", "Oak.", True),
        ("Oak.\n", "Oak.", True),
        ("Oak.\r\nElm.", "Oak.\nElm.", True),
        ("Oak.\rElm.", "Oak.\nElm.", True),
        ("\u00e9lm", "e\u0301lm", True),
        ("Oak.", "oak.", False),
        ("Oak. Elm.", "Oak.  Elm.", False),
        ("Oak.\n\nElm.", "Oak.\nElm.", False),
    ],
)
def test_sides_are_identical_where_no_trainer_can_tell_them_apart(
    write_lines: Any, tmp_path: Path, chosen: str, rejected: str, normalized: bool
) -> None:
    write_lines([explicit("Name a tree.", chosen, rejected)])

    found = [table(recipe, tmp_path, "pairs")["is_identical"][0] for recipe in (RECIPE, EXACT)]

    assert found == [normalized, chosen == rejected]


def test_identical_sides_of_several_turns_are_compared_turn_by_turn(
    write_lines: Any, tmp_path: Path
) -> None:
    call, answer = assistant("Let me look."), turn("tool", "Rain.")
    row = explicit("Weather?", "", "")
    one = {**row, "chosen": [call, answer, assistant("Rain.")]}
    same = {**one, "rejected": [assistant("Let me look. "), answer, assistant("Rain.\n")]}
    other = {**one, "rejected": [call, turn("tool", "Rain.\n\nRain."), assistant("Sun.")]}
    write_lines([same, {**other, "prompt": [user("And now?")]}])

    assert sorted(table(RECIPE, tmp_path, "pairs")["is_identical"]) == [False, True]


def test_votes_for_both_of_two_identical_sides_do_not_contradict(
    write_lines: Any, tmp_path: Path
) -> None:
    write_lines([explicit("Tree?", "Oak.", "Oak. "), explicit("Tree?", "Oak. ", "Oak.")])

    pairs = table(RECIPE, tmp_path, "pairs")

    assert pairs.select("is_tie", "is_identical", "is_contradiction").rows() == [
        (True, True, False)
    ]


ROLES = {"s": "system", "u": "user", "a": "assistant", "t": "tool"}


@pytest.mark.parametrize(
    ("prompt", "response", "expected"),
    [
        ("u", "a", (True, True, True)),
        ("su", "a", (True, True, True)),
        ("uau", "a", (True, True, True)),
        ("suauau", "a", (True, True, True)),
        ("uatau", "ata", (True, True, True)),
        ("uat", "a", (True, True, True)),
        ("uatt", "a", (True, True, True)),
        ("uu", "a", (False, True, True)),
        ("uaau", "a", (False, True, True)),
        ("ua", "a", (False, True, True)),
        ("au", "a", (False, False, True)),
        ("sau", "a", (False, False, True)),
        ("ssu", "a", (False, True, False)),
        ("us", "a", (False, True, False)),
        ("uasu", "a", (False, True, False)),
        ("ut", "a", (False, True, True)),
        ("u", "aua", (True, True, True)),
        ("u", "aa", (False, True, True)),
        ("u", "asa", (False, True, False)),
    ],
)
def test_what_strict_templates_refuse_is_a_column(
    write_lines: Any,
    tmp_path: Path,
    prompt: str,
    response: str,
    expected: tuple[bool, bool, bool],
) -> None:
    said = [turn(ROLES[letter], f"{place}") for place, letter in enumerate(prompt)]
    chosen = [turn(ROLES[letter], f"said {place}") for place, letter in enumerate(response)]
    write_lines([{"prompt": said, "chosen": chosen, "rejected": [assistant("No.")]}])

    pairs = table(RECIPE, tmp_path, "pairs")

    columns = ("turns_alternate", "starts_with_user", "system_first")
    assert pairs.select(columns).rows() == [expected]
    assert pairs["num_system_turns"].to_list() == [prompt.count("s")]
    assert pairs["num_prompt_turns"].to_list() == [len(prompt)]


def test_blank_turns_of_the_prompt_are_counted(write_lines: Any, tmp_path: Path) -> None:
    prompt = [turn("system", ""), user("Hi"), assistant(" \n"), user("Yo")]
    write_lines([{**explicit("", "a", "b"), "prompt": prompt}])

    assert table(RECIPE, tmp_path, "pairs")["num_empty_turns"].to_list() == [2]
