"""The page on measures: what each does, reads, needs and writes."""

from collections.abc import Iterator

import pyarrow as pa

from prefine.measure.base import Measure
from prefine.measure.kinds import MEASURES
from prefine.recipe.reference.book import part_section, parts_of, settings_table
from prefine.recipe.reference.examples import (
    VARIANTS,
    Shown,
    columns_of,
    example_of,
    view_of,
)
from prefine.recipe.reference.markup import code, listed, page, sentence, table
from prefine.recipe.schema import about
from prefine.schema import Column, Flip
from prefine.schema.columns import COUNT
from prefine.settings import Inputs
from prefine.tables.vectors import PROMPT_VECTORS, RESPONSE_VECTORS

_HEAD = ("column", "type", "unit", "range", "in a flipped pair", "meaning")
_FLIPS = {
    Flip.SAME: "unchanged",
    Flip.NEGATE: "changes its sign",
    Flip.COMPLEMENT: "v becomes 1 - v",
}
_UNITS = {
    "chars": "characters",
    "tokens": "tokens",
    "logp": "nats",
    "entropy": "nats",
    "similarity": "cosine",
    "cosine": "cosine",
    "run": "words",
}
"""By a word of a column's name: the unit of a number that is neither a count nor a share."""
ENCODER = "the sentence encoder (extras `local` and `encoder`)"
_VECTORS = {*PROMPT_VECTORS.tables, *RESPONSE_VECTORS.tables}


def measures_page() -> str:
    """Return the page on measures."""
    parts = [part_section(name, "measures.md") for name in parts_of("measures.md")]
    return page(
        "Measures",
        "A measure adds columns to pairs or prompts. Rules can test them, and exports can contain "
        "them. A measure never drops a row: if there is no value, the column is null, and another "
        "column has the [reason](reasons.md#measures). Capitals in the name of a column are "
        "replaced by settings: `NAME` by the `name` of the measure. Numbers in the meaning of a "
        "column (such as 8-grams) and names of tables are those of the default settings, or "
        "examples.",
        table(
            ("measure", "what it measures", "one row per", "needs"),
            (
                (f"[{kind.kind_name()}](#{_anchor(kind)})", _first(kind), _unit(kind), _needs(kind))
                for kind in MEASURES
            ),
        ),
        *map(_section, MEASURES),
        "## Parts",
        *parts,
    )


def _anchor(kind: type[Measure]) -> str:
    return kind.kind_name().replace("/", "")


def _first(kind: type[Measure]) -> str:
    return about(kind).partition("\n\n")[0]


def _unit(kind: type[Measure]) -> str:
    return kind.id_column.removesuffix("_id")


def _section(kind: type[Measure]) -> str:
    shown = columns_of(kind)
    facts = [
        f"One row per {_unit(kind)} (`{kind.id_column}`).",
        f"Reads {listed(_tables(kind), 'and')}." if _tables(kind) else "",
        f"Needs {_needs(kind)}." if _needs(kind) != "-" else "",
        _named(kind),
    ]
    columns = table(_HEAD, map(_row, shown)) if shown else "Its columns depend on its settings."
    return "\n\n".join(
        (
            f"## {kind.kind_name()}",
            about(kind),
            " ".join(fact for fact in facts if fact),
            "**Settings**",
            settings_table(kind, "measures.md", {"kind"}) or "None.",
            "**Columns**",
            columns,
        )
    )


def _named(kind: type[Measure]) -> str:
    field = kind.model_fields.get("name")
    if field is None or not any("NAME" in shown.column.name for shown in columns_of(kind)):
        return ""
    default = "" if field.is_required() else f", `{field.default}` by default"
    return f"`NAME` is the setting `name`{default}."


def _tables(kind: type[Measure]) -> tuple[str, ...]:
    example = example_of(kind)
    return () if example is None else example.reads(view_of(example))


def _needs(kind: type[Measure]) -> str:
    return ", ".join(_needed(kind)) or "-"


def _needed(kind: type[Measure]) -> Iterator[str]:
    """Yield what it needs besides the data: models, servers, extras."""
    example = example_of(kind)
    if example is None:
        return
    if _embeds(example):
        yield ENCODER
    for when, settings in VARIANTS.get(kind.kind_name(), ()):
        if not _embeds(example) and _embeds(example.model_copy(update=dict(settings))):
            yield f"{ENCODER} {when}"
    if example.server(Inputs()) is not None:
        yield "a vLLM server (`--server NAME=URL`), and the tokenizer of `weights`"
    elif "weights" in kind.model_fields:
        yield "a model (`weights`, extra `local`)"
    if "tokenizer" in kind.model_fields:
        required = kind.model_fields["tokenizer"].is_required()
        yield "a tokenizer" if required else "a tokenizer with `tokenizer`"


def _embeds(measure: Measure) -> bool:
    """Return whether a measure reads embeddings."""
    view = view_of(measure)
    helpers = {step.name: step for step in measure.helpers(view)}
    wanted = list(measure.reads(view))
    for name in wanted:
        wanted += helpers[name].reads if name in helpers else ()
    return bool(_VECTORS & set(wanted))


def _row(shown: Shown) -> tuple[str, ...]:
    column = shown.column
    return (
        code(column.name),
        type_name(column.type),
        _unit_of(column),
        _range(column),
        flip_text(column),
        sentence(column.about) + (f" Only {shown.when}." if shown.when else ""),
    )


def column_rows(columns: tuple[Column, ...]) -> Iterator[tuple[str, ...]]:
    """Yield the lines of a table of columns."""
    return (_row(Shown(column, "")) for column in columns)


COLUMN_HEAD = _HEAD
"""The head of a table of columns."""


def type_name(type_: pa.DataType) -> str:
    """Return the type of a column in words."""
    if pa.types.is_boolean(type_):
        return "true or false"
    if pa.types.is_integer(type_):
        return "integer"
    if pa.types.is_floating(type_):
        return "number"
    if pa.types.is_list(type_) or pa.types.is_large_list(type_):
        return "list"
    return "text"


def flip_text(column: Column) -> str:
    """Return how the value of a column changes when chosen and rejected are swapped."""
    return _FLIPS.get(column.flip) or f"swaps with `{column.partner}`"


def _unit_of(column: Column) -> str:
    if type_name(column.type) not in {"integer", "number"}:
        return "-"
    if column.known_range == (0.0, 1.0):
        return "share"
    words = column.name.split("_")
    named = [unit for word, unit in _UNITS.items() if word in words]
    return named[0] if named else ("count" if column.range == COUNT else "-")


def _range(column: Column) -> str:
    if column.known_range is None or pa.types.is_boolean(column.type):
        return "-"
    low, high = column.known_range
    return f"≥ {low:g}" if high == float("inf") else f"[{low:g}, {high:g}]"
