"""Layouts: how the rows of a source are recognised and read.

A source whose layout is known *is* an instance of that layout, so the settings of a layout, the
test for it and the code that reads it stand in one class.
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
    """What a layout may look at beside the row: the fields of its file, the lookup tables."""

    fields: Mapping[str, str] = field(default_factory=dict[str, str])
    """What ``path_fields`` took from the file's path."""
    tables: Mapping[str, Mapping[Any, Json]] = field(default_factory=dict[str, Any])
    """By table and key, as ``Layout.index`` returns them."""


def _format_required(schema: Json) -> None:
    """Require ``format`` in the JSON schema: without it, a source is none of a known layout."""
    schema["required"] = [*schema.get("required", []), "format"]


class Layout(Source, ABC):
    """A source of a known layout.

    A subclass declares ``format: Literal["NAME"] = "NAME"``, and its own options as further fields.
    """

    model_config = ConfigDict(json_schema_extra=_format_required)

    version: ClassVar[int] = 1
    """Raised whenever the records that it makes change."""
    reads_beside: ClassVar[tuple[str, ...]] = ()
    """Prompt-like columns (``system``, ``history``, ``input``, ...) that it reads itself."""
    own_table: ClassVar[str | None] = None
    """The name under which rows look up other rows of their own source; null where they do not."""
    keys: ClassVar[tuple[str, ...]] = ()
    """Columns that together show the layout; one that has to look closer overrides ``detect``."""
    because: ClassVar[str] = ""
    """What these columns are, for the message on a recognised layout; empty lists ``keys``."""
    aspects: ClassVar[tuple[str, ...] | None] = None
    """The aspects of its labels, ``overall`` for those of the whole; null where rows name them."""
    merit: ClassVar[Mapping[str, float]] = MappingProxyType({})
    """Weights of rating aspects that the data's publication states; empty where it states none."""

    @classmethod
    def detect(cls, row: Json) -> str | None:
        """Return the reason why a row fits, or null: it has all ``keys``, if there are any."""
        if not cls.keys or not set(cls.keys) <= row.keys():
            return None
        return cls.because or ", ".join(f"`{key}`" for key in cls.keys)

    @abstractmethod
    def parse(self, row: Json, context: Context) -> Record:
        """Read one row.

        Raises:
            RowError: The row cannot be read.
        """

    def records(self, row: Json, context: Context) -> Iterable[Record]:
        """Read all records of one row; a layout whose rows hold several overrides it.

        There are none for a row that the records of another row contain; a row without a label is
        an error.

        Raises:
            RowError: The row cannot be read.
        """
        return (self.parse(row, context),)

    def contradiction(self, labels: Mapping[str, int], rejected: Mapping[str, int]) -> str | None:
        """Return why the rows of a file, taken together, contradict this layout; else null.

        Args:
            labels: How many labels were read, by winner or kind.
            rejected: How many rows were rejected, by reason.
        """
        del labels, rejected
        return None

    def known_aspects(self) -> Collection[str] | None:
        """Return the aspects that its labels can have; null where paths or rows name them."""
        return None if self.path_names("aspect") else self.aspects

    def prompt_columns(self) -> Collection[str]:
        """Return the columns that it reads as parts of the prompt."""
        return self.reads_beside

    def paths(self) -> Collection[str]:
        """Return the dotted paths that its settings name; those ending in ``?`` may be missing."""
        return ()

    def prompt_objects(self, row: Json) -> Iterable[Json]:
        """Return objects within a row that hold the prompt, and so may hold more of it."""
        del row
        return ()

    @classmethod
    def required_options(cls) -> tuple[str, ...]:
        """Return the options without which a source cannot have this layout."""
        own = {
            name: cls.model_fields[name] for name in cls.model_fields.keys() - Source.model_fields
        }
        return tuple(sorted(name for name, option in own.items() if option.is_required()))

    def lookups(self) -> Mapping[str, FileSet]:
        """Return the files of the lookup tables that rows refer to, by table."""
        return {} if self.own_table is None else {self.own_table: super().file_sets()[0]}

    @classmethod
    def index(
        cls, table: str, rows: Iterable[tuple[Json, Mapping[str, str]]]
    ) -> Mapping[Any, Json]:
        """Index the rows of a lookup table by what rows of the source refer to.

        Args:
            table: One of ``lookups``.
            rows: Each with the path fields of its file.

        Raises:
            RowError: A row has no usable key.
            DataError: Two different rows have the same key.
        """
        assert not list(rows), f"{cls.__name__} has no lookup table `{table}`"
        return {}

    def file_sets(self) -> tuple[FileSet, ...]:
        """Return the files of the source and of its lookup tables."""
        own = super().file_sets()
        return (*own, *(files for files in self.lookups().values() if files not in own))

    def identity(self, inputs: Inputs | None = None) -> Json:
        """Return the settings and what identifies the files, lookup tables included."""
        tables = {
            name: {"resolved": resolved(files.key, inputs)}
            for name, files in self.lookups().items()
        }
        return super().identity(inputs) | ({"tables": tables} if tables else {})
