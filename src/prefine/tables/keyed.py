"""Files of a user whose rows are about pairs, responses or prompts of the data, each by a key.

The key is an id, a text or the place of a raw row. ``matches`` finds what the rows are about.
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

import pyarrow as pa
from pydantic import Field, model_validator

from prefine.settings import FileSet, Inputs, Name, Part, Where
from prefine.settings.json import Json

Key = Literal["own_id", "pair_id", "response_id", "prompt_id", "text", "row"]
"""What the rows of a keyed file are matched by."""

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
"""What a column of a keyed file can hold, beside values."""

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
"""One row a row of a keyed file. ``file`` (the first 12 digits of its SHA-256) and ``row`` say
where it stands; ``values`` is a JSON object. Of the keys, those that the row has are filled in:
``source``, ``source_file`` and ``source_row`` name a raw row of a source; ``chosen_id`` names the
response that the row takes for the chosen one."""

UNITS: Mapping[Key, tuple[Unit, ...]] = {
    "own_id": ("pair", "response", "prompt"),
    "pair_id": ("pair",),
    "response_id": ("response",),
    "prompt_id": ("prompt",),
    "text": ("prompt", "response", "pair"),
    "row": ("pair", "response", "prompt"),
}
"""What a row can be about, by its key; the first is the default."""

TEXTS: Mapping[Unit, tuple[KeyColumn, ...]] = {
    "prompt": ("prompt",),
    "response": ("prompt", "response"),
    "pair": ("prompt", "chosen", "rejected"),
}
"""The texts that name a prompt, a response or a pair."""


class KeyedFiles(Part):
    """Files whose rows are matched with the data by a key."""

    owner: ClassVar[str] = "table"
    """What the files are called in messages and table names."""

    name: Name
    files: Annotated[tuple[str, ...], Where] = Field(min_length=1)
    """Paths or globs relative to the data folder, fsspec URLs, or ``hf://``."""
    sha256: Annotated[tuple[str, ...], Where] = ()
    """What the files must hash to, in any order; empty accepts any bytes."""
    key: Key
    """``own_id``: the id that a source names with ``id``. ``text``: the prompt, and the response or
    both responses where the row is about these. ``row``: source, file and number of a raw row."""
    key_columns: dict[KeyColumn, str] = Field(default_factory=dict[KeyColumn, str])
    """Dotted paths of the columns that hold the key, where they have other names than the key."""
    source: Name | None = None
    """The source that the own ids or row numbers belong to; null reads it from the column
    ``source`` where rows are numbered."""
    ignore: tuple[str, ...] = ()
    """With ``key: text``: columns that look like a part of the prompt and are none."""
    max_row_bytes: int = Field(default=32 * 2**20, ge=1024)
    """A longer row goes to quarantine without being parsed."""

    @property
    def unit(self) -> Unit:
        """What one row is about."""
        return UNITS[self.key][0]

    @property
    def is_unit_assumed(self) -> bool:
        """Whether nothing in the settings says that rows are about prompts; their columns may."""
        return False

    def value_paths(self) -> Mapping[str, str]:
        """Return the dotted path of each value that is read beside the key, by its name."""
        return {}

    @property
    def rows_table(self) -> str:
        """The table of the rows."""
        return f"{self.owner}_{self.name}"

    @property
    def file_set(self) -> FileSet:
        """The files, as they are looked up when the recipe is resolved."""
        return FileSet(f"{self.owner} {self.name}", self.files, sha256=self.sha256)

    def path(self, column: KeyColumn) -> str:
        """Return the dotted path of a column of the key."""
        return self.key_columns.get(column, column)

    def columns_of_key(self) -> tuple[KeyColumn, ...]:
        """Return the columns that every row must have."""
        if self.key == "text":
            return TEXTS[self.unit]
        if self.key == "row":
            return ("row",) if self.source else ("source", "row")
        named = self.key == "own_id" and "source" in self.key_columns
        return (self.key, "source") if named else (self.key,)

    def optional_columns(self) -> tuple[KeyColumn, ...]:
        """Return the columns of the key that are read where a row has them."""
        direction = self.unit == "pair" and self.key != "text"
        return (("file",) if self.key == "row" else ()) + (("chosen_id",) if direction else ())

    def identity(self, inputs: Inputs | None = None) -> Json:
        """Return the settings and what identifies the files."""
        return super().identity(inputs) | {"resolved": self._resolved(inputs)}

    def reading(self, inputs: Inputs) -> Json:
        """Return the settings that reading the files depends on, and what identifies these."""
        assumed = {"unit_assumed": True} if self.is_unit_assumed else {}
        return assumed | {
            "key": self.key,
            "unit": self.unit,
            "columns": {one: self.path(one) for one in self.columns_of_key()},
            "optional": {one: self.path(one) for one in self.optional_columns()},
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
        """Refuse what would have no effect."""
        if self.unit not in UNITS[self.key]:
            units = " or ".join(UNITS[self.key])
            raise ValueError(f"a row with the key `{self.key}` is about a {units}")
        if self.source and (self.key not in {"own_id", "row"} or "source" in self.key_columns):
            raise ValueError("`source` goes with `key: own_id` or `key: row`, and is given once")
        if self.ignore and self.key != "text":
            raise ValueError("`ignore` goes with `key: text`")
        known = {*self.columns_of_key(), *self.optional_columns()}
        if unread := sorted(set(self.key_columns) - known):
            read = ", ".join(f"`{one}`" for one in sorted(known))
            raise ValueError(f"`key_columns` has `{unread[0]}`, but this key is read from {read}")
        return self
