"""The forms that files have in the wild, recognised from their bytes whatever their names say."""

import bz2
import gzip
import io
import json
import lzma
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from prefine.errors import DataError
from prefine.ingest.detect import detect_file, detect_for_source
from prefine.ingest.files import raw_rows
from prefine.ingest.forms.options import FileOptions
from prefine.ingest.layouts import Detected
from prefine.ingest.rows import RawRow
from tests.made import explicit
from tests.published import PUBLISHED
from tests.unit.test_formats import ROWS as LAYOUT_ROWS

ROWS = [{"prompt": f"Q{n}: ü, [x]?", "chosen": f"a{n} {{", "rejected": 'b"\n'} for n in range(3)]
LINES = [json.dumps(row) for row in ROWS]
ALL = "\n".join(LINES)
COLUMNS = {name: [row[name] for row in ROWS] for name in ROWS[0]}
LIMIT = 2**20


def read(path: Path, limit: int = LIMIT, **options: Any) -> list[RawRow]:
    return list(raw_rows(str(path), limit, options=FileOptions(**options)))


def values(body: str | bytes, folder: Path, name: str = "rows.jsonl", **options: Any) -> list[Any]:
    path = folder / name
    path.write_bytes(body if isinstance(body, bytes) else body.encode())
    return [row.value if row.error is None else row.error.reason for row in read(path, **options)]


FORMS = {
    "lines": ALL,
    "array": json.dumps(ROWS),
    "array, one row a line": "[\n" + ",\n".join(LINES) + "\n]\n",
    "array, opened on the first line": "[" + ",\n".join(LINES) + "]",
    "array, commas first": "[" + LINES[0] + "\n," + "\n,".join(LINES[1:]) + "\n]",
    "pretty-printed array": json.dumps(ROWS, indent=2),
    "array printed with tabs": json.dumps(ROWS, indent="\t"),
    "pretty-printed objects": "\n".join(json.dumps(row, indent=4) for row in ROWS),
    "pretty-printed objects, joined": "".join(json.dumps(row, indent=4) for row in ROWS),
    "objects printed without indent": "\n".join(json.dumps(row, indent=0) for row in ROWS),
    "objects on one line": " ".join(LINES),
    "objects without blanks": "".join(LINES),
    "lines with commas": ",\n".join(LINES) + ",\n",
    "joined without a line break": LINES[0] + "\n" + LINES[1] + LINES[2],
    "joined arrays": json.dumps(ROWS[:2]) + "\n" + json.dumps(ROWS[2:]),
    "rows under a key": json.dumps({"version": 1, "data": ROWS}),
    "rows under two keys": json.dumps({"data": {"train": ROWS}}),
    "columns": json.dumps(COLUMNS),
    "columns under a key": json.dumps({"data": COLUMNS}, indent=1),
    "data frame": json.dumps(
        {name: {str(i): value for i, value in enumerate(cells)} for name, cells in COLUMNS.items()}
    ),
    "data frame by index": json.dumps({str(index): row for index, row in enumerate(ROWS)}),
    "split data frame": json.dumps(
        {"columns": list(COLUMNS), "index": [0, 1, 2], "data": [list(r.values()) for r in ROWS]}
    ),
    "table data frame": json.dumps({"schema": {"fields": [{"name": "prompt"}]}, "data": ROWS}),
}


@pytest.mark.parametrize("suffix", [".json", ".jsonl", ".ndjson", ".txt", ""])
@pytest.mark.parametrize("form", FORMS)
def test_json_is_read_whatever_its_form_and_its_name(
    form: str, suffix: str, tmp_path: Path
) -> None:
    assert values(FORMS[form], tmp_path, f"rows{suffix}") == ROWS


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_encodings_with_a_mark_are_read(form: str, encoding: str, tmp_path: Path) -> None:
    assert values(FORMS[form].encode(encoding), tmp_path) == ROWS


@pytest.mark.parametrize("ends", ["\r", "\r\n"])
@pytest.mark.parametrize("form", FORMS)
def test_every_kind_of_line_end_is_read(form: str, ends: str, tmp_path: Path) -> None:
    assert values(FORMS[form].replace("\n", ends), tmp_path) == ROWS


def test_big_endian_text_is_read(tmp_path: Path) -> None:
    assert values(b"\xfe\xff" + ALL.encode("utf-16-be"), tmp_path) == ROWS
    assert values(b"\x00\x00\xfe\xff" + ALL.encode("utf-32-be"), tmp_path) == ROWS


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_wide_text_without_a_mark_needs_its_encoding_stated(encoding: str, tmp_path: Path) -> None:
    body = ALL.encode(encoding)

    with pytest.raises(DataError, match=f"without a byte-order mark; set `encoding`.*{encoding}"):
        values(body, tmp_path)

    assert values(body, tmp_path, encoding=encoding) == ROWS


def test_a_long_array_is_cut_into_its_rows_without_being_held(tmp_path: Path) -> None:
    rows = [{"a": n, "b": "[{" + '"' * (n % 7) + "x" * 200} for n in range(9000)]
    for form in (json.dumps(rows), json.dumps(rows, indent=1), json.dumps(rows)[1:-1]):
        assert values(form, tmp_path) == rows


def test_a_row_of_an_array_that_is_too_long_is_told(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([{"a": "x"}, {"a": "x" * 3000}, {"a": "y"}]), encoding="utf-8")

    found = read(path, 2000)

    assert [row.value for row in found] == [{"a": "x"}, None, {"a": "y"}]
    assert found[1].error is not None
    assert found[1].error.reason == "row_too_large"
    assert [row.number for row in found] == [1, 2, 3]


@pytest.mark.parametrize("layout", LAYOUT_ROWS)
@pytest.mark.parametrize("indent", [None, 2])
def test_the_only_row_of_a_file_is_no_container_of_rows(
    layout: str, indent: int | None, tmp_path: Path
) -> None:
    row = LAYOUT_ROWS[layout]

    assert values(json.dumps(row, indent=indent), tmp_path) == [row]


def test_the_only_row_of_a_published_set_is_no_container_of_rows(tmp_path: Path) -> None:
    for form in PUBLISHED:
        for row in form.rows:
            for name in ("rows.jsonl", "rows.json"):
                assert values(json.dumps(row), tmp_path, name) == [row], form.name


def test_rows_are_found_under_a_key_of_any_name_but_for_a_line_of_lines(tmp_path: Path) -> None:
    value = {"my_rows": ROWS}

    assert values(json.dumps(value, indent=1), tmp_path) == ROWS
    assert values(json.dumps(value), tmp_path, "rows.json") == ROWS
    assert values(json.dumps(value), tmp_path, "rows.jsonl") == [value]


def test_columns_of_conversations_are_columns_and_one_conversation_is_a_row(tmp_path: Path) -> None:
    row = explicit("Q?", "a", "b")
    columns = {name: [value, value] for name, value in row.items()}

    assert values(json.dumps(row), tmp_path, "rows.json") == [row]
    assert values(json.dumps(columns), tmp_path, "rows.json") == [row, row]


def test_rows_that_are_messages_of_a_tree_are_rows(tmp_path: Path) -> None:
    rows = [{"message_id": "p1", "role": "prompter", "text": "Q?"}, {"message_id": "a1"}]

    assert values(json.dumps({"data": rows}), tmp_path) == rows


def test_several_lists_of_rows_need_a_key(tmp_path: Path) -> None:
    body = json.dumps({"train": ROWS, "test": ROWS[:1]})

    with pytest.raises(DataError, match="several lists of rows; set `rows` to one of: train, test"):
        values(body, tmp_path)

    assert values(body, tmp_path, rows="test") == ROWS[:1]


def test_rows_are_found_under_the_stated_key(tmp_path: Path) -> None:
    body = json.dumps({"meta": {}, "a": {"b": ROWS}})

    assert values(body, tmp_path, rows="a.b") == ROWS
    assert values(f"{body}\n{body}", tmp_path, rows="a.b") == ROWS * 2
    assert values(json.dumps({"a": COLUMNS}), tmp_path, rows="a") == ROWS
    with pytest.raises(DataError, match=r"no key `a\.c` \(option `rows`\); the keys are: b"):
        values(body, tmp_path, rows="a.c")
    with pytest.raises(DataError, match="not a list of rows"):
        values(body, tmp_path, rows="meta")


def test_a_broken_line_costs_itself_wherever_it_stands(tmp_path: Path) -> None:
    broken = '{"prompt": "cut'
    for position in range(3):
        lines = [*LINES]
        lines[position] = broken
        kept: list[Any] = [*ROWS]
        kept[position] = "not_json"

        assert values("\n".join(lines), tmp_path) == kept
        assert values("[\n" + ",\n".join(lines) + "\n]", tmp_path) == kept


def test_a_broken_object_among_pretty_printed_ones_costs_itself(tmp_path: Path) -> None:
    objects = [json.dumps(row, indent=2) for row in ROWS]
    objects[1] = objects[1].replace('"chosen"', '"chosen')
    array = "[\n" + ",\n".join(f"  {o}".replace("\n", "\n  ") for o in objects) + "\n]"

    expected = [ROWS[0], "not_json", ROWS[2]]
    assert values("\n".join(objects), tmp_path) == expected
    assert values(array, tmp_path) == expected


def test_what_follows_an_object_on_its_line_is_not_lost(tmp_path: Path) -> None:
    assert values(f"{LINES[0]} x\n{ALL}", tmp_path) == ["not_json", *ROWS]
    assert values(f"{LINES[0]} [1]\n{ALL}", tmp_path) == [ROWS[0], "not_an_object", *ROWS]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "is empty"),
        (b"\n \r\n\t\n", r"is empty \(only blank lines\)"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"null", r"is a single JSON value \(null\), not rows"),
        (b'"text"\n', "not rows"),
        (b"42", "not rows"),
        (b"  <!DOCTYPE html><html></html>", "is an HTML page"),
        (b"<html>", "is an HTML page"),
        (b"<?xml version='1.0'?><Error/>", "is an XML file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS pointer"),
        (b"ORC\x01\x02", "an ORC file"),
        (b"SQLite format 3\x00", "an SQLite database"),
        (b"FEA1abc", "Feather file of version 1"),
        (b"\xd0\xcf\x11\xe0\xa1", "old Excel file"),
        (b"\x04\x22\x4d\x18", "compressed with LZ4"),
        (b"ab\x00\x01" * 9, "NUL bytes"),
        (b'[{"a": 1}, {"a": 2', "not valid JSON: the array is not closed"),
        (b'[\n{"a": 1},\n{"a": 2}\n', "not valid JSON: the array is not closed"),
        (b'[\n  {\n    "a": 1\n  },\n  {\n', "not valid JSON: the array is not closed"),
    ],
)
@pytest.mark.parametrize("suffix", [".json", ".jsonl"])
def test_what_is_not_read_says_what_it_is(
    body: bytes, message: str, suffix: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=rf"rows{suffix}: .*{message}"):
        values(body, tmp_path, f"rows{suffix}")


def zipped(body: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("folder/rows.jsonl", body)
    return stream.getvalue()


def zstd(body: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(body)
    return sink.getvalue().to_pybytes()


PACKED = {
    "gzip": gzip.compress,
    "xz": lzma.compress,
    "bz2": bz2.compress,
    "zstd": zstd,
    "zip": zipped,
    "gzip of two members": lambda body: gzip.compress(body[:40]) + gzip.compress(body[40:]),
    "zstd of two frames": lambda body: zstd(body[:40]) + zstd(body[40:]),
    "gzip twice": lambda body: gzip.compress(gzip.compress(body)),
}


@pytest.mark.parametrize("suffix", [".jsonl", ".json.gz", ".csv.xz", ""])
@pytest.mark.parametrize("kind", PACKED)
def test_compression_is_recognised_by_its_bytes(kind: str, suffix: str, tmp_path: Path) -> None:
    assert values(PACKED[kind](ALL.encode()), tmp_path, f"rows{suffix}") == ROWS


@pytest.mark.parametrize("kind", ["gzip", "xz", "bz2", "zstd", "zip"])
def test_a_compressed_file_that_was_cut_off_is_one_clear_error(kind: str, tmp_path: Path) -> None:
    body = PACKED[kind](
        "\n".join(json.dumps({"a": n, "b": str(n) * 9}) for n in range(2000)).encode()
    )

    with pytest.raises(DataError, match=r"rows\.jsonl: (truncated or damaged|not a readable ZIP)"):
        values(body[: len(body) * 2 // 3], tmp_path)


def test_archives_of_several_files_are_refused(tmp_path: Path) -> None:
    two, tarred = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(two, "w") as archive:
        archive.writestr("a.jsonl", ALL)
        archive.writestr("b.jsonl", ALL)
    with tarfile.open(fileobj=tarred, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("a.jsonl"))

    with pytest.raises(DataError, match="a ZIP archive of 2 files; unpack it"):
        values(two.getvalue(), tmp_path)
    with pytest.raises(DataError, match="a tar archive; unpack it"):
        values(tarred.getvalue(), tmp_path, "rows.jsonl.gz")


TABLE = [{"prompt": "Q, x?", "chosen": "a; b", "rejected": 'c "d" | e\nf'}] * 2


def delimited(delimiter: str, rows: list[dict[str, str]] = TABLE, end: str = "\n") -> str:
    quoted = [[f'"{c.replace(chr(34), chr(34) * 2)}"' for c in row.values()] for row in rows]
    lines = [delimiter.join(rows[0]), *(delimiter.join(cells) for cells in quoted)]
    return end.join(lines) + end


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".txt", ".jsonl", ""])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_delimiters_are_recognised(delimiter: str, suffix: str, end: str, tmp_path: Path) -> None:
    assert values(delimited(delimiter, end=end), tmp_path, f"rows{suffix}") == TABLE


def test_rows_between_carriage_returns_keep_the_line_feeds_of_their_cells(tmp_path: Path) -> None:
    body = 'prompt;chosen\rQ?;"a\nb"\rR?;c\r'

    assert values(body, tmp_path, "rows.csv") == [
        {"prompt": "Q?", "chosen": "a\nb"},
        {"prompt": "R?", "chosen": "c"},
    ]
    assert values("a,b\r1,2\r", tmp_path, "rows.csv") == [{"a": "1", "b": "2"}]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_delimited_text_with_a_mark_is_read(encoding: str, tmp_path: Path) -> None:
    assert values(delimited("\t").encode(encoding), tmp_path, "rows.csv") == TABLE


def test_a_stated_delimiter_is_used(tmp_path: Path) -> None:
    body = "a^b,c\n1^2,3\n"

    assert values(body, tmp_path, "rows.csv", delimiter="^") == [{"a": "1", "b,c": "2,3"}]
    assert values("sep=^\n" + body, tmp_path, "rows.csv") == [{"a": "1", "b,c": "2,3"}]


def test_one_column_is_a_table_where_the_name_says_so(tmp_path: Path) -> None:
    assert values("text\nHello; you\n", tmp_path, "rows.csv") == [{"text": "Hello; you"}]


def test_joined_tables_tell_their_second_header(tmp_path: Path) -> None:
    body = "a,b\n1,2\n\ufeffa,b\n\ufeff3,4\n"

    assert values(body, tmp_path, "rows.csv") == [
        {"a": "1", "b": "2"},
        "wrong_columns",
        {"a": "3", "b": "4"},
    ]


def test_blank_lines_and_names_with_blanks_are_no_matter(tmp_path: Path) -> None:
    assert values("\n\na, b,\n\n1,2,3\n\n", tmp_path, "rows.csv") == [
        {"a": "1", "b": "2", "column 3": "3"}
    ]


def test_an_unclosed_quote_costs_its_line(tmp_path: Path) -> None:
    body = 'a,b\n1,x\n2,"cut\n3,y\n4,"z"\n'

    expected = [{"a": "1", "b": "x"}, "wrong_columns", {"a": "3", "b": "y"}, {"a": "4", "b": "z"}]
    assert values(body, tmp_path, "rows.csv") == expected
    assert values('a,b\n1,x\n2,"cut', tmp_path, "rows.csv") == [
        {"a": "1", "b": "x"},
        "wrong_columns",
    ]


def test_an_unclosed_quote_at_the_end_costs_the_lines_of_its_cell(tmp_path: Path) -> None:
    body = 'a,b\n1,"two\nlines"\n2,"cut\noff\n'

    assert values(body, tmp_path, "rows.csv") == [{"a": "1", "b": "two\nlines"}, "wrong_columns"]


@pytest.mark.parametrize(
    "body",
    [
        'a,b\n1,"two\nlines"\n2,"cut\n3,y\n',
        'a,b\n1,"two\nlines"\n2,"say "hi", you"\n3,y\n',
        'a,b\n2,"say "hi"\nand, bye"\n3,"two\nlines"\n',
    ],
)
def test_a_broken_quote_is_an_error_where_rows_go_over_lines(body: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="broken quote in a file with cells that span"):
        values(body, tmp_path, "rows.csv")


def test_another_encoding_is_told_and_read_where_it_is_stated(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    row = {"prompt": "Größe?", "chosen": "groß", "rejected": "klein"}
    path.write_bytes(
        json.dumps(row, ensure_ascii=False).encode("windows-1252") + b"\n" + ALL.encode()
    )

    first = read(path)[0].value
    assert first is not None
    assert first["rejected"] == "klein"
    assert "set `encoding`" in str(first["prompt"].error("prompt"))

    path.write_bytes(json.dumps(row, ensure_ascii=False).encode("windows-1252"))
    assert [r.value for r in read(path, encoding="windows-1252")] == [row]
    path.write_bytes(delimited(",", [row]).encode("windows-1252"))
    assert [r.value for r in read(path, encoding="windows-1252")] == [row]


@pytest.mark.parametrize("form", ["{}\n", '[{},\n{"a": 1}]', "{} {}"])
def test_values_that_json_has_not_cost_themselves(form: str, tmp_path: Path) -> None:
    row = '{"a": NaN, "b": -Infinity, "c": "\\ud83d", "d": "x\ty", "e": 12345678901234567890123}'
    found = values(form.replace("{}", row), tmp_path)[0]

    assert found["a"] != found["a"]
    assert found["b"] == float("-inf")
    assert found["c"].reason == "invalid_text"
    assert (found["d"], found["e"]) == ("x\ty", 12345678901234567890123)


@pytest.mark.parametrize(
    ("name", "body", "options", "message"),
    [
        ("rows.jsonl", ALL.encode(), {"delimiter": ";"}, "is JSON, to which `delimiter`"),
        ("rows.csv", b"a,b\n1,2\n", {"rows": "a"}, "is delimited text, to which `rows`"),
    ],
)
def test_an_option_of_another_form_is_refused(
    name: str, body: bytes, options: dict[str, str], message: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=message):
        values(body, tmp_path, name, **options)


@pytest.mark.parametrize(
    "option", [{"encoding": "klingon"}, {"encoding": "base64"}, {"delimiter": "::"}, {"rows": ""}]
)
def test_an_option_that_cannot_be_is_refused(option: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Detected(name="s", files=("a",), **option)


def test_options_of_a_source_reach_its_files_and_its_fingerprint(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes("prompt^chosen^rejected\nGröße?^a^b\n".encode("latin-1"))
    stated = {"encoding": "latin-1", "delimiter": "^"}
    source = Detected(name="s", files=("rows.csv",), **stated)

    assert detect_for_source(source, str(path)).format == "trl_explicit"
    plain = Detected(name="s", files=("rows.csv",)).identity()
    for name, value in {**stated, "rows": "x"}.items():
        assert Detected(name="s", files=("rows.csv",), **{name: value}).identity() != plain


def test_detection_looks_past_rows_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("cut\n" * 50 + json.dumps(explicit("Q?", "a", "b")), encoding="utf-8")

    assert detect_file(str(path))[0].format == "trl_explicit"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("{a: 1}\n{a: 2}\n", r"none of the first 2 rows can be read; row 1: not_json: \w+"),
        ("[1, 2]", "none of the first 2 rows can be read; row 1: not_an_object"),
        ("[]", "has no rows"),
    ],
)
def test_a_file_of_which_nothing_can_be_read_tells_why(
    body: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(body, encoding="utf-8")

    with pytest.raises(DataError, match=message):
        detect_file(str(path))


def test_binary_forms_are_recognised_whatever_their_names(tmp_path: Path) -> None:
    table = pa.Table.from_pylist(ROWS)
    for name, write in {
        "p.jsonl": lambda sink: pq.write_table(table, sink),
        "f.json": lambda sink: write_ipc(pa.ipc.new_file, table, sink),
        "s.arrow": lambda sink: write_ipc(pa.ipc.new_stream, table, sink),
    }.items():
        stream = io.BytesIO()
        write(stream)
        assert values(stream.getvalue(), tmp_path, name) == ROWS
        assert values(gzip.compress(stream.getvalue()), tmp_path, name) == ROWS
        with pytest.raises(DataError, match=r"truncated|not a readable (Parquet|Arrow) file"):
            values(stream.getvalue()[:-30], tmp_path, name)


def write_ipc(opened: Any, table: pa.Table, sink: io.BytesIO) -> None:
    with opened(sink, table.schema) as writer:
        writer.write_table(table)


@pytest.mark.parametrize("first", ["{", "[1]", "[]", '{"cut": "', "{'a': 1}", '"text"', "null"])
@pytest.mark.parametrize("rest", [["{"], ["[1]", "{"], LINES, ["x", *LINES, "{"]])
@pytest.mark.parametrize("times", [1, 100, pytest.param(3000, marks=pytest.mark.slow)])
def test_every_broken_line_is_a_row(
    first: str, rest: list[str], times: int, tmp_path: Path
) -> None:
    lines = [first, *rest] * times

    assert len(values("\n".join(lines) + "\n\n  ", tmp_path)) == len(lines)


@pytest.mark.parametrize("line", ["{", '{"cut": "', "{'a': 1}"])
def test_one_broken_line_is_one_broken_row(line: str, tmp_path: Path) -> None:
    assert values(f"{line}\n\n  ", tmp_path) == ["not_json"]


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ("".join(f"\x1e{line}\n" for line in LINES), "rows.json-seq"),
        ("".join(f"\x1e{line}\n" for line in LINES), "rows.jsonl"),
        ("".join(f"\x1e{line}\n" for line in LINES), "rows.csv"),
        ("\x1e" + "\n\x1e\n\x1e".join(LINES), ""),
        ("".join(f"\x1e{line}" for line in LINES), "rows.txt"),
        ("".join(f"\x1e{json.dumps(row, indent=2)}\n" for row in ROWS), "rows.txt"),
    ],
)
def test_json_text_sequences_are_read(body: str, name: str, tmp_path: Path) -> None:
    assert values(body, tmp_path, name or "rows") == ROWS


def test_a_broken_value_of_a_json_text_sequence_costs_itself(tmp_path: Path) -> None:
    body = f'\x1e{LINES[0]}\n\x1e{{"prompt": "cut\n\x1e{LINES[2]}\n'

    assert values(body, tmp_path) == [ROWS[0], "not_json", ROWS[2]]


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv", ".txt", ""])
@pytest.mark.parametrize(
    "body",
    [
        "\n".join(map(str, ROWS)),
        str(ROWS[0]),
        "{'prompt': 'Q?',\n 'chosen': 'a',\n 'rejected': 'b'}\n",
        str(ROWS),
        "[\n" + ",\n".join(map(str, ROWS)) + "\n]",
    ],
)
def test_python_dicts_are_refused_by_name(body: str, suffix: str, tmp_path: Path) -> None:
    message = undetected(body, tmp_path, f"rows{suffix}")

    assert "rows are Python dicts in single quotes, not JSON; write rows with `json" in message


def test_a_python_dict_before_lines_of_json_costs_itself(tmp_path: Path) -> None:
    body = "\n".join([str(ROWS[0]), *LINES[1:]])

    assert values(body, tmp_path) == ["not_json", *ROWS[1:]]


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json"])
@pytest.mark.parametrize(
    "own",
    [
        {"prompt": "Q?", "chosen": "a", "rejected": "b"},
        {"instruction": "Q?"},
        {"Question": "Q?"},
        {"response": "a"},
        {"messages": [{"role": "user", "content": "Q?"}]},
        {"conversations": [{"from": "human", "value": "Q?"}]},
    ],
)
def test_an_object_with_a_prompt_of_its_own_is_a_row(
    own: dict[str, Any], name: str, tmp_path: Path
) -> None:
    row = {**own, "data": [{"a": 1}]}

    assert values(json.dumps(row), tmp_path, name) == [row]
    assert values(json.dumps({**row, "items": [{"a": 1}]}), tmp_path, name) == [
        {**row, "items": [{"a": 1}]}
    ]


def test_a_stated_key_may_have_dots(tmp_path: Path) -> None:
    body = {"a.b": ROWS, "a": {"b": ROWS[:1], "c.d": {"e": ROWS[:2]}}}

    assert values(json.dumps(body), tmp_path, rows="a.b") == ROWS
    assert values(json.dumps(body), tmp_path, rows="a.c.d.e") == ROWS[:2]


def viewed(rows: list[Any], **cells: Any) -> dict[str, Any]:
    """Return a response of the Hugging Face dataset viewer."""
    features = [{"feature_idx": 0, "name": "prompt", "type": {"dtype": "string"}}]
    wrapped = [{"row_idx": n, "row": row, "truncated_cells": []} for n, row in enumerate(rows)]
    return {"features": features, "rows": [w | cells for w in wrapped], "num_rows_total": 9}


@pytest.mark.parametrize("name", ["rows.json", "rows.jsonl"])
def test_a_response_of_the_dataset_viewer_is_read_as_its_rows(name: str, tmp_path: Path) -> None:
    assert values(json.dumps(viewed(ROWS)), tmp_path, name) == ROWS
    assert values(json.dumps({"features": [], "rows": [{"row_idx": 0, "row": ROWS[0]}]}),
                  tmp_path, name) == ROWS[:1]  # fmt: skip
    pages = [viewed(ROWS), viewed(ROWS)]
    assert values(json.dumps(pages), tmp_path, name, rows="rows") == ROWS * 2
    assert values("\n".join(map(json.dumps, pages)), tmp_path, name, rows="rows") == ROWS * 2


def test_a_cell_that_the_dataset_viewer_truncated_is_unreadable(tmp_path: Path) -> None:
    (row,) = values(json.dumps(viewed(ROWS[:1], truncated_cells=["chosen"])), tmp_path)

    assert (row["prompt"], row["rejected"]) == (ROWS[0]["prompt"], ROWS[0]["rejected"])
    assert row["chosen"].reason == "wrong_type"
    assert "truncated by the dataset viewer" in str(row["chosen"].error("chosen"))


@pytest.mark.parametrize(
    ("body", "delimiter", "wanted"),
    [
        ("prompt,chosen,rejected\nQ?,a,b\n", ";", r'","'),
        ("\ufeffprompt;chosen;rejected\nQ?;a;b\n", ",", r'";"'),
        ("prompt\tchosen\tre,jected\nQ?\ta\tb\n", "|", r'"\\t"'),
        ("sep=;\nprompt,chosen\nQ?,a\n", None, r'","'),
    ],
)
def test_a_delimiter_that_splits_nothing_names_the_other_one(
    body: str, delimiter: str | None, wanted: str, tmp_path: Path
) -> None:
    message = f"there is a single column, `prompt.*`; set `delimiter` to {wanted}$"
    with pytest.raises(DataError, match=message):
        values(body, tmp_path, "rows.csv", delimiter=delimiter)


def test_one_column_whose_quoted_name_has_a_comma_is_read(tmp_path: Path) -> None:
    body = '\ufeff"a, b"\nx\n'

    assert values(body, tmp_path, "rows.csv", delimiter=";") == [{"a, b": "x"}]


def undetected(body: str | bytes, folder: Path, name: str = "rows.jsonl") -> str:
    """Return the message for a file that no layout fits, without its path."""
    path = folder / name
    path.write_bytes(body if isinstance(body, bytes) else body.encode())
    with pytest.raises(DataError) as refused:
        detect_file(str(path))
    return str(refused.value).removeprefix(f"{path}: ")


MAP = "Or name the columns yourself with `format: columns` and a `columns` map"
NOT_UTF8 = (
    "Row 1: invalid_utf8: `prompt` contains bytes that are not UTF-8; if the file has another "
    f"encoding, set `encoding`, for example to windows-1252. {MAP}"
)


@pytest.mark.parametrize(
    ("name", "line"),
    [("rows.jsonl", '{"prompt": "Größe?", "chosen": "ä", "rejected": "b"}\n'),
     ("rows.csv", "prompt,chosen,rejected\nGröße?,ä,b\n")],
)  # fmt: skip
def test_an_unknown_layout_in_another_encoding_names_the_encoding(
    name: str, line: str, tmp_path: Path
) -> None:
    assert undetected(line.encode("latin-1"), tmp_path, name) == (
        "no known layout has these keys: chosen (unreadable), prompt (unreadable), "
        f"rejected (a string). {NOT_UTF8}"
    )


def test_messages_in_another_encoding_name_the_encoding(tmp_path: Path) -> None:
    row = {"id": 7, "odd": [{"role": "user", "content": "Größe?"}]}
    message = undetected(json.dumps(row, ensure_ascii=False).encode("latin-1"), tmp_path)

    assert "odd (a list of objects). Row 1: invalid_utf8: `odd.0.content` contains" in message


@pytest.mark.parametrize(
    ("chosen", "shown"),
    [
        (7, "a number"),
        (0.5, "a number"),
        (None, "null"),
        (True, "a boolean"),
        ({"role": ["user"], "content": ["Q?"]}, "an object of lists: role, content"),
        ({"a": 1}, "an object: a"),
        ({}, "an empty object"),
        ([], "an empty list"),
        ([1, 2.5], "a list of numbers"),
    ],
)
def test_an_unknown_layout_shows_the_types_of_its_keys(
    chosen: object, shown: str, tmp_path: Path
) -> None:
    rows = [{"prompt": "Q?", "chosen": chosen, "rejected": chosen}] * 2

    assert undetected("\n".join(map(json.dumps, rows)), tmp_path) == (
        f"no known layout has these keys: chosen ({shown}), prompt (a string), rejected ({shown}). "
        f"{MAP}"
    )


def test_an_unknown_layout_shows_every_type_of_a_key_and_the_first_broken_row(
    tmp_path: Path,
) -> None:
    message = undetected('{"a": null}\n{"a": "x"}\n{"a": "cut\n{"a": [1, "x"]}\n', tmp_path)

    assert message.startswith(
        "no known layout has these keys: a (null or a string or a list of several types). "
    )
    assert "Row 3: not_json: " in message


@pytest.mark.parametrize(
    ("value", "option"),
    [
        ({"meta": {"v": 1}, "foo": ROWS}, "`rows: foo`"),
        ({"meta": {"v": 1}, "foo": {"bar": ROWS}}, "`rows: foo.bar`"),
        ({"meta": {"v": 1}, "foo": COLUMNS}, "`rows: foo`"),
        ({"meta": 1, "foo": [{"a": 1}], "bar": [{"a": 1}]}, "`rows: foo` or `rows: bar`"),
        ({"meta": 1, "foo": [{"a": 1}], "bar": [explicit("Q?", "a", "b")]}, "`rows: bar`"),
    ],
)
def test_an_unknown_layout_names_the_key_that_may_hold_its_rows(
    value: dict[str, Any], option: str, tmp_path: Path
) -> None:
    message = undetected(json.dumps(value), tmp_path)

    assert f". If the rows are in a list under a key, set {option}. {MAP}" in message


def test_lists_of_rows_of_an_unknown_layout_are_not_taken_for_rows(tmp_path: Path) -> None:
    rows = [{"a": 1, "foo": [{"b": 1}], "turns": [{"role": "user", "content": "Q?"}]}] * 2

    assert "`rows:" not in undetected("\n".join(map(json.dumps, rows)), tmp_path)


def test_an_unknown_layout_of_one_column_names_its_delimiter(tmp_path: Path) -> None:
    message = undetected("prompt^chosen^rejected\nQ?^a^b\n", tmp_path, "rows.csv")

    assert '. For delimited text, set `delimiter` to "^". ' in message


def test_a_deeply_nested_row_of_an_unknown_layout_is_one_clear_error(tmp_path: Path) -> None:
    body = '{"a": ' + "[" * 500 + "]" * 500 + "}"

    assert "no known layout has these keys: a (a list of lists)" in undetected(body, tmp_path)
