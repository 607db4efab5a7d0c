"""The page about column maps: its examples are read, and it names every key."""

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from prefine.ingest.layout import Context
from prefine.ingest.layouts import layout_named
from prefine.ingest.layouts.columns.columnmap import (
    ColumnMap,
    LabelColumn,
    NumberColumns,
    RankingColumn,
    ShownFirst,
)
from prefine.ingest.parse import parse_row
from prefine.ingest.record import RowError
from prefine.ingest.rows import RawRow
from prefine.settings import Part
from tests.made import read_record

PAGE = (Path(__file__).parents[2] / "docs" / "map.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```\n```json\n(.*?)```\n", PAGE, re.DOTALL)


def written(number: int) -> tuple[Any, Any]:
    source, row = EXAMPLES[number]
    return yaml.safe_load(source), json.loads(row)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_reads_its_row(number: int) -> None:
    source, row = written(number)
    record = read_record(row, source.pop("format"), **source)
    told = " ".join(turn["content"] for turn in record.prompt)
    texts = [turn["content"] for one in record.candidates for turn in one.messages]

    assert "tree" in told
    assert len(texts) == len(record.candidates) >= 2
    assert record.labels


ODD: tuple[Any, ...] = (
    *(None, "", [], {}, "[]", "[[]]", "{'a':", True, -1, 2.5, float("nan"), 10**400, "A>A"),
    *([None], [{}], [["a", "b"]], [{"role": "user"}], [{"role": "user", "content": "x"}]),
)


def damaged(value: Any) -> Iterator[Any]:
    """Yield a value with each of its members removed, or replaced by an odd one."""
    if isinstance(value, dict | list):
        places: list[Any] = list(value) if isinstance(value, dict) else list(range(len(value)))
        for place in places:
            less = copy.copy(value)
            del less[place]
            yield less
            for member in (*ODD, *damaged(value[place])):
                other = copy.copy(value)
                other[place] = member
                yield other


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_a_damaged_row_is_read_or_refused(number: int) -> None:
    source, row = written(number)
    layout = layout_named(source.pop("format"))(name="made", files=("f",), **source)
    found = [parse_row(RawRow(1, each, None, b""), layout, Context()) for each in damaged(row)]

    assert any(isinstance(each, RowError) for each in found)
    assert any(isinstance(each, list) for each in found)


def test_every_block_of_the_page_is_an_example() -> None:
    assert len(EXAMPLES) == PAGE.count("```yaml") == PAGE.count("```json") >= 15


@pytest.mark.parametrize("part", [ColumnMap, LabelColumn, NumberColumns, RankingColumn, ShownFirst])
def test_every_key_is_on_the_page(part: type[Part]) -> None:
    keys = set(part.model_fields)
    maps = "\n".join(source for source, _ in EXAMPLES)

    assert [key for key in sorted(keys) if not re.search(rf"\b{key}:", maps)] == []
