"""Lay out text in columns; words are broken only if a column is narrower than a word."""

from collections.abc import Sequence
from unicodedata import combining, east_asian_width

GAP = 2
"""Spaces between two columns."""
KEEP = "\N{NO-BREAK SPACE}"
"""A space at which lines are not broken."""


def text_width(text: str) -> int:
    """Return the width of a text in terminal columns."""
    if text.isascii():
        return len(text)
    return sum(2 if east_asian_width(char) in "WF" else not combining(char) for char in text)


def wrap_words(text: str, width: int, *, fold: bool = False) -> list[str]:
    """Wrap a text at word boundaries.

    Args:
        text: The text; its line breaks are kept.
        width: Columns of a line.
        fold: Break words that are wider than a line; otherwise they have a line of their own.

    Returns:
        At least one line.
    """
    lines: list[str] = []
    for paragraph in text.splitlines() or [""]:
        line = ""
        for word in paragraph.split(" "):
            longer = f"{line} {word}" if line else word
            if text_width(longer) <= width or not line:
                line = longer
            else:
                lines.append(line)
                line = word
            while fold and text_width(line) > width:
                first = _prefix(line, width)
                lines.append(first)
                line = line[len(first) :]
        lines.append(line)
    return [line.replace(KEEP, " ") for line in lines]


def _prefix(text: str, width: int) -> str:
    """Return the longest prefix of a text that fits, at least one character."""
    end = 1
    while end < len(text) and text_width(text[: end + 1]) <= width:
        end += 1
    return text[:end]


def column_widths(columns: Sequence[Sequence[str]], width: int) -> list[int]:
    """Return the widths of columns that fit a terminal.

    Columns are as wide as their widest cell if there is room; otherwise the widest are made
    narrower, down to their longest word first.

    Args:
        columns: The cells of each column, headings included.
        width: Columns of the terminal.
    """
    room = max(width - GAP * (len(columns) - 1), len(columns))
    widths = [min(max(map(text_width, column), default=1), room) or 1 for column in columns]
    least = [max((longest_word(cell) for cell in column), default=1) for column in columns]
    while sum(widths) > room:
        wide = [place for place, one in enumerate(widths) if one > least[place]]
        widest = max(wide or range(len(widths)), key=widths.__getitem__)
        widths[widest] -= 1
    return widths


def longest_word(text: str) -> int:
    """Return the width of the longest word of a text."""
    return max(map(text_width, text.split(" ")), default=0)


def table_lines(
    head: Sequence[str], body: Sequence[Sequence[str]], right: Sequence[bool], width: int
) -> list[str]:
    """Return the lines of a table.

    Args:
        head: The names of the columns.
        body: The cells of each row.
        right: Whether each column is aligned right.
        width: Columns of the terminal.
    """
    columns = [[name, *(line[place] for line in body)] for place, name in enumerate(head)]
    widths = column_widths(columns, width)
    rule = "─" * (sum(widths) + GAP * (len(widths) - 1))
    lines = _row_lines(head, widths, right)
    lines.append(rule)
    for cells in body:
        lines += _row_lines(cells, widths, right)
    return lines


def _row_lines(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> list[str]:
    wrapped = [wrap_words(cell, size, fold=True) for cell, size in zip(cells, widths, strict=True)]
    height = max(map(len, wrapped), default=0)
    return [
        (" " * GAP)
        .join(
            _padded(parts[number] if number < len(parts) else "", size, to_right)
            for parts, size, to_right in zip(wrapped, widths, right, strict=True)
        )
        .rstrip()
        for number in range(height)
    ]


def _padded(text: str, width: int, to_right: bool) -> str:
    blanks = " " * (width - text_width(text))
    return blanks + text if to_right else text + blanks
