"""Read delimited text: CSV, TSV and their kin, with quotes that may be broken."""

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
"""How many rows show the delimiter."""
_MOST = 0.5
"""The share of rows with as many cells as there are column names that shows a table."""
_MARK = "\ufeff"
_STATED = re.compile(r'\ufeff?"?sep=([^"\r\n])"?[\r\n]*', re.IGNORECASE)
"""How a first line for spreadsheets states the delimiter."""

csv.field_size_limit(2**31 - 1)


class _Lines:
    """The lines of a file, some of which may be read again."""

    def __init__(self, lines: Iterator[str], limit: int) -> None:
        self._lines = lines
        self._limit = limit
        self._again: deque[str] = deque()
        self._size = 0
        self.taken: list[str] = []
        """The lines of the present row."""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._size > self._limit:
            raise csv.Error(f"the row is longer than {self._limit} characters")
        line = self._again.popleft() if self._again else next(self._lines)
        self._size += len(line)
        self.taken.append(line)
        return line.removeprefix(_MARK) if len(self.taken) == 1 else line

    def new_row(self) -> None:
        """Forget the lines of the row before."""
        self.taken = []
        self._size = 0

    def read_again(self) -> None:
        """Read the lines of the present row again, without the first."""
        self._again.extendleft(reversed(self.taken[1:]))


def delimited_rows(
    stream: IO[bytes], path: str, limit: int, delimiter: str | None = None
) -> Iterator[RawRow]:
    """Read lines of cells under one line of column names.

    A broken quote costs the line that it stands on, as long as every row is one line; where rows
    go over several lines, it hides where the next row begins.

    Args:
        stream: The bytes, in UTF-8.
        path: The file, for messages.
        limit: How long a row may be.
        delimiter: What stands between cells; null recognises it.

    Raises:
        DataError: The column names cannot be read, the delimiter does not split them but another
            one does, or a broken quote hides where rows begin.
    """
    text = io.TextIOWrapper(stream, "utf-8", errors="surrogateescape", newline="")
    try:
        first = list(islice(text, 2 * _NUM_ROWS))
        stated = _STATED.fullmatch(first[0]) if first else None
        if stated is not None:
            first, delimiter = first[1:], delimiter or stated[1]
        lines = _Lines(chain(first, text), limit)
        yield from _Rows(lines, delimiter or delimiter_of(first, path), path, limit).read()
    finally:
        text.detach()


def delimiter_of(lines: Sequence[str], path: str) -> str:
    """Return the delimiter that splits the column names, and most rows alike.

    Args:
        lines: The first lines of the file.
        path: The file; where there is one column, its name decides.
    """
    usual = "\t" if ".tsv" in PurePosixPath(path.lower()).suffixes else ","
    order = usual + _DELIMITERS.replace(usual, "")
    alike = {delimiter: _alike(lines, delimiter) for delimiter in order}
    best = max(order, key=lambda delimiter: alike[delimiter])
    return best if alike[best] > (0.0, 0) else usual


def is_table(lines: Sequence[str]) -> bool:
    """Tell whether the first lines of a file are column names and cells, by some delimiter."""
    return any(_alike(lines, delimiter) >= (_MOST, 2) for delimiter in _DELIMITERS)


def _alike(lines: Sequence[str], delimiter: str) -> tuple[float, int]:
    """Return the share of rows with as many cells as there are names, and how many these are."""
    names, *rows = [*_widths(lines, delimiter), 0]
    rows = rows[:-1]
    return (
        (sum(width == names for width in rows) / max(1, len(rows)), names)
        if names > 1
        else (0.0, 0)
    )


def _widths(lines: Sequence[str], delimiter: str) -> list[int]:
    """Return how many cells the first rows have."""
    widths: list[int] = []
    try:
        for cells in islice(csv.reader(lines, delimiter=delimiter), _NUM_ROWS):
            widths += [len(cells)] if cells else []
    except csv.Error:
        pass
    return widths


def column_names(cells: Sequence[object], path: str) -> list[str]:
    """Return column names; refuse a name that stands twice: one of its columns would be lost.

    Raises:
        DataError: A name stands twice, or is not UTF-8.
    """
    header = [
        str(cell).strip() or f"column {index + 1}" for index, cell in enumerate(cells)
    ]  # fmt: skip
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise DataError(f"{path}: columns of the same name: {', '.join(twice)}; rename one")
    if any(not isinstance(readable_text(name), str) for name in header):
        raise DataError(f"{path}: a column name is not UTF-8; set `encoding`, such as windows-1252")
    return header


class _Rows:
    """The rows of one file, and what its quotes have shown so far."""

    def __init__(self, lines: _Lines, delimiter: str, path: str, limit: int) -> None:
        self._lines = lines
        self._delimiter = delimiter
        self._reader = csv.reader(lines, delimiter=delimiter, strict=True)
        self._path = path
        self._limit = limit
        self._header: list[str] = []
        self._number = 0
        self._broken: int | None = None
        """The first row with a broken quote."""
        self._spans = False
        """Whether a row went over several lines."""

    def read(self) -> Iterator[RawRow]:
        try:
            cells = next((cells for cells in self._reader if any(cells)), list[str]())
        except csv.Error as error:
            text = f"{self._path}: the column names are not readable as CSV ({error})"
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
        """Refuse one column whose name another delimiter splits."""
        if len(self._header) > 1:
            return
        lines = [line.removeprefix(_MARK) for line in self._lines.taken]
        widths = {other: [0, *_widths(lines, other)][-1] for other in _DELIMITERS}
        best = max(_DELIMITERS, key=lambda other: widths[other])
        if widths[best] > 1:
            name, used = " ".join(self._header[0].split()), json.dumps(self._delimiter)
            raise DataError(
                f"{self._path}: with the `delimiter` {used} there is one column, named "
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
        detail = f"a quote is broken: {error}"
        return RawRow(self._number, None, RowError(Reason.WRONG_COLUMNS, detail), beginning)

    def _is_row(self, line: str) -> bool:
        cells = next(csv.reader([line], delimiter=self._delimiter), list[str]())
        return len(cells) == len(self._header)

    def _unclear(self) -> DataError:
        return DataError(
            f"{self._path}: row {self._broken}: a quote is broken, and cells of this file go over "
            "several lines, so that it is unclear where rows begin; repair the quotes of this row"
        )

    def _row(self, cells: list[str]) -> RawRow:
        raw = ",".join(cells).encode("utf-8", "surrogateescape")
        if len(cells) != len(self._header):
            text = f"{len(cells)} cells under {len(self._header)} column names"
            return self._refused(text, raw)
        if [cell.strip() for cell in cells] == self._header:
            return self._refused("the row repeats the column names: files were joined", raw)
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
