"""The split of every prompt: independent of rules, stable, and without leaks."""

import polars as pl
import pytest

from prefine.export.manifest import remarks_of
from prefine.export.splits import percent, share_remark, with_splits
from prefine.export.twins import without_form
from prefine.step import Manifest


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Why is the sky blue?", "  why is\tthe SKY blue?\n"),
        ("Why?No.", "Why? No."),
        ("café", "cafe\u0301"),
        ("ﬁne", "FINE"),
        ("STRASSE", "straße"),
        ("a\u200bb\u00adc", "abc"),
        ("10 km²", "10km2"),
        ("為 什麼", "為什麼"),
    ],
)
def test_texts_that_differ_by_blanks_case_or_form_are_twins(one: str, other: str) -> None:
    assert without_form(pl.Series([one])).to_list() == without_form(pl.Series([other])).to_list()


@pytest.mark.parametrize(("one", "other"), [("n!", "n"), ("5 - 3", "5 + 3"), ("né", "ne")])
def test_texts_that_differ_in_a_sign_are_no_twins(one: str, other: str) -> None:
    assert without_form(pl.Series([one])).to_list() != without_form(pl.Series([other])).to_list()


@pytest.mark.parametrize(
    ("train", "test", "ratio", "remark"),
    [
        (90, 10, 0.1, None),
        (88, 12, 0.1, None),
        (
            87,
            13,
            0.1,
            "the test split has 13 of 100 pairs (13.0%); 10.0% of the pairs were requested",
        ),
        (92, 8, 0.1, None),
        (93, 7, 0.1, "the test split has 7 of 100 pairs (7.0%); 10.0% of the pairs were requested"),
        (8, 2, 0.1, None),
        (7, 3, 0.1, "the test split has 3 of 10 pairs (30.0%); 10.0% of the pairs were requested"),
        (10, 0, 0.1, "the test split is empty; 10.0% of the pairs were requested"),
        (10, 0, 0.0, None),
    ],
)
def test_a_share_far_from_the_wanted_one_is_remarked(
    train: int, test: int, ratio: float, remark: str | None
) -> None:
    counts = {"pairs": {"train": train, "test": test}}

    assert share_remark(counts, ratio) == remark


@pytest.mark.parametrize(
    ("sizes", "draws", "ratio", "test"),
    [
        # the draws below the ratio are two of ten
        ([1] * 10, [n / 10 for n in range(10)], 0.2, {0, 1}),
        # none is: the smallest goes until test is not far off
        ([1] * 20, [0.5 + n / 100 for n in range(20)], 0.2, {0, 1, 2}),
        # all are: the limit falls until test is not far off
        ([1] * 20, [n / 1000 for n in range(20)], 0.2, {0, 1, 2, 3, 4}),
        # a group of more than the test share is in train, whatever its draw
        ([6, 1, 1, 1, 1], [0.0, 0.1, 0.15, 0.3, 0.4], 0.2, {1, 2}),
        # one that would make test too large is passed over
        ([5, 8, 1, 1, 25], [0.0, 0.01, 0.02, 0.03, 0.9], 0.2, {0, 2, 3}),
        # train keeps a pair
        ([1, 1], [0.0, 0.01], 0.9, {0}),
        ([1], [0.0], 0.9, set()),
    ],
)
def test_groups_are_taken_by_their_draws(
    sizes: list[int], draws: list[float], ratio: float, test: set[int]
) -> None:
    names = [f"{n:024x}" for n in range(len(sizes))]
    groups = range(len(sizes))
    rows = pl.DataFrame({"prompt_id": names, "num_pairs": sizes, "draw": draws, "group": groups})

    found = with_splits(rows, ratio)["split"]

    assert {place for place, split in enumerate(found) if split == "test"} == test


def test_a_group_has_the_smallest_draw_of_its_prompts() -> None:
    rows = pl.DataFrame(
        {
            "prompt_id": [f"{n:024x}" for n in range(12)],
            "num_pairs": [1] * 12,
            "draw": [0.9, 0.01, *(0.5 + n / 100 for n in range(10))],
            "group": [0, 0, *range(1, 11)],
        }
    )

    assert with_splits(rows, 0.2)["split"].to_list() == ["test"] * 2 + ["train"] * 10


def manifest(*remarks: str) -> Manifest:
    return Manifest("s", "f", None, 0, 0, {}, (), {"remarks": list(remarks)} if remarks else {}, 0)


def test_remarks_are_gathered_in_the_order_of_the_plan_each_once() -> None:
    steps = {
        "b": [manifest("two"), manifest("one", "two")],
        "a": [manifest()],
        "c": [manifest("0")],
    }

    assert remarks_of(steps) == ["two", "one", "0"]


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.1, "10.0%"), (0.999, "99.9%"), (0.0005, "0.05%"), (1e-9, "0.0000001%")],
)
def test_a_wanted_share_is_told_with_all_its_digits(share: float, text: str) -> None:
    assert percent(share) == text
