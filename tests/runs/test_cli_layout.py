"""Text in columns on a terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefine.cli.layout import KEEP, column_widths, table_lines, text_width, wrap_words


def test_lines_are_broken_between_words() -> None:
    assert wrap_words("one two three", 7) == ["one two", "three"]
    assert wrap_words(f"one two{KEEP}three", 9) == ["one", "two three"]
    assert wrap_words("a\n\nb", 9) == ["a", "", "b"]
    assert wrap_words("", 9) == [""]


def test_a_word_is_broken_only_on_request() -> None:
    assert wrap_words("ab abcdefgh", 4) == ["ab", "abcdefgh"]
    assert wrap_words("ab abcdefgh", 4, fold=True) == ["ab", "abcd", "efgh"]


def test_wide_characters_take_two_columns() -> None:
    assert text_width("日本 a") == 6
    assert text_width("e\u0301") == 1
    assert wrap_words("日本日本", 5, fold=True) == ["日本", "日本"]


def test_the_widest_columns_give_way_first_and_keep_their_words() -> None:
    columns = [["id", "abcdef"], ["many words", "one two three four five six"]]
    assert column_widths(columns, 80) == [6, 27]
    assert column_widths(columns, 20) == [6, 12]
    assert column_widths(columns, 8) == [3, 3]


def test_a_table_has_a_rule_and_aligns_numbers_right() -> None:
    lines = table_lines(["name", "count"], [["a", "12"], ["long name", "3"]], [False, True], 80)
    assert lines == [
        "name       count",
        "────────────────",
        "a             12",
        "long name      3",
    ]


@given(
    st.lists(st.lists(st.text("abc 日", max_size=30), min_size=3, max_size=3), max_size=5),
    st.integers(12, 80),
)
def test_no_line_is_wider_than_the_terminal_and_no_text_is_lost(
    body: list[list[str]], width: int
) -> None:
    lines = table_lines(["a", "b", "c"], body, [False, True, False], width)
    assert all(text_width(line) <= width for line in lines)
    shown = sorted("".join(lines[2:]).replace(" ", ""))
    assert shown == sorted("".join("".join(row) for row in body).replace(" ", ""))


@pytest.mark.parametrize("width", [1, 5])
def test_a_terminal_that_is_too_narrow_is_no_error(width: int) -> None:
    assert table_lines(["name", "x", "y"], [["a", "b", "c"]], [False] * 3, width)
