"""Files as users have them: compressed, cut off, badly encoded, far too long."""

import gzip
import json
import lzma
import tracemalloc
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prefine.errors import DataError
from prefine.ingest.detect import parse_first_record
from prefine.ingest.files import hash_file, raw_rows
from prefine.ingest.record import Reason
from prefine.ingest.rows import Unreadable
from tests.made import explicit
from tests.unit.test_formats import ROWS as LAYOUT_ROWS

ROWS = [{"a": 1, "b": "x"}, {"a": 2, "b": "ü"}]
LIMIT = 2**20


def values(path: Path, limit: int = LIMIT) -> list[Any]:
    return [row.value for row in raw_rows(str(path), limit)]


def reasons(path: Path, limit: int = LIMIT) -> dict[int, str]:
    return {r.number: r.error.reason for r in raw_rows(str(path), limit) if r.error is not None}


def jsonl(rows: list[Any]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize(
    ("suffix", "pack"),
    [("", bytes), (".gz", gzip.compress), (".xz", lzma.compress), (".zst", zstd)],
)
@pytest.mark.parametrize("kind", ["jsonl", "json", "csv"])
def test_every_format_is_read_plain_and_compressed(
    tmp_path: Path, kind: str, suffix: str, pack: Any
) -> None:
    bodies = {
        "jsonl": jsonl(ROWS),
        "json": json.dumps(ROWS).encode(),
        "csv": "a,b\n1,x\n2,ü\n".encode(),
    }
    path = tmp_path / f"rows.{kind}{suffix}"
    path.write_bytes(pack(bodies[kind]))

    found = values(path)

    assert [str(row["a"]) for row in found] == ["1", "2"]
    assert [row["b"] for row in found] == ["x", "ü"]


def test_parquet_is_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.Table.from_pylist(ROWS * 1500), path)

    found = list(raw_rows(str(path), LIMIT))

    assert [row.value for row in found] == ROWS * 1500
    assert [row.number for row in found] == list(range(1, 3001))


def test_a_spreadsheet_is_read_without_its_blank_rows(tmp_path: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for line in (["a", "b"], [1, "x"], [None, None], [2, "y"]):
        sheet.append(line)
    path = tmp_path / "rows.xlsx"
    book.save(path)

    assert values(path) == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]


def test_line_numbers_count_blank_lines(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1}\n\n   \n{"a": 2}\n', encoding="utf-8")

    assert [row.number for row in raw_rows(str(path), LIMIT)] == [1, 4]


def test_a_byte_order_mark_is_no_part_of_the_data(tmp_path: Path) -> None:
    for name, body in (("r.jsonl", b'{"a": 1}\n'), ("r.json", b'[{"a": 1}]'), ("r.csv", b"a\n1\n")):
        path = tmp_path / name
        path.write_bytes(b"\xef\xbb\xbf" + body)

        assert list(values(path)[0]) == ["a"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"a": "cut', "not_json"),
        (b"[1, 2]", "not_an_object"),
        (b"null", "not_an_object"),
        (b'{"a": ' + b"[" * 5000 + b"]" * 5000 + b"}", "not_json"),
    ],
)
def test_a_bad_line_is_told_and_the_others_are_read(
    tmp_path: Path, line: bytes, reason: str
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"a": 1}\n' + line + b'\n{"a": 3}\n')

    assert reasons(path) == {2: reason}
    assert [row["a"] for row in values(path) if row] == [1, 3]


def test_a_line_of_50_mb_is_skipped_without_being_held(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    with path.open("wb") as stream:
        stream.write(b'{"a": 1}\n{"a": "')
        for _ in range(50):
            stream.write(b"x" * 2**20)
        stream.write(b'"}\n{"a": 3}\n')
    tracemalloc.start()
    try:
        found = reasons(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert found == {2: "row_too_large"}
    assert peak < 8 * 2**20


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".xz", lzma.compress)])
def test_a_truncated_archive_is_one_clear_error(tmp_path: Path, suffix: str, pack: Any) -> None:
    path = tmp_path / f"rows.jsonl{suffix}"
    path.write_bytes(pack(jsonl([{"a": n, "b": "x" * n} for n in range(2000)]))[:-50])

    with pytest.raises(DataError, match=r"rows\.jsonl\.\w+: truncated or damaged"):
        values(path)


@pytest.mark.parametrize(
    ("name", "body", "message"),
    [
        ("rows.json", b'[{"a": 1}', "not valid JSON"),
        ("rows.parquet", b"nothing", "is not a .parquet file"),
        ("rows.parquet", b"PAR1 nothing PAR1", "not a readable Parquet file"),
        ("rows.txt", b"a", "unknown format"),
        ("rows.csv", b"prompt,a,b,a\n1,2,3,4\n", "columns of the same name: a; rename one"),
        ("rows.xlsx", b"nothing", "is not a .xlsx file"),
        ("rows.xlsx", b"PK\x03\x04nothing", "not a readable ZIP archive or XLSX file"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_clear_error(
    tmp_path: Path, name: str, body: bytes, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(body)

    with pytest.raises(DataError, match=message):
        values(path)


def test_an_archive_with_damaged_bytes_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.gz"
    body = bytearray(gzip.compress(jsonl([{"a": n, "b": str(n) * 9} for n in range(2000)])))
    body[2000:2008] = b"\xff" * 8
    path.write_bytes(body)

    with pytest.raises(DataError, match="truncated or damaged"):
        values(path)


def test_a_parquet_value_that_is_no_utf8_costs_itself(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    bad = pa.array([b"\xff", b"x"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"a": bad, "b": [1, 2]}), path)

    first, second = values(path)

    assert isinstance(first["a"], Unreadable)
    assert (first["b"], second) == (1, {"a": "x", "b": 2})


def test_a_folder_is_one_clear_error(tmp_path: Path) -> None:
    folder = tmp_path / "rows.jsonl"
    folder.mkdir()

    with pytest.raises(DataError, match="is a folder"):
        hash_file(str(folder))


def test_short_rows_of_a_spreadsheet_are_filled_and_long_ones_are_told(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for cells in (["a", None, "b"], ["1"], ["1", "2", "3", "4"]):
        book.active.append(cells)
    book.save(tmp_path / "rows.xlsx")

    short, long = raw_rows(str(tmp_path / "rows.xlsx"), 10**6)

    assert short.value == {"a": "1", "column 2": None, "b": None}
    assert long.error is not None
    assert long.error.reason is Reason.WRONG_COLUMNS


def workbook(path: Path, **sheets: list[list[Any]]) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for title, lines in sheets.items():
        sheet = book.create_sheet(title)
        for line in lines:
            sheet.append(line)
    book.save(path)
    return path


def test_a_workbook_of_several_sheets_with_rows_is_refused(tmp_path: Path) -> None:
    table = [["a", "b"], ["1", "x"]]
    path = workbook(tmp_path / "rows.xlsx", First=table, Empty=[], Second=table)

    with pytest.raises(
        DataError, match=r"several sheets have rows: `First`, `Second`; save one sheet per file"
    ):
        values(path)


def test_the_only_sheet_with_rows_is_read_wherever_it_is(tmp_path: Path) -> None:
    path = workbook(tmp_path / "rows.xlsx", Notes=[["Exported"]], Rows=[["a"], ["1"]], Blank=[[]])

    assert values(path) == [{"a": "1"}]


def test_a_missing_file_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no such file"):
        values(tmp_path / "rows.jsonl")


def test_csv_rows_with_other_cells_than_names_are_told(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b'a,b\n1,"two\nlines"\n1\n1,2,3\n\xff,2\n')

    assert reasons(path) == {2: "wrong_columns", 3: "wrong_columns"}
    first, _, _, last = values(path)
    assert first == {"a": "1", "b": "two\nlines"}
    assert (last["a"].reason, last["b"]) == ("invalid_utf8", "2")


def test_detection_shows_the_first_canonical_row(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(jsonl([{"note": "no layout"}, explicit("Hi?", "Hello.", "No.")]))

    found, record = parse_first_record(str(path))

    assert found.format == "trl_explicit"
    assert record == {
        "prompt": "Hi?",
        "response 0": "Hello.",
        "response 1": "No.",
        "labels": "pair 0 against 1: a",
    }


def test_detection_shows_the_raw_row_of_a_layout_that_needs_options(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(jsonl([LAYOUT_ROWS["domains"]]))

    found, record = parse_first_record(str(path))

    assert found.format == "domains"
    assert {name: json.loads(text) for name, text in record.items()} == {
        "row": LAYOUT_ROWS["domains"]
    }
