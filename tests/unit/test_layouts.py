"""Sources: one class per layout, what identifies them, and how an unnamed layout is recognised."""

import json
import re
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
from pydantic import TypeAdapter, ValidationError

from prefine.errors import DataError, RecipeError
from prefine.ingest.detect import detect_for_source
from prefine.ingest.layout import Context, Layout
from prefine.ingest.layouts import LAYOUTS, AnySource, Detected, format_of, layout_named
from prefine.ingest.layouts.fastchat import FastChat
from prefine.ingest.layouts.hh import Hh
from prefine.ingest.read import READ_VERSION, ingest_spec, layout_of
from prefine.ingest.record import Record
from prefine.settings import File, FileSet, Inputs
from prefine.settings.json import Json
from tests.unit.test_formats import ROWS

SOURCES: TypeAdapter[Any] = TypeAdapter(AnySource)
ONE = File(path="a/b.jsonl", sha256="ab" * 32, num_bytes=3, fields={"model": "m"})
TWO = File(path="c.jsonl", sha256="cd" * 32, num_bytes=4, format="hh", reason="why")
ONE_IDENTITY = {"sha256": "ab" * 32, "fields": {"model": "m"}, "format": None}
TWO_IDENTITY = {"sha256": "cd" * 32, "fields": {}, "format": "hh"}
COLUMNS = {
    "prompt": "p",
    "responses": ["a", "b"],
    "labels": [{"column": "l", "values": {"1": "a"}}],
    "ratings": [{"columns": ["r"]}],
}


def source(**settings: Any) -> Any:
    return SOURCES.validate_python({"name": "made", "files": ["*.jsonl"], **settings})


def mistakes(**settings: Any) -> list[tuple[Any, str]]:
    with pytest.raises(ValidationError) as caught:
        source(**settings)
    return [(error["loc"][-1:], error["msg"]) for error in caught.value.errors()]


def test_the_identity_of_a_source_is_its_settings_and_the_bytes_of_its_files() -> None:
    where = {"sha256": ["x"], "path_fields": "(?P<model>m)", "max_quarantined": 0.1}
    identity = source(**where).identity(Inputs({"source made": (TWO,)}))

    assert identity == source().identity(Inputs({"source made": (TWO,)}))
    assert identity["resolved"] == [TWO_IDENTITY]
    assert not {"files", *where} & identity.keys()
    for change in ({"text": "html"}, {"id": "n"}, {"keep": ["n"]}, {"ignore": ["name"]}):
        assert source(**change).identity() != source().identity()


def test_the_options_of_a_layout_are_part_of_the_identity() -> None:
    described = source(format="columns", columns=COLUMNS).identity()
    domain = source(format="domains", domain="law").identity()

    assert (described["format"], described["columns"]["prompt"]) == ("columns", "p")
    assert (domain["format"], domain["domain"]) == ("domains", "law")


def test_lookup_tables_are_part_of_the_identity_and_of_the_files() -> None:
    tables = {"questions": {"files": ["q"], "path_fields": "(?P<x>q)"}, "answers": {"files": ["a"]}}
    judged = source(format="fastchat", tables=tables)
    inputs = Inputs(
        {
            "source made": (ONE,),
            "source made, table questions": (TWO,),
            "source made, table answers": (ONE,),
        }
    )

    assert judged.identity(inputs)["tables"] == {
        "questions": {"resolved": [TWO_IDENTITY]},
        "answers": {"resolved": [ONE_IDENTITY]},
    }
    assert judged.file_sets() == (
        FileSet("source made", ("*.jsonl",)),
        FileSet("source made, table questions", ("q",), "(?P<x>q)"),
        FileSet("source made, table answers", ("a",)),
    )


def test_the_step_of_a_source_depends_on_its_identity_and_the_shards() -> None:
    inputs = Inputs({"source made": (ONE, TWO)})
    spec = ingest_spec(source(format="hh"), inputs, 7, {})

    assert (spec.name, spec.version, spec.num_parts) == ("ingest_made", READ_VERSION, 2)
    identity = source(format="hh").identity(inputs)
    own = {"priority": 0, "weight": 1.0, "anonymous": "one"}
    assert spec.config | own == identity | {"shards": 7}
    assert not spec.config.keys() & {"priority", "weight"}


class Later(Layout):
    """A layout whose records have changed once."""

    version: ClassVar[int] = 2
    format: Literal["later"] = "later"
    strict: bool = False
    wanted: str

    @classmethod
    def detect(cls, row: Json) -> str | None:
        return "`later`" if "later" in row else None

    def parse(self, row: Json, context: Context) -> Record:
        raise AssertionError


def test_a_later_version_of_a_layout_is_another_step() -> None:
    inputs = Inputs({"source made": (ONE,)})
    later = Later(name="made", files=("a",), wanted="x")

    config = ingest_spec(later, inputs, 1, {}).config

    assert config["layout_versions"] == {"later": 2}
    assert (config["wanted"], config["strict"]) == ("x", False)
    assert Later.required_options() == ("wanted",)


def test_a_source_is_an_instance_of_its_layout() -> None:
    assert isinstance(source(format="hh"), Hh)
    assert isinstance(source(), Detected)
    assert isinstance(source(format=None), Detected)
    assert SOURCES.validate_python(source(format="hh")) == source(format="hh")
    assert len({format_of(layout) for layout in LAYOUTS}) == len(LAYOUTS) == 55


def test_a_recognised_source_keeps_its_settings() -> None:
    unnamed = source(text="html", path_fields="(?P<model>m)", max_row_bytes=2048, sha256=["x"])

    assert layout_of(unnamed, TWO) == Hh(**(unnamed.model_dump() | {"format": "hh"}))
    assert layout_of(source(format="hh"), ONE) == source(format="hh")


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"format": "hh"},
        {"format": "columns", "columns": COLUMNS},
        {"format": "fastchat", "tables": {"questions": {"files": ["q"]}}},
    ],
)
def test_a_source_survives_json(settings: Any) -> None:
    again = SOURCES.validate_json(SOURCES.dump_json(source(**settings)))

    assert again == source(**settings)


def test_what_is_wrong_in_a_source_is_said_where_it_is() -> None:
    assert mistakes(format="domains") == [(("domain",), "Field required")]
    assert mistakes(format="hh", colums=1) == [(("colums",), "Extra inputs are not permitted")]
    [(place, message)] = mistakes(format="what")
    assert place == ("format",)
    assert re.search(r"no layout `what`; the layouts are: trl_explicit, .*hh, ", message)
    [(_, message)] = mistakes(domain="law")
    assert message.endswith("`domain` is only allowed with `format: domains`")


@pytest.mark.parametrize("format_", [["hh"], 3, {}])
def test_a_format_that_is_no_name_is_refused(format_: Any) -> None:
    assert mistakes(format=format_)[0][0] == ("format",)


def test_an_unknown_layout_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(RecipeError, match="no layout `what`; the layouts are: trl_explicit, "):
        layout_named("what")


@pytest.mark.parametrize(("layout", "needed"), [("domains", "`domain`"), ("fastchat", "`tables`")])
def test_a_recognised_layout_that_needs_options_must_be_named(
    tmp_path: Path, layout: str, needed: str
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(ROWS[layout]))
    message = f"source made: {path} looks like `{layout}`, which requires {needed}; set them with "

    with pytest.raises(RecipeError, match=re.escape(message)):
        detect_for_source(source(), str(path))


def test_the_layout_of_a_file_is_recognised(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(ROWS["hh"]))

    assert detect_for_source(source(), str(path)).format == "hh"


def test_two_rows_of_a_lookup_table_that_contradict_are_refused() -> None:
    rows = [({"question_id": 1, "text": text}, dict[str, str]()) for text in ("Why?", "How?")]

    assert FastChat.index("questions", [rows[0], rows[0]]) == {1: rows[0][0]}
    with pytest.raises(DataError, match="two different rows of a lookup table have the key 1"):
        FastChat.index("questions", rows)


def test_options_of_other_layouts_may_be_there_without_a_value() -> None:
    given = {"name": "s", "files": ["f"], "format": "hh"}
    empty = {"columns": None, "tables": {}, "domain": None}

    assert SOURCES.validate_python(given | empty) == SOURCES.validate_python(given)
