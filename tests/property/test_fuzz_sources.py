"""Sources of every layout, in every form of file, damaged in every way: no row is lost."""

import csv
import gzip
import io
import json
import lzma
import random
import tracemalloc
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prefine.errors import PrefineError
from prefine.ingest.detect import detect_file
from prefine.ingest.files import raw_rows
from prefine.ingest.layouts import LAYOUTS, format_of, layout_named
from prefine.ingest.read import ingest_spec
from prefine.ingest.source import Source
from prefine.settings import File, Inputs, Runtime
from prefine.step import Manifest, run_step
from tests.published import PUBLISHED
from tests.unit.test_formats import ROWS

NUM_ROWS = 5
NUM_DAMAGES = 1
"""How many damages are drawn for each layout and form."""

OPTIONS: dict[str, dict[str, Any]] = {
    "domains": {"domain": "academy"},
    "fastchat": {
        "tables": {"questions": {"files": ["questions"]}, "answers": {"files": ["answers"]}}
    },
    "columns": {
        "columns": {
            "prompt": "question",
            "responses": ["one", "two"],
            "labels": [{"column": "best", "values": {"1": "a", "2": "b"}}],
        }
    },
}
LOOKUPS = {
    "questions": '{"question_id": 1, "text": "Why?"}\n',
    "answers": '{"answer_id": "a", "text": "So."}\n{"answer_id": "b", "text": "No."}\n',
}
EXAMPLES: dict[str, dict[str, Any]] = {
    **{form.format: form.rows[0] for form in PUBLISHED},
    **ROWS,
    "columns": {"question": "Why?", "one": "So.", "two": "No.", "best": "2"},
}
IN_TREES = {"oasst_messages"}
"""Layouts that read a row with other rows, which copies of one row are not."""
FORMATS = sorted(map(format_of, LAYOUTS))

Row = dict[str, Any]
Form = Callable[[list[Any]], bytes]


def json_text(value: Any, **options: Any) -> str:
    return json.dumps(value, ensure_ascii=False, **options)


def lines(rows: list[Any]) -> str:
    return "".join(f"{json_text(row)}\n" for row in rows)


def delimited(rows: list[Any], delimiter: str) -> str:
    """Write rows as a table of texts; other values are JSON, as exports have it."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter)
    writer.writerow(names)
    for row in rows:
        cells = [row.get(name, "") for name in names]
        writer.writerow([cell if isinstance(cell, str) else json_text(cell) for cell in cells])
    return stream.getvalue()


def arrow_table(rows: list[Any]) -> pa.Table:
    """Return a table; columns whose values have no common type hold JSON."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns: dict[str, Any] = {}
    for name in names:
        cells = [row.get(name) for row in rows]
        try:
            columns[name] = pa.array(cells)
            pq.write_table(pa.table({name: columns[name]}), io.BytesIO())
        except (pa.ArrowException, OverflowError):  # no common type, or one that Parquet lacks
            columns[name] = pa.array([json_text(cell) for cell in cells])
    return pa.table(columns)


def parquet(rows: list[Any]) -> bytes:
    stream = io.BytesIO()
    pq.write_table(arrow_table(rows), stream)
    return stream.getvalue()


def arrow(rows: list[Any]) -> bytes:
    table, stream = arrow_table(rows), io.BytesIO()
    with pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    return stream.getvalue()


def spreadsheet(rows: list[Any]) -> bytes:
    book, stream = openpyxl.Workbook(), io.BytesIO()
    for cells in csv.reader(io.StringIO(delimited(rows, ","))):
        book.active.append([cell.replace("\x07", " ") for cell in cells])
    book.save(stream)
    return stream.getvalue()


def columnar(rows: list[Any]) -> bytes:
    names = dict.fromkeys(name for row in rows for name in row)
    numbered = {
        name: {str(index): row.get(name) for index, row in enumerate(rows)} for name in names
    }
    return json_text(numbered).encode()


TEXTS: dict[str, Form] = {
    "lines": lambda rows: lines(rows).encode(),
    "lines with returns": lambda rows: lines(rows).replace("\n", "\r").encode(),
    "lines in UTF-16": lambda rows: lines(rows).encode("utf-16"),
    "lines, marked each": lambda rows: lines(rows).replace("{", "\ufeff{", 1).encode(),
    "array": lambda rows: json_text(rows).encode(),
    "array of lines": lambda rows: f"[\n{','.join(lines(rows).splitlines(True))}]\n".encode(),
    "pretty array": lambda rows: json_text(rows, indent=2).encode(),
    "pretty objects": lambda rows: "\n".join(json_text(row, indent=1) for row in rows).encode(),
    "joined objects": lambda rows: lines(rows).replace("\n", "").encode(),
    "object of rows": lambda rows: json_text({"version": 1, "data": rows}).encode(),
    "columns": columnar,
    "commas": lambda rows: delimited(rows, ",").encode(),
    "semicolons": lambda rows: delimited(rows, ";").encode(),
    "tabs": lambda rows: delimited(rows, "\t").encode("utf-16"),
}
FORMS: dict[str, Form] = {
    **TEXTS,
    "lines in gzip": lambda rows: gzip.compress(lines(rows).encode()),
    "array in xz": lambda rows: lzma.compress(json_text(rows).encode()),
    "Parquet": parquet,
    "Arrow": arrow,
    "spreadsheet": spreadsheet,
}
TYPED = {"Parquet", "Arrow"}
TABLES = {"columns", "commas", "semicolons", "tabs", "spreadsheet"}
BY_LINE = {"lines", "lines with returns", "lines in gzip"}


class Made(NamedTuple):
    """The bytes of a source, and the expected result."""

    body: bytes
    num_rows: int | None = NUM_ROWS
    """Number of rows; null where the damage may make the file unreadable as a whole."""
    num_harmed: int = 0
    """How many rows may be lost to quarantine."""


def undamaged(rng: random.Random, form: str, rows: list[Row]) -> Made:
    return Made(FORMS[form](rows))


def odd_value(rng: random.Random, form: str, rows: list[Row]) -> Made:
    """Put an odd value somewhere into one row."""
    odd = [None, "", 0, -1, True, 1e300, 2**62, "\x07", "é😀", [], {}, [[]], [{}], "[]", "<a"]
    row = rng.choice(rows)
    row[rng.choice(list(row))] = rng.choice(odd)
    return Made(FORMS[form](rows), num_harmed=1)


def odd_column(rng: random.Random, form: str, rows: list[Row]) -> Made:
    """Add a column that no layout reads."""
    values = ["x", 2**70, float("nan"), [{"deep": [1]}], "half \ud83d"]
    if form not in TEXTS and form not in BY_LINE and form != "array in xz":
        values = ["x", 7, [{"deep": [1]}]]
    row = rng.choice(rows)
    row["zz_unread"] = value = rng.choice(values)
    escaped = json.dumps(value) if isinstance(value, str) else None
    body = FORMS[form]([r | {"zz_unread": "HERE"} if r is row else r for r in rows])
    if escaped is None or "half" not in escaped or form not in BY_LINE - {"lines in gzip"}:
        row["zz_unread"] = "x" if escaped is not None else value
        return Made(FORMS[form](rows))
    return Made(body.replace(b'"HERE"', escaped.encode()))


def missing_key(rng: random.Random, form: str, rows: list[Row]) -> Made:
    row = rng.choice(rows)
    del row[rng.choice(list(row))]
    return Made(FORMS[form](rows), num_harmed=1)


def nested_damage(rng: random.Random, form: str, rows: list[Row]) -> Made:
    """Replace a value somewhere inside one row."""
    here: Any = rng.choice(rows)
    while True:
        keys = list(here) if isinstance(here, dict) else range(len(here))
        key = rng.choice(list(keys))
        if not isinstance(here[key], dict | list) or not here[key] or rng.random() < 0.2:
            here[key] = rng.choice([None, "", 3, -0.5, [], {}, "odd"])
            return Made(FORMS[form](rows), num_harmed=1)
        here = here[key]


def other_row(rng: random.Random, form: str, rows: list[Row]) -> Made:
    """Put a row of another layout in place of one."""
    rows[rng.randrange(len(rows))] = json.loads(json.dumps(EXAMPLES[rng.choice(FORMATS_KNOWN)]))
    return Made(FORMS[form](rows), num_harmed=1)


def broken_line(rng: random.Random, form: str, rows: list[Row]) -> Made:
    """Cut a line short; where rows are not lines, the whole file may be lost."""
    if form not in BY_LINE:
        return cut_off(rng, form, rows)
    written = lines(rows).splitlines()
    index = rng.randrange(len(written))
    written[index] = written[index][: rng.randrange(1, len(written[index]) - 1)]
    end = "\r" if form == "lines with returns" else "\n"
    body = end.join(written).encode()
    return Made(gzip.compress(body) if form == "lines in gzip" else body, num_harmed=1)


def bad_bytes(rng: random.Random, form: str, rows: list[Row]) -> Made:
    """Overwrite bytes anywhere."""
    body = bytearray(FORMS[form](rows))
    for _ in range(rng.randint(1, 8)):
        body[rng.randrange(len(body))] = rng.randrange(256)
    return Made(bytes(body), None, NUM_ROWS)


def bad_letters(rng: random.Random, form: str, rows: list[Row]) -> Made:
    """Overwrite a byte of one line by one that is not UTF-8."""
    if form != "lines":
        return bad_bytes(rng, form, rows)
    written = [line.encode() for line in lines(rows).splitlines()]
    index = rng.randrange(len(written))
    place = rng.randrange(len(written[index]))
    written[index] = written[index][:place] + b"\xff" + written[index][place + 1 :]
    return Made(b"\n".join(written), num_harmed=1)


def cut_off(rng: random.Random, form: str, rows: list[Row]) -> Made:
    body = FORMS[form](rows)
    return Made(body[: rng.randrange(len(body))], None, NUM_ROWS)


def joined(rng: random.Random, form: str, rows: list[Row]) -> Made:
    """Write the file twice, one after the other."""
    body = FORMS[form](rows)
    if form in {"lines", "lines with returns", "lines in gzip", "array", "pretty objects"}:
        return Made(body + body, 2 * NUM_ROWS)
    return Made(body + body, None, 2 * NUM_ROWS + 1)


DAMAGES = (
    odd_value,
    odd_column,
    missing_key,
    nested_damage,
    other_row,
    broken_line,
    bad_bytes,
    bad_letters,
    cut_off,
    joined,
)
FORMATS_KNOWN = sorted(EXAMPLES)


def source_of(layout: str, path: Path, **settings: Any) -> Source:
    options = settings | OPTIONS.get(layout, {})
    return layout_named(layout)(name="made", files=(path.name,), **options)


def found(path: Path) -> File:
    body = path.read_bytes()
    return File(path=path.name, sha256=sha256(body).hexdigest(), num_bytes=len(body))


def ingest(source: Source, folder: Path, root: Path) -> Manifest:
    """Do the ingest step of a source; ``run_step`` compares its counts with what it wrote."""
    inputs = Inputs(
        {
            wanted.key: tuple(found(folder / name) for name in wanted.patterns)
            for wanted in source.file_sets()
        }
    )
    step = ingest_spec(source, inputs, 2, {}).step((), shards=2, seed=0, inputs=inputs)
    return run_step(step, 0, Runtime(root=str(root), data=str(folder)))


def test_every_layout_has_an_example() -> None:
    """A layout without one would be fuzzed with rows that it cannot read."""
    assert set(FORMATS) <= set(EXAMPLES)


@pytest.mark.slow
@pytest.mark.parametrize("layout", FORMATS)
def test_no_row_of_any_source_is_lost(layout: str, tmp_path: Path) -> None:
    for name, body in LOOKUPS.items():
        (tmp_path / name).write_text(body, encoding="utf-8")
    num_sources = 0
    for form in FORMS:
        rng = random.Random(f"{layout} {form}")
        whole = judged(layout, form, undamaged, rng, tmp_path)
        assert whole is not None
        if (
            layout not in IN_TREES
            and form in TEXTS
            and form not in {"commas", "semicolons", "tabs", "columns"}
        ):
            assert whole == NUM_ROWS, f"{form}: an example of {layout} is not read"
        for damage in rng.sample(DAMAGES, NUM_DAMAGES):
            judged(layout, form, damage, rng, tmp_path, whole)
            num_sources += 1
    assert num_sources == len(FORMS) * NUM_DAMAGES


def test_a_thousand_sources_are_tried() -> None:
    assert len(FORMATS) * len(FORMS) * (NUM_DAMAGES + 1) >= 1000


def judged(
    layout: str,
    form: str,
    damage: Callable[[random.Random, str, list[Row]], Made],
    rng: random.Random,
    folder: Path,
    readable: int = 0,
) -> int | None:
    """Read a damaged source; return how many rows are read, or null for a refused file."""
    example = EXAMPLES[layout] | {"zz_padding": "x" * 300}
    rows = [json.loads(json.dumps(example)) for _ in range(NUM_ROWS)]
    made = damage(rng, form, rows)
    shared = form in TYPED or (damage is other_row and form in TABLES)
    if shared and made.num_harmed:  # the values of a column have one type; rows have all columns
        made = made._replace(num_harmed=NUM_ROWS)
    path = folder / f"rows{rng.choice(['.jsonl', '.json', '.csv', ''])}"
    path.write_bytes(made.body)
    where = f"{layout}, {form}, {damage.__name__}"
    refused = refused_by(lambda: detect_file(str(path)))
    assert refused is None or refused
    manifests: list[Manifest] = []
    # a file that is longer than a row may be is cut into rows rather than read in one piece
    small = max(1024, 2 * len(json_text(example, indent=2)))
    most = 2**25 if form == "object of rows" else rng.choice([2**25, small])  # one line, one piece
    source, root = source_of(layout, path, max_row_bytes=most), folder / "root" / where
    refused = refused_by(lambda: manifests.append(ingest(source, folder, root)))
    path.unlink()
    if refused is not None:
        assert made.num_rows is None, f"{where}: {refused}"
        assert len(refused.splitlines()) == 1, f"{where}: {refused}"
        return None
    (manifest,) = manifests
    dropped = sum(manifest.dropped.values())
    assert manifest.rows_in == manifest.rows_out + dropped
    if made.num_rows is not None:
        assert manifest.rows_in == made.num_rows, where
        assert manifest.rows_out >= readable - made.num_harmed, where
    return manifest.rows_out


def refused_by(act: Callable[[], object]) -> str | None:
    """Return the sentence with which the package refuses; anything else that it raises fails."""
    try:
        act()
    except PrefineError as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    "form",
    [
        *("lines", "lines in gzip", "lines with returns", "lines in UTF-16", "array"),
        *("array of lines", "pretty array", "pretty objects", "joined objects", "commas"),
    ],
)
def test_memory_does_not_grow_with_the_file(form: str, tmp_path: Path) -> None:
    rows = [{"prompt": f"{n} " + "x" * 8000, "chosen": "a", "rejected": "b"} for n in range(2000)]
    path = tmp_path / "rows"
    path.write_bytes(FORMS[form](rows))
    tracemalloc.start()
    try:
        numbers = [row.number for row in raw_rows(str(path), 2**16) if row.value is not None]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert numbers == list(range(1, 2001))
    assert peak < 10 * 2**20
