"""Files of a user whose rows refer to pairs, responses or prompts of the data by a key.

The key is an id, a text, or the number of a raw row. ``matches`` matches rows to the data.
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

import pyarrow as pa
from pydantic import Field, model_validator

from prefine.settings import FileSet, Inputs, Name, Part, Where
from prefine.settings.json import Json

Key = Literal["own_id", "pair_id", "response_id", "prompt_id", "text", "row"]
"""The key by which the rows of a file are matched to the data."""

Unit = Literal["pair", "response", "prompt"]
"""What one row of a keyed file is about."""

KeyColumn = Literal[
    "own_id",
    "pair_id",
    "response_id",
    "prompt_id",
    "prompt",
    "response",
    "chosen",
    "rejected",
    "chosen_id",
    "source",
    "file",
    "row",
]
"""The key columns that a keyed file can have in addition to its values."""

_TEXT = pa.large_string()
KEYED = pa.schema(
    [
        pa.field("file", _TEXT, False),
        pa.field("row", pa.int64(), False),
        pa.field("values", _TEXT, False),
        pa.field("pair_id", _TEXT),
        pa.field("response_id", _TEXT),
        pa.field("prompt_id", _TEXT),
        pa.field("chosen_id", _TEXT),
        pa.field("own_id", _TEXT),
        pa.field("source", _TEXT),
        pa.field("source_file", _TEXT),
        pa.field("source_row", pa.int64()),
    ]
)
"""One row per row of a keyed file. ``file`` (the first 12 digits of its SHA-256) and ``row`` are
its location; ``values`` is a JSON object; keys that the row does not have are null. ``source``,
``source_file`` and ``source_row`` refer to a raw row of a source; ``chosen_id`` is the response
that the row considers chosen."""

UNITS: Mapping[Key, tuple[Unit, ...]] = {
    "own_id": ("pair", "response", "prompt"),
    "pair_id": ("pair",),
    "response_id": ("response",),
    "prompt_id": ("prompt",),
    "text": ("prompt", "response", "pair"),
    "row": ("pair", "response", "prompt"),
}
"""The units that a row can be about, by its key; the first is the default."""

TEXTS: Mapping[Unit, tuple[KeyColumn, ...]] = {
    "prompt": ("prompt",),
    "response": ("prompt", "response"),
    "pair": ("prompt", "chosen", "rejected"),
}
"""The texts that identify a prompt, a response or a pair."""


class KeyedFiles(Part):
    """Files whose rows are matched to the data by a key."""

    owner: ClassVar[str] = "table"
    """The name of this kind of files in messages, and prefix of their table."""

    name: Name
    """Name of the table, in messages and notes."""
    files: Annotated[tuple[str, ...], Where] = Field(min_length=1)
    """The files: paths or globs relative to the data folder, fsspec URLs, or ``hf://``."""
    sha256: Annotated[tuple[str, ...], Where] = ()
    """Required SHA-256 hashes of the files, in any order; empty accepts any content."""
    key: Key
    """The key that rows are matched by: an id (``pair_id``, ``response_id``, ``prompt_id``),
    ``own_id`` (the ``id`` of a source), ``text`` (the texts of the prompt and, for rows about them,
    of the responses) or ``row`` (source, file and number of a source row)."""
    key_columns: dict[KeyColumn, str] = Field(default_factory=dict[KeyColumn, str])
    """Dotted paths of the key columns whose names in the files differ from the default."""
    source: Name | None = None
    """The source of the own ids or row numbers; null reads it from the column ``source`` for
    ``key: row`` and accepts any source for ``key: own_id``."""
    ignore: tuple[str, ...] = ()
    """With ``key: text``, columns that look like a part of the prompt but are not."""
    max_row_bytes: int = Field(default=32 * 2**20, ge=1024)
    """Maximum size of a row in bytes; a larger one is quarantined without being parsed."""

    @property
    def unit(self) -> Unit:
        """What one row is about."""
        return UNITS[self.key][0]

    @property
    def is_unit_assumed(self) -> bool:
        """Whether the unit ``prompt`` is a default that the columns of the rows may contradict."""
        return False

    def value_paths(self) -> Mapping[str, str]:
        """Return the dotted path of each value column, by its name."""
        return {}

    @property
    def rows_table(self) -> str:
        """The table of the rows."""
        return f"{self.owner}_{self.name}"

    @property
    def file_set(self) -> FileSet:
        """The files, to be resolved with the recipe."""
        return FileSet(f"{self.owner} {self.name}", self.files, sha256=self.sha256)

    def path(self, column: KeyColumn) -> str:
        """Return the dotted path of a key column."""
        return self.key_columns.get(column, column)

    def columns_of_key(self) -> tuple[KeyColumn, ...]:
        """Return the key columns that every row must have."""
        if self.key == "text":
            return TEXTS[self.unit]
        if self.key == "row":
            return ("row",) if self.source else ("source", "row")
        has_source = self.key == "own_id" and "source" in self.key_columns
        return (self.key, "source") if has_source else (self.key,)

    def optional_columns(self) -> tuple[KeyColumn, ...]:
        """Return the key columns that a row may have."""
        direction = self.unit == "pair" and self.key != "text"
        return (("file",) if self.key == "row" else ()) + (("chosen_id",) if direction else ())

    def identity(self, inputs: Inputs | None = None) -> Json:
        """Return the settings and what identifies the files."""
        return super().identity(inputs) | {"resolved": self._resolved(inputs)}

    def reading(self, inputs: Inputs) -> Json:
        """Return the settings that reading depends on, and what identifies the files."""
        assumed = {"unit_assumed": True} if self.is_unit_assumed else {}
        return assumed | {
            "key": self.key,
            "unit": self.unit,
            "columns": {name: self.path(name) for name in self.columns_of_key()},
            "optional": {name: self.path(name) for name in self.optional_columns()},
            "values": dict(self.value_paths()),
            "source": self.source,
            "ignore": list(self.ignore),
            "max_row_bytes": self.max_row_bytes,
            "resolved": self._resolved(inputs),
        }

    def _resolved(self, inputs: Inputs | None) -> list[Json]:
        files = () if inputs is None else inputs.files.get(self.file_set.key, ())
        return [file.identity() for file in files]

    def pinned(self, inputs: Inputs) -> Self:
        """Return the same settings with the hashes of the files."""
        hashes = tuple(file.sha256 for file in inputs.files.get(self.file_set.key, ()))
        return self.model_copy(update={"sha256": hashes})

    @model_validator(mode="after")
    def _used(self) -> Self:
        """Reject settings without an effect."""
        if self.unit not in UNITS[self.key]:
            units = " or ".join(UNITS[self.key])
            raise ValueError(
                f"a row with `key: {self.key}` is about a {units}, not about a {self.unit}"
            )
        if self.source and self.key not in {"own_id", "row"}:
            raise ValueError(f"`source` needs `key: own_id` or `key: row`; found `key: {self.key}`")
        if self.source and "source" in self.key_columns:
            raise ValueError("`source` and `key_columns: {source: ...}` exclude each other")
        if self.ignore and self.key != "text":
            raise ValueError(f"`ignore` needs `key: text`; found `key: {self.key}`")
        known = {*self.columns_of_key(), *self.optional_columns()}
        if unread := sorted(set(self.key_columns) - known):
            read = ", ".join(f"`{column}`" for column in sorted(known))
            raise ValueError(
                f"`key_columns` has `{unread[0]}`, but `key: {self.key}` reads only {read}"
            )
        return self
