"""What the export needs to know of the recipe."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import polars as pl
import pyarrow as pa

from prefine.export.settings import Export
from prefine.export.target import with_tools
from prefine.schema import Column
from prefine.settings.json import Json


class Curation(NamedTuple):
    """Facts of a recipe for the card and the manifest."""

    name: str
    identity: Json
    """All settings that change the output, with files and models by their hashes."""
    sources: Sequence[str]
    columns: Mapping[str, Column]
    """All columns of a pair, by name and in order."""
    kept: Sequence[str]
    """Names of the columns that sources keep."""
    measured: Sequence[str]
    """Names of the columns that measures write."""
    models: Sequence[Json]
    """Identity of each model, with the kind of the measure that uses it."""
    plugins: Sequence[str]
    """Names and versions of the distributions whose plug-ins are used."""
    sections: Callable[[Mapping[str, Json]], list[str]]
    """Returns the sections of the card that measures write, given the notes of all steps."""
    reports: Sequence[str]
    """Names of the outputs of further steps that the card needs."""
    explained: Callable[[pl.DataFrame], pl.DataFrame]
    """Adds the column ``explanation`` to decisions."""
    export: Export
    keeps_tools: bool = False
    """Whether any source keeps tools."""

    @property
    def schema(self) -> pa.Schema:
        """Schema of the exported rows."""
        schema = self.export.target.arrow_schema(self.facts)
        return with_tools(schema) if self.keeps_tools else schema

    @property
    def facts(self) -> dict[str, Column]:
        """Columns that are exported in addition to the texts, by name and in order."""
        names = self.export.columns
        assert names is not None, "the columns are filled in before the export"
        return {name: self.columns[name] for name in names}
