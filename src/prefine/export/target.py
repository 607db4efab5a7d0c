"""What a target of an export is: the rows of one consumer."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, get_args

import polars as pl
import pyarrow as pa

from prefine.schema import Column
from prefine.settings import Part

MESSAGES = pa.list_(pa.struct([pa.field("role", pa.string()), pa.field("content", pa.string())]))
"""The type of a list of messages in a shard."""

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
"""The type of a list of messages in a shard of a recipe that keeps tools."""

TOOLS: Mapping[str, str] = {
    "tools": "JSON text of the list of tools that the prompt offers; null where it offers none"
}
"""The column that a recipe with tools adds, and what it means."""

KEYS: Mapping[str, str] = {
    "pair_id": "content hash of the two responses",
    "prompt_id": "content hash of the prompt",
    "is_flipped": "whether a rule turned the label round",
}
"""Columns that tell where a row comes from, and what they mean."""


class Target(Part, ABC):
    """One consumer of data sets. A subclass has a ``kind`` and makes rows out of pairs."""

    version: ClassVar[int] = 1
    """Raised whenever the rows that it makes change."""
    rows_per_pair: ClassVar[int] = 1
    carries_tools: ClassVar[bool] = False
    """Whether its rows can hold tools: ``rows`` then leaves the column ``tools`` and the lists of
    messages as they are, which have the type ``TOOL_MESSAGES`` where a source keeps tools."""

    @classmethod
    def kind_name(cls) -> str:
        """Return what a recipe calls this target: the one value of the field ``kind``."""
        (name,) = get_args(cls.model_fields["kind"].annotation)
        return name

    @abstractmethod
    def arrow_schema(self, facts: Mapping[str, Column]) -> pa.Schema:
        """Return the schema of the rows.

        Args:
            facts: What the recipe exports beside the texts, by name and in order.
        """

    @abstractmethod
    def rows(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """Return the rows of some pairs: ``rows_per_pair`` for each, in the order of the pairs.

        Args:
            pairs: ``prompt``, ``chosen`` and ``rejected`` as lists of messages, ``KEYS``, and the
                facts, all in the direction of the verdict.
        """

    @abstractmethod
    def meanings(self) -> Mapping[str, str]:
        """Return what the target's own columns mean, for the data set card."""

    @abstractmethod
    def summary(self) -> str:
        """Return a sentence for the data set card on how a row is laid out."""


def keys_and_facts(facts: Mapping[str, Column]) -> "list[pa.Field[Any]]":
    """Return the fields that most targets end with: ``KEYS``, and the exported facts."""
    types = dict.fromkeys(KEYS, pa.string()) | {"is_flipped": pa.bool_()}
    required = [pa.field(name, type_, False) for name, type_ in types.items()]
    return required + [pa.field(name, _small(column.type)) for name, column in facts.items()]


def with_tools(schema: pa.Schema) -> pa.Schema:
    """Return the schema of a target's rows with tools and tool calls in it."""
    fields: list[pa.Field[Any]] = [schema.field(place) for place in range(len(schema))]
    places = [place for place, field in enumerate(fields) if field.type == MESSAGES]
    for place in places:
        fields[place] = fields[place].with_type(TOOL_MESSAGES)
    fields[places[-1] + 1 : places[-1] + 1] = [pa.field(name, pa.string()) for name in TOOLS]
    return pa.schema(fields)


def _small(type_: pa.DataType) -> pa.DataType:
    return pa.string() if type_ == pa.large_string() else type_
