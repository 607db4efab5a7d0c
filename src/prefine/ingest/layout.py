"""The base class of layouts: how the rows of a source are detected and parsed.

A source with a known layout is an instance of that layout's class, so that the settings of a
layout, its detection and its parser are defined in one place.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar

from pydantic import ConfigDict

from prefine.ingest.record import Record
from prefine.ingest.source import Source, resolved
from prefine.settings import FileSet, Inputs
from prefine.settings.json import Json


@dataclass(frozen=True)
class Context:
    """Inputs of a parser besides the row: fields of the file path and lookup tables."""

    fields: Mapping[str, str] = field(default_factory=dict[str, str])
    """Named groups that ``path_fields`` matched in the file path."""
    tables: Mapping[str, Mapping[Any, Json]] = field(default_factory=dict[str, Any])
    """Rows of the lookup tables by table name and key, as ``Layout.index`` returns them."""


def _require_format(schema: Json) -> None:
    """Require ``format`` in the JSON schema, because a source without it has no known layout."""
    schema["required"] = [*schema.get("required", []), "format"]


class Layout(Source, ABC):
    """A source with a known layout.

    A subclass declares ``format: Literal["NAME"] = "NAME"`` and its own options as further fields.
    """

    model_config = ConfigDict(json_schema_extra=_require_format)

    version: ClassVar[int] = 1
    """Version of the parser, raised whenever the parsed records change."""
    reads_beside: ClassVar[tuple[str, ...]] = ()
    """Prompt-like columns (``system``, ``history``, ``input``, ...) that the parser reads."""
    own_table: ClassVar[str | None] = None
    """Name of the lookup table made of the source's own rows; None if rows are independent."""
    keys: ClassVar[tuple[str, ...]] = ()
    """Columns that identify the layout; a subclass that needs more than names overrides
    ``detect``."""
    because: ClassVar[str] = ""
    """Reason that is shown when the layout is detected; empty lists ``keys``."""
    aspects: ClassVar[tuple[str, ...] | None] = None
    """Aspects of the labels, ``overall`` for a response as a whole; None if the rows name them."""
    merit: ClassVar[Mapping[str, float]] = MappingProxyType({})
    """Weights of rating aspects as published with the data set; empty if none are published."""

    @classmethod
    def detect(cls, row: Json) -> str | None:
        """Return why a row has this layout (it has all ``keys``), or None if it does not."""
        if not cls.keys or not set(cls.keys) <= row.keys():
            return None
        return cls.because or ", ".join(f"`{key}`" for key in cls.keys)

    @abstractmethod
    def parse(self, row: Json, context: Context) -> Record:
        """Parse one row.

        Raises:
            RowError: The row cannot be parsed.
        """

    def records(self, row: Json, context: Context) -> Iterable[Record]:
        """Parse all records of one row; a layout with several records per row overrides this.

        Returns:
            The records. Empty if the records of another row contain this row.

        Raises:
            RowError: The row cannot be parsed or has no label.
        """
        return (self.parse(row, context),)

    def contradiction(self, labels: Mapping[str, int], rejected: Mapping[str, int]) -> str | None:
        """Return why the rows of a file together contradict the layout, or None if they do not.

        Args:
            labels: Number of parsed labels by winner or kind.
            rejected: Number of rejected rows by reason.
        """
        del labels, rejected
        return None

    def known_aspects(self) -> Collection[str] | None:
        """Return the aspects that the labels can have, or None if file paths or rows name them."""
        return None if self.path_names("aspect") else self.aspects

    def prompt_columns(self) -> Collection[str]:
        """Return the columns that the parser reads as parts of the prompt."""
        return self.reads_beside

    def paths(self) -> Collection[str]:
        """Return the dotted paths in the settings; those ending in ``?`` may be missing."""
        return ()

    def prompt_objects(self, row: Json) -> Iterable[Json]:
        """Return objects within a row that contain the prompt and may contain further parts."""
        del row
        return ()

    @classmethod
    def required_options(cls) -> tuple[str, ...]:
        """Return the names of the layout's options that have no default."""
        own = {
            name: cls.model_fields[name] for name in cls.model_fields.keys() - Source.model_fields
        }
        return tuple(sorted(name for name, option in own.items() if option.is_required()))

    def lookups(self) -> Mapping[str, FileSet]:
        """Return the file sets of the lookup tables by table name."""
        return {} if self.own_table is None else {self.own_table: super().file_sets()[0]}

    @classmethod
    def index(
        cls, table: str, rows: Iterable[tuple[Json, Mapping[str, str]]]
    ) -> Mapping[Any, Json]:
        """Index the rows of a lookup table by the keys that rows of the source refer to.

        Args:
            table: Name of the table, one of ``lookups``.
            rows: The rows of the table, each with the path fields of its file.

        Raises:
            RowError: A row has no usable key.
            DataError: Two different rows have the same key.
        """
        assert not list(rows), f"{cls.__name__} has no lookup table `{table}`"
        return {}

    def file_sets(self) -> tuple[FileSet, ...]:
        """Return the file sets of the source and of its lookup tables."""
        own = super().file_sets()
        return (*own, *(files for files in self.lookups().values() if files not in own))

    def identity(self, inputs: Inputs | None = None) -> Json:
        """Return the settings and the identity of the files, lookup tables included."""
        tables = {
            name: {"resolved": resolved(files.key, inputs)}
            for name, files in self.lookups().items()
        }
        return super().identity(inputs) | ({"tables": tables} if tables else {})
