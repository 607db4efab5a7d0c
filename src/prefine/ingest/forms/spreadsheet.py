"""Read the sheet of a spreadsheet (XLSX) that has rows."""

import io
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from itertools import islice
from typing import IO, Any
from zipfile import BadZipFile

from prefine.errors import DataError
from prefine.ingest.forms.delimited import column_names
from prefine.ingest.forms.refusal import not_readable
from prefine.ingest.record import Reason, RowError
from prefine.ingest.rows import RawRow, as_row, json_bytes
from prefine.settings import require_extra


def xlsx_rows(stream: IO[bytes], path: str) -> Iterator[RawRow]:
    """Read the only sheet with rows; blank rows are skipped.

    Args:
        stream: The content of the file.
        path: Name of the file for messages.

    Raises:
        DataError: The file is not a valid spreadsheet, or several sheets have rows.
        RecipeError: openpyxl is not installed.
    """
    require_extra("xlsx", f"the spreadsheet {path}")
    import openpyxl

    try:
        book = openpyxl.load_workbook(io.BytesIO(stream.read()), read_only=True, data_only=True)
        rows = _only_sheet(book.worksheets, path).iter_rows(values_only=True)
        names = list(next(rows, ()))
        while names and names[-1] is None:
            names.pop()
        header = column_names(["" if name is None else name for name in names], path)
        for index, cells in enumerate(rows):
            yield from _row(header, [_json_value(cell) for cell in cells], index + 1)
    except (BadZipFile, KeyError, IndexError, ValueError, TypeError, SyntaxError) as error:
        raise not_readable(path, "XLSX file", error) from error


def _only_sheet(sheets: list[Any], path: str) -> Any:
    """Return the only sheet with rows, or the first sheet if none has rows."""
    filled = [sheet for sheet in sheets if _holds_rows(sheet)]
    if len(filled) > 1:
        names = ", ".join(f"`{sheet.title}`" for sheet in filled)
        raise DataError(f"{path}: several sheets have rows: {names}; save one sheet per file")
    return (filled or sheets)[0]


def _holds_rows(sheet: Any) -> bool:
    """Return whether a sheet has column names and a row."""
    rows = sheet.iter_rows(values_only=True)
    filled = (cells for cells in rows if any(cell is not None for cell in cells))
    return len(list(islice(filled, 2))) > 1


def _row(header: list[str], cells: list[Any], number: int) -> Iterator[RawRow]:
    if any(cell is not None for cell in cells[len(header) :]):
        error = RowError(Reason.WRONG_COLUMNS, "a cell is in a column without a name")
        yield RawRow(number, None, error, json_bytes(cells))
    elif any(cell is not None for cell in cells):
        full = [*cells[: len(header)], *[None] * (len(header) - len(cells))]
        yield as_row(dict(zip(header, full, strict=True)), number)


def _json_value(cell: object) -> object:
    if isinstance(cell, datetime | date | time):
        return cell.isoformat()
    return str(cell) if isinstance(cell, timedelta) else cell
