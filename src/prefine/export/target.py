"""Base class of export targets: the rows of one consumer."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, get_args

import polars as pl
import pyarrow as pa

from prefine.schema import Column
from prefine.settings import Part

MESSAGES = pa.list_(pa.struct([pa.field("role", pa.string()), pa.field("content", pa.string())]))
"""Type of a list of messages in a shard."""

_FUNCTION = pa.struct([pa.field("name", pa.string()), pa.field("arguments", pa.string())])
_CALL = pa.struct(
    [pa.field("type", pa.string()), pa.field("function", _FUNCTION), pa.field("id", pa.string())]
)
TOOL_MESSAGES = pa.list_(
    pa.struct(
        [
            *(pa.field(name, pa.string()) for name in ("role", "content")),
            pa.field("tool_calls", pa.list_(_CALL)),
            *(pa.field(name, pa.string()) for name in ("tool_call_id", "name")),
        ]
    )
)
"""Type of a list of messages in a shard, for a recipe that keeps tools."""

TOOLS: Mapping[str, str] = {
    "tools": "JSON text of the list of tools that the prompt offers; null without tools"
}
"""Column that is added for a recipe that keeps tools, and its meaning."""

KEYS: Mapping[str, str] = {
    "pair_id": "content hash of the two responses",
    "prompt_id": "content hash of the prompt",
    "is_flipped": "whether a rule swapped chosen and rejected",
}
"""Columns that identify a row, and their meaning."""


class Target(Part, ABC):
    """One consumer of data sets; a subclass has a ``kind`` and makes rows from pairs."""

    version: ClassVar[int] = 1
    """Increased whenever the rows that it makes change."""
    rows_per_pair: ClassVar[int] = 1
    """Number of rows for each pair."""
    carries_tools: ClassVar[bool] = False
    """Whether its rows can hold tools; ``rows`` must then keep the column ``tools`` and lists of
    messages of the type ``TOOL_MESSAGES`` unchanged."""

    @classmethod
    def kind_name(cls) -> str:
        """Return the name of this target in a recipe: the value of the field ``kind``."""
        (name,) = get_args(cls.model_fields["kind"].annotation)
        return name

    @abstractmethod
    def arrow_schema(self, facts: Mapping[str, Column]) -> pa.Schema:
        """Return the schema of the rows.

        Args:
            facts: Columns that are exported in addition to the texts, by name and in order.
        """

    @abstractmethod
    def rows(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """Return the rows of pairs: ``rows_per_pair`` for each, in the order of the pairs.

        Args:
            pairs: ``prompt``, ``chosen`` and ``rejected`` as lists of messages, ``KEYS``, and the
                facts, all in the direction of the verdict.
        """

    @abstractmethod
    def meanings(self) -> Mapping[str, str]:
        """Return the meaning of the target's own columns, for the data set card."""

    @abstractmethod
    def summary(self) -> str:
        """Return a sentence about the form of a row, for the data set card."""


def keys_and_facts(facts: Mapping[str, Column]) -> "list[pa.Field[Any]]":
    """Return the last fields of most targets: ``KEYS`` and the exported facts."""
    types = dict.fromkeys(KEYS, pa.string()) | {"is_flipped": pa.bool_()}
    required = [pa.field(name, type_, False) for name, type_ in types.items()]
    return required + [pa.field(name, _small(column.type)) for name, column in facts.items()]


def with_tools(schema: pa.Schema) -> pa.Schema:
    """Return a schema with tools and tool calls added."""
    fields: list[pa.Field[Any]] = [schema.field(place) for place in range(len(schema))]
    places = [place for place, field in enumerate(fields) if field.type == MESSAGES]
    for place in places:
        fields[place] = fields[place].with_type(TOOL_MESSAGES)
    fields[places[-1] + 1 : places[-1] + 1] = [pa.field(name, pa.string()) for name in TOOLS]
    return pa.schema(fields)


def _small(type_: pa.DataType) -> pa.DataType:
    return pa.string() if type_ == pa.large_string() else type_
