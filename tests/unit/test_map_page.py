"""The page about column maps: its examples are read, and it names every key."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from prefine.ingest.layouts.columns.columnmap import (
    ColumnMap,
    LabelColumn,
    NumberColumns,
    RankingColumn,
    ShownFirst,
)
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


def test_every_block_of_the_page_is_an_example() -> None:
    assert len(EXAMPLES) == PAGE.count("```yaml") == PAGE.count("```json") >= 15


@pytest.mark.parametrize("part", [ColumnMap, LabelColumn, NumberColumns, RankingColumn, ShownFirst])
def test_every_key_is_on_the_page(part: type[Part]) -> None:
    keys = set(part.model_fields)
    maps = "\n".join(source for source, _ in EXAMPLES)

    assert [key for key in sorted(keys) if not re.search(rf"\b{key}:", maps)] == []
