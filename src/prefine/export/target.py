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


def _small(type_: pa.DataType) -> pa.DataType:
    return pa.string() if type_ == pa.large_string() else type_
