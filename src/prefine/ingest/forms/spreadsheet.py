"""Read the first sheet of a spreadsheet (XLSX)."""

import io
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import IO, Any
from zipfile import BadZipFile

from prefine.errors import DataError
from prefine.ingest.forms.delimited import column_names
from prefine.ingest.forms.refusal import not_readable
from prefine.ingest.record import Reason, RowError
from prefine.ingest.rows import RawRow, as_row, json_bytes


def xlsx_rows(stream: IO[bytes], path: str) -> Iterator[RawRow]:
    """Read the first sheet, without its blank rows.

    Raises:
        DataError: It is not a readable spreadsheet.
    """
    try:
        import openpyxl
    except ImportError as error:
        raise DataError(f"{path}: reading XLSX needs `pip install prefine[xlsx]`") from error
    try:
        book = openpyxl.load_workbook(io.BytesIO(stream.read()), read_only=True, data_only=True)
        rows = book.worksheets[0].iter_rows(values_only=True)
        names = list(next(rows, ()))
        while names and names[-1] is None:
            names.pop()
        header = column_names(["" if name is None else name for name in names], path)
        for index, cells in enumerate(rows):
            yield from _row(header, [_json_value(cell) for cell in cells], index + 1)
    except (BadZipFile, KeyError, IndexError, ValueError, TypeError, SyntaxError) as error:
        raise not_readable(path, "XLSX file", error) from error


def _row(header: list[str], cells: list[Any], number: int) -> Iterator[RawRow]:
    if any(cell is not None for cell in cells[len(header) :]):
        error = RowError(Reason.WRONG_COLUMNS, "a cell stands under no column name")
        yield RawRow(number, None, error, json_bytes(cells))
    elif any(cell is not None for cell in cells):
        full = [*cells[: len(header)], *[None] * (len(header) - len(cells))]
        yield as_row(dict(zip(header, full, strict=True)), number)


def _json_value(cell: object) -> object:
    if isinstance(cell, datetime | date | time):
        return cell.isoformat()
    return str(cell) if isinstance(cell, timedelta) else cell
