"""The page on tables: their columns and what these mean."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from prefine.recipe.reference.markup import code, glossary, page, table
from prefine.recipe.reference.measures import COLUMN_HEAD, column_rows, type_name
from prefine.schema import DECISIONS, JUDGEMENTS, PAIR_COLUMNS, PROMPTS, QUARANTINE, RESPONSES
from prefine.schema.meanings import KEY_MEANINGS, MEANINGS

_TABLES: Mapping[str, tuple[pa.Schema, str]] = {
    "prompts": (PROMPTS, "One row per prompt."),
    "responses": (RESPONSES, "One row per distinct response to a prompt."),
    "judgements": (JUDGEMENTS, "One row per label in the sources."),
    "quarantine": (
        QUARANTINE,
        "One row per row that could not be read, of a source, benchmark or table.",
    ),
    "decisions": (DECISIONS, "One row per pair: what the rules decided."),
}
_KEYS = ("pair_id", "prompt_id", "chosen_id", "rejected_id")


def tables_page() -> str:
    """Return the page on tables."""
    return page(
        "Tables",
        "`prefine show TABLE` prints rows of these tables. Each is a set of Parquet files, one per "
        "shard; all rows of a prompt are in the same shard.",
        _plain("prompts"),
        _plain("responses"),
        _plain("judgements"),
        _plain("quarantine"),
        "## pairs",
        "One row per pair of responses to a prompt; the labels determine which is chosen. Rules "
        "can test every column. These are its ids:",
        glossary(("column", "meaning"), {key: KEY_MEANINGS[key] for key in _KEYS}),
        table(COLUMN_HEAD, column_rows(PAIR_COLUMNS)),
        "Columns that sources keep (`keep`) follow: a column `X` of the source row becomes `X`, or "
        "`chosen_X` and `rejected_X` if each response has a separate source row.",
        "## measure tables",
        "Each measure writes `measure_NAME`; [Measures](measures.md) lists their columns.",
        "## facts",
        "One row per pair: the columns of `pairs` and of every measure, and `order`, a random "
        "position in [0, 1) that the seed draws.",
        _plain("decisions"),
    )


def _plain(name: str) -> str:
    schema: Any = _TABLES[name][0]
    rows = [
        (
            code(column),
            type_name(schema.field(column).type),
            "yes" if schema.field(column).nullable else "no",
            MEANINGS[name][column],
        )
        for column in schema.names
    ]
    head = ("column", "type", "may be null", "meaning")
    return f"## {name}\n\n{_TABLES[name][1]}\n\n{table(head, rows)}"
