"""Values of Parquet and Arrow files, as JSON holds them or as unreadable."""

import io
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prefine.errors import DataError
from prefine.ingest.files import raw_rows
from prefine.ingest.forms.arrow import json_values
from prefine.ingest.record import RowError
from prefine.ingest.rows import Unreadable
from prefine.ingest.values import optional, text
from tests.made import read_row

EAST = timezone(timedelta(hours=2))


def stamps(unit: str, zone: str | None, *counts: int | None) -> Any:
    return pa.array(counts, pa.int64()).view(pa.timestamp(unit, zone))


def extension(storage: Any, name: str) -> Any:
    class Named(pa.ExtensionType):
        def __arrow_ext_serialize__(self) -> bytes:
            return b""

    return pa.ExtensionArray.from_storage(Named(storage.type, name), storage)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (pa.array(["a", None]), ["a", None]),
        (pa.array([1, None], pa.uint64()), [1, None]),
        (pa.array([[{"a": [1]}], None, []]), [[{"a": [1]}], None, []]),
        (stamps("us", None, 1_714_979_280_000_000), ["2024-05-06T07:08:00.000000"]),
        (pa.array([datetime(2024, 5, 6, 7, tzinfo=EAST)]), ["2024-05-06T05:00:00.000000Z"]),
        (stamps("s", "Nowhere/Atall", 0, None), ["1970-01-01T00:00:00Z", None]),
        (stamps("ns", None, 1), ["1970-01-01T00:00:00.000000001"]),
        (stamps("us", "UTC", 300_000_000_000_000_000), ["11476-08-15T05:20:00.000000Z"]),
        (pa.array([date(2024, 5, 6), None]), ["2024-05-06", None]),
        (pa.array([time(7, 8, 9)]), ["07:08:09.000000"]),
        (pa.array([timedelta(milliseconds=-1500), None]), ["PT-1.5S", None]),
        (pa.array([2**62], pa.int64()).view(pa.duration("s")), ["PT4611686018427387904S"]),
        (pa.array([Decimal("1.10"), None]), [1.1, None]),
        (pa.array([Decimal(10**30)], pa.decimal128(38, 0)), [10**30]),
        (pa.array([1.5, None], pa.float16()), [1.5, None]),
        (pa.array([b"text", None]), ["text", None]),
        (pa.array(["a", "b", "a", None]).dictionary_encode(), ["a", "b", "a", None]),
        (pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int8())), [{"k": 1}, None]),
        (
            pa.array([[(1, date(2024, 5, 6))]], pa.map_(pa.int8(), pa.date32())),
            [[{"key": 1, "value": "2024-05-06"}]],
        ),
        (pa.array([[1, 2], None], pa.list_(pa.int8(), 2)), [[1, 2], None]),
        (
            pa.array([[date(2024, 5, 6)], None], pa.list_(pa.date32(), 1)),
            [["2024-05-06"], None],
        ),
        (pa.array([[b"x"], None, []], pa.list_view(pa.binary())), [["x"], None, []]),
        (pa.array([[b"x"], None], pa.large_list(pa.binary())), [["x"], None]),
        (
            pa.array([{"a": date(2024, 5, 6), "b": 1}, None]),
            [{"a": "2024-05-06", "b": 1}, None],
        ),
        (pa.array(["a"], pa.string_view()), ["a"]),
        (extension(pa.array([b"x"]), "made.type"), ["x"]),
    ],
)
def test_a_value_becomes_what_json_holds(array: Any, expected: list[Any]) -> None:
    assert json_values(array) == expected
    assert json_values(pa.concat_arrays([array, array]).slice(len(array))) == expected
    orjson.dumps([value for value in expected if value != 10**30])


@pytest.mark.parametrize(
    "array",
    [
        stamps("s", None, 2**62),
        stamps("ms", "Europe/Berlin", -(2**62)),
        pa.array([2**31 - 1], pa.int32()).view(pa.date32()),
        pa.array([b"\xff\xfe"]),
        pa.array([b"\xff"]).view(pa.string()),
        pa.array([(1, 2, 3)], pa.month_day_nano_interval()),
        pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"]),
    ],
)
def test_a_value_that_cannot_be_held_costs_the_row_that_needs_it(array: Any) -> None:
    nested = pa.ListArray.from_arrays([0, 1], array)

    (value,), (inner,) = json_values(array), json_values(nested)
    assert isinstance(value, Unreadable)
    assert isinstance(inner[0], Unreadable)
    for read in (lambda: text(value, "a"), lambda: optional({"a": value}, "a")):
        with pytest.raises(RowError, match="`a` "):
            read()
    row = {"prompt": "Q?", "chosen": "a", "rejected": "b"}
    assert not isinstance(read_row(row | {"other": value}, "trl_explicit"), RowError)
    assert isinstance(read_row(row | {"chosen": value}, "trl_explicit"), RowError)


def write(table: pa.Table, folder: Path) -> str:
    pq.write_table(table, folder / "rows.parquet")
    return str(folder / "rows.parquet")


def test_only_the_columns_that_are_needed_are_read(tmp_path: Path) -> None:
    path = write(pa.table({"a.b": [1, 2], "a": ["x", "y"], "c": [b"\xff", None]}), tmp_path)

    def read(columns: list[str] | None) -> list[Any]:
        return [row.value for row in raw_rows(path, 2**20, columns=columns)]

    assert read(["a", "missing"]) == [{"a": "x"}, {"a": "y"}]
    assert read(["a.b"]) == [{"a.b": 1}, {"a.b": 2}]
    assert read([]) == [{}, {}]
    assert [sorted(row) for row in read(None)] == [["a", "a.b", "c"]] * 2


def test_a_table_without_rows_has_none_and_one_without_columns_is_refused(tmp_path: Path) -> None:
    assert list(raw_rows(write(pa.table({"a": pa.array([], pa.string())}), tmp_path), 2**20)) == []
    with pytest.raises(DataError, match="has no columns"):
        list(raw_rows(write(pa.table({"a": [1]}).select([]), tmp_path), 2**20))


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    path = write(pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"]), tmp_path)

    with pytest.raises(DataError, match="columns of the same name: a; rename one"):
        list(raw_rows(path, 2**20))


def test_large_values_are_read_in_small_batches(tmp_path: Path) -> None:
    """The file is a few kilobytes: its one long text is stored once."""
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 400), pa.array(["x" * 2**20]))
    table = pa.table({"a": list(range(400)), "nested": [[]] * 400})
    nested = pa.ListArray.from_arrays(list(range(401)), texts)
    pq.write_table(table.set_column(1, "nested", nested), tmp_path / "rows", store_schema=False)
    before = pa.total_allocated_bytes()

    numbers, peak = list[int](), 0
    for row in raw_rows(str(tmp_path / "rows"), 2**20):
        assert row.value is not None
        assert len(row.value["nested"][0]) == 2**20
        numbers.append(row.value["a"])
        peak = max(peak, pa.total_allocated_bytes() - before)

    assert numbers == list(range(400))
    assert peak < 2**27


def test_a_table_of_many_row_groups_keeps_its_order(tmp_path: Path) -> None:
    stream = io.BytesIO()
    pq.write_table(pa.table({"a": list(range(5000))}), stream, row_group_size=700)
    (tmp_path / "rows").write_bytes(stream.getvalue())

    found = [row.value for row in raw_rows(str(tmp_path / "rows"), 2**20)]

    assert found == [{"a": n} for n in range(5000)]
