"""What an export must know of the recipe that it ends."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import polars as pl
import pyarrow as pa

from prefine.export.settings import Export
from prefine.export.target import with_tools
from prefine.schema import Column
from prefine.settings.json import Json


class Curation(NamedTuple):
    """What was curated, for the card and the manifest."""

    name: str
    identity: Json
    """Everything in the recipe that changes bytes, files and models by their hashes."""
    sources: Sequence[str]
    columns: Mapping[str, Column]
    """Every column of a pair, by name and in order."""
    kept: Sequence[str]
    """Those that come from columns that sources keep."""
    measured: Sequence[str]
    """Those that measures write."""
    models: Sequence[Json]
    """What identifies the models, with the kind of the measure that asks each."""
    plugins: Sequence[str]
    """Distributions, with their versions, whose kinds were used."""
    sections: Callable[[Mapping[str, Json]], list[str]]
    """Returns what measures have to say on the card, from the notes of the run's steps."""
    reports: Sequence[str]
    """What further steps provide that the card speaks of."""
    explained: Callable[[pl.DataFrame], pl.DataFrame]
    """Adds the column ``explanation`` to decisions."""
    export: Export
    keeps_tools: bool = False
    """Whether a source keeps tools."""

    @property
    def schema(self) -> pa.Schema:
        """The schema of the exported rows."""
        schema = self.export.target.arrow_schema(self.facts)
        return with_tools(schema) if self.keeps_tools else schema

    @property
    def facts(self) -> dict[str, Column]:
        """What is exported beside the texts, by name and in order."""
        named = self.export.columns
        assert named is not None, "the columns are filled in before anything is exported"
        return {name: self.columns[name] for name in named}
