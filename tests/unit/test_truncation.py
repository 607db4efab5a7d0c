"""Common prefixes and suffixes of both sides, in characters and in tokens after truncation."""

import random
from typing import Any

import pytest

from prefine.measure.shared_chars import shared
from prefine.text.common import common_prefix, common_suffix


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("abcdef", "abXXef", (2, 2, 4, 4 / 6)),
        ("same", "same", (4, 0, 4, 1.0)),
        ("", "", (0, 0, 0, 1.0)),
        ("", "text", (0, 0, 0, 0.0)),
        ("aaa", "aaaaa", (3, 0, 3, 0.6)),
        ("ab", "b", (0, 1, 1, 0.5)),
        ("aXa", "aa", (1, 1, 2, 2 / 3)),
        ("Käse 1", "Käse 2", (5, 0, 5, 5 / 6)),
        ("one", "two", (0, 0, 0, 0.0)),
    ],
)
def test_what_two_texts_share_is_never_counted_twice(a: str, b: str, expected: Any) -> None:
    assert shared(a, b) == expected
    assert shared(b, a) == expected


def test_the_search_finds_what_a_loop_finds() -> None:
    drawn = random.Random(0)
    for _ in range(300):
        a, b = ("".join(drawn.choices("ab", k=drawn.randint(0, 12))) for _ in range(2))
        equal = [x == y for x, y in zip(a, b, strict=False)]
        backwards = [x == y for x, y in zip(reversed(a), reversed(b), strict=False)]

        prefix = ([*equal, False]).index(False)
        assert common_prefix(a, b) == prefix
        limit = min(len(a), len(b)) - prefix
        assert common_suffix(a, b, limit) == min(([*backwards, False]).index(False), limit)
