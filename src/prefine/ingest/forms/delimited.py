"""Read delimited text such as CSV and TSV, which may have broken quotes."""

import csv
import io
import json
import re
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import PurePosixPath
from typing import IO

from prefine.errors import DataError
from prefine.ingest.record import Reason, RowError
from prefine.ingest.rows import BEGINNING, RawRow, readable_text, too_large

_DELIMITERS = ",\t;|"
_NUM_ROWS = 20
"""Number of rows that the delimiter is detected from."""
_MIN_FITTING = 0.5
"""Minimum fraction of rows with as many cells as column names for text to be a table."""
_BYTE_ORDER_MARK = "\ufeff"
_SEPARATOR_LINE = re.compile(r'\ufeff?"?sep=([^"\r\n])"?[\r\n]*', re.IGNORECASE)
"""First line that states the delimiter for spreadsheet programs."""

csv.field_size_limit(2**31 - 1)


class _Lines:
    """Iterator over the lines of a file that can read the lines of a row again."""

    def __init__(self, lines: Iterator[str], limit: int) -> None:
        self._lines = lines
        self._limit = limit
        self._again: deque[str] = deque()
        self._size = 0
        self.taken: list[str] = []
        """Lines of the current row."""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._size > self._limit:
            raise csv.Error(f"the row is longer than {self._limit} characters")
        line = self._again.popleft() if self._again else next(self._lines)
        self._size += len(line)
        self.taken.append(line)
        return line.removeprefix(_BYTE_ORDER_MARK) if len(self.taken) == 1 else line

    def new_row(self) -> None:
        """Start a new row."""
        self.taken = []
        self._size = 0

    def read_again(self) -> None:
        """Read the lines of the current row again, except for the first."""
        self._again.extendleft(reversed(self.taken[1:]))


def delimited_rows(
    stream: IO[bytes], path: str, limit: int, delimiter: str | None = None
) -> Iterator[RawRow]:
    """Read rows of delimited text with a header of column names.

    A broken quote affects only its line if every row is a single line. If rows may span several
    lines, it is unclear where the next row begins.

    Args:
        stream: The content of the file in UTF-8.
        path: Name of the file for messages.
        limit: Maximum size of a row in bytes.
        delimiter: Character between cells; None detects it.

    Raises:
        DataError: The header cannot be read, the delimiter does not split it but another one does,
            or a broken quote makes it unclear where rows begin.
    """
    text = io.TextIOWrapper(stream, "utf-8", errors="surrogateescape", newline="")
    try:
        first = list(islice(text, 2 * _NUM_ROWS))
        stated = _SEPARATOR_LINE.fullmatch(first[0]) if first else None
        if stated is not None:
            first, delimiter = first[1:], delimiter or stated[1]
        lines = _Lines(chain(first, text), limit)
        yield from _Rows(lines, delimiter or delimiter_of(first, path), path, limit).read()
    finally:
        text.detach()


def delimiter_of(lines: Sequence[str], path: str) -> str:
    """Return the delimiter for which most rows have as many cells as there are column names.

    Args:
        lines: The first lines of the file.
        path: Name of the file, which decides if there is a single column.
    """
    usual = "\t" if ".tsv" in PurePosixPath(path.lower()).suffixes else ","
    order = usual + _DELIMITERS.replace(usual, "")
    fits = {delimiter: _fit(lines, delimiter) for delimiter in order}
    best = max(order, key=lambda delimiter: fits[delimiter])
    return best if fits[best] > (0.0, 0) else usual


def is_table(lines: Sequence[str]) -> bool:
    """Return whether the first lines of a file are column names and cells with some delimiter."""
    return any(_fit(lines, delimiter) >= (_MIN_FITTING, 2) for delimiter in _DELIMITERS)


def _fit(lines: Sequence[str], delimiter: str) -> tuple[float, int]:
    """Return the fraction of rows with as many cells as column names, and the number of names."""
    names, *rows = [*_widths(lines, delimiter), 0]
    rows = rows[:-1]
    return (
        (sum(width == names for width in rows) / max(1, len(rows)), names)
        if names > 1
        else (0.0, 0)
    )


def _widths(lines: Sequence[str], delimiter: str) -> list[int]:
    """Return the number of cells of each of the first rows."""
    widths: list[int] = []
    try:
        for cells in islice(csv.reader(lines, delimiter=delimiter), _NUM_ROWS):
            widths += [len(cells)] if cells else []
    except csv.Error:
        pass
    return widths


def column_names(cells: Sequence[object], path: str) -> list[str]:
    """Return the column names of a header; an empty name becomes ``column N``.

    Args:
        cells: The cells of the header.
        path: Name of the file for messages.

    Raises:
        DataError: Two columns have the same name, or a name is not UTF-8.
    """
    header = [
        str(cell).strip() or f"column {index + 1}" for index, cell in enumerate(cells)
    ]  # fmt: skip
    duplicates = sorted({name for name in header if header.count(name) > 1})
    if duplicates:
        raise DataError(f"{path}: columns of the same name: {', '.join(duplicates)}; rename one")
    if any(not isinstance(readable_text(name), str) for name in header):
        raise DataError(f"{path}: a column name is not UTF-8; set `encoding`, such as windows-1252")
    return header


class _Rows:
    """Reader of the rows of one file, with the state of its quotes so far."""

    def __init__(self, lines: _Lines, delimiter: str, path: str, limit: int) -> None:
        self._lines = lines
        self._delimiter = delimiter
        self._reader = csv.reader(lines, delimiter=delimiter, strict=True)
        self._path = path
        self._limit = limit
        self._header: list[str] = []
        self._number = 0
        self._broken: int | None = None
        """Number of the first row with a broken quote."""
        self._spans = False
        """Whether a row spanned several lines."""

    def read(self) -> Iterator[RawRow]:
        try:
            cells = next((cells for cells in self._reader if any(cells)), list[str]())
        except csv.Error as error:
            text = f"{self._path}: the header is not valid CSV ({error})"
            raise DataError(text) from error
        self._header = column_names(cells, self._path)
        self._require_delimiter()
        while True:
            self._lines.new_row()
            self._number += 1
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield self._unreadable(error)
                continue
            self._spans = self._spans or len(self._lines.taken) > 1
            if self._spans and self._broken is not None:
                raise self._unclear()
            if cells:
                yield self._row(cells)

    def _require_delimiter(self) -> None:
        """Refuse a single column whose name another delimiter splits."""
        if len(self._header) > 1:
            return
        lines = [line.removeprefix(_BYTE_ORDER_MARK) for line in self._lines.taken]
        widths = {other: [0, *_widths(lines, other)][-1] for other in _DELIMITERS}
        best = max(_DELIMITERS, key=lambda other: widths[other])
        if widths[best] > 1:
            name, used = " ".join(self._header[0].split()), json.dumps(self._delimiter)
            raise DataError(
                f"{self._path}: with the `delimiter` {used} there is a single column, "
                f"`{name:.200}`; set `delimiter` to {json.dumps(best)}"
            )

    def _unreadable(self, error: csv.Error) -> RawRow:
        taken = self._lines.taken
        self._broken = self._broken or self._number
        if not self._spans:
            self._lines.read_again()
            taken = taken[:1]
        elif any(self._is_row(line) for line in taken[1:]):
            raise self._unclear()
        beginning = "".join(taken)[:BEGINNING].encode("utf-8", "surrogateescape")
        detail = f"broken quote: {error}"
        return RawRow(self._number, None, RowError(Reason.WRONG_COLUMNS, detail), beginning)

    def _is_row(self, line: str) -> bool:
        cells = next(csv.reader([line], delimiter=self._delimiter), list[str]())
        return len(cells) == len(self._header)

    def _unclear(self) -> DataError:
        return DataError(
            f"{self._path}: row {self._broken}: broken quote in a file with cells that span "
            "several lines, so it is unclear where rows begin; fix the quotes of this row"
        )

    def _row(self, cells: list[str]) -> RawRow:
        raw = ",".join(cells).encode("utf-8", "surrogateescape")
        if len(cells) != len(self._header):
            text = f"{len(cells)} cells under {len(self._header)} column names"
            return self._refused(text, raw)
        if [cell.strip() for cell in cells] == self._header:
            return self._refused("the row repeats the header, as in concatenated files", raw)
        if len(raw) > self._limit:
            return too_large(self._number, self._limit, raw)
        value = dict(zip(self._header, cells, strict=True))
        try:
            raw.decode()
        except UnicodeDecodeError:
            value = {name: readable_text(cell) for name, cell in value.items()}
        return RawRow(self._number, value, None, raw)

    def _refused(self, detail: str, raw: bytes) -> RawRow:
        error = RowError(Reason.WRONG_COLUMNS, detail)
        return RawRow(self._number, None, error, raw[:BEGINNING])
