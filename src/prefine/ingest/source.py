"""The settings that every source has, whatever its layout."""

import re
from collections.abc import Collection
from io import BytesIO, TextIOWrapper
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field

from prefine.ingest.forms.options import FileOptions
from prefine.schema import ValueType
from prefine.settings import FileSet, Inputs, Name, Part, Pattern, Where
from prefine.settings.json import Json, is_array, is_object

_DIRECTING = ("priority", "weight", "anonymous")
"""Settings that act where pairs are directed, and not where files are read."""


class Kept(Part):
    """A column of the raw rows that is carried along."""

    column: str
    """Dotted path in the row."""
    type: ValueType | None = None
    """``text``, ``number``, ``integer`` or ``truth``; null infers it from the first rows."""


def _named(keep: object) -> object:
    """Read a list of paths, and paths in place of settings."""
    if is_array(keep):
        keep = {str(path): path for path in keep}
    if not is_object(keep):
        return keep
    return {name: {"column": v} if isinstance(v, str) else v for name, v in keep.items()}


def _known_encoding(name: str) -> str:
    try:
        TextIOWrapper(BytesIO(), name)
    except LookupError as error:
        raise ValueError(f"not the name of a text encoding ({error})") from error
    return name


class Source(Part):
    """A set of files of one layout."""

    name: Name
    """Stands in every table and report; rules may group by it."""
    files: Annotated[tuple[str, ...], Where] = Field(min_length=1)
    """Paths or globs relative to the data folder, fsspec URLs, or ``hf://name?split=train``."""
    format: Any = None
    """The layout; null recognises it, and refuses when two fit. Each layout narrows the type."""
    sha256: Annotated[tuple[str, ...], Where] = ()
    """What the files must hash to, in any order; empty accepts any bytes."""
    path_fields: Annotated[Pattern | None, Where] = None
    """A regular expression with named groups, searched in each path: ``annotator``, ``model``,
    ``model_a``, ``model_b``, ``aspect``, ``group`` and ``split`` are used where the row itself says
    nothing."""
    text: Literal["plain", "escaped", "html"] = "plain"
    """``escaped`` undoes HTML entities; ``html`` also turns markup into text."""
    id: str | None = None
    """Dotted path of the user's own id of a row; it stands beside ``pair_id`` in every output."""
    keep: Annotated[
        dict[str, Kept],
        BeforeValidator(_named, json_schema_input_type=list[str] | dict[str, str | Kept]),
    ] = Field(default_factory=dict)
    """Columns that are carried along to facts, explanations and exports, where rules may name them:
    a list of dotted paths, or names with their paths."""
    tools: Literal["refuse", "keep"] = "refuse"
    """``keep`` carries tools (the column ``tools``) and the tool calls of messages to models and to
    targets that can hold them; otherwise rows that have any go to quarantine."""
    ignore: tuple[str, ...] = ()
    """Columns that look like a part of the prompt (``system``, ``context``, ...) and are none."""
    minimum: float | None = None
    """Least rating of the scale; a row with a lower one goes to quarantine."""
    maximum: float | None = None
    """Highest rating of the scale; a row with a higher one goes to quarantine."""
    max_quarantined: Annotated[float, Where] = Field(default=0.5, ge=0, le=1)
    """Largest share of the rows that may go to quarantine before the run stops."""
    priority: int = Field(default=0, ge=-1_000, le=1_000)
    """Of the labels on a pair, only those of the sources of the highest priority direct it."""
    weight: float = Field(default=1.0, ge=1e-6, le=1_000_000)
    """What a label counts in the majority of the labels that direct a pair."""
    anonymous: Literal["one", "several"] = "one"
    """Who gave the labels and ratings that name no annotator: ``one`` rater, whose label counts
    once however often it is repeated, or ``several``, of whom each row is a vote."""
    max_row_bytes: int = Field(default=32 * 2**20, ge=1024)
    """A longer raw row goes to quarantine without being parsed."""
    encoding: Annotated[str, AfterValidator(_known_encoding)] | None = None
    """The encoding of the text files, such as ``windows-1252``; null is UTF-8, or UTF-16 and
    UTF-32 where a byte-order mark says so."""
    delimiter: str | None = Field(default=None, min_length=1, max_length=1, pattern=r'[^"\r\n]')
    """The character between the cells of delimited text; null recognises comma, tab, semicolon and
    vertical bar."""
    rows: str | None = Field(default=None, min_length=1)
    """Dotted key under which the rows of a JSON object stand; null recognises it where one key
    holds rows."""

    @property
    def key(self) -> str:
        """The key of the source's files in ``Inputs``."""
        return f"source {self.name}"

    @property
    def file_options(self) -> FileOptions:
        """What the source states about the form of its files."""
        return FileOptions(self.encoding, self.delimiter, self.rows)

    def path_names(self, group: str) -> bool:
        """Tell whether ``path_fields`` takes a group from the paths of files."""
        return self.path_fields is not None and group in re.compile(self.path_fields).groupindex

    def known_aspects(self) -> Collection[str] | None:
        """Return the aspects that its labels can have; null where the recipe does not show them."""
        return None

    def known_kinds(self) -> Collection[str] | None:
        """Return what rows hold, of ``label``, ``rating``, ``rank``; null where it is unknown."""
        return None

    def file_sets(self) -> tuple[FileSet, ...]:
        """Return all files that the source names, to be looked up when a recipe is resolved."""
        return (FileSet(self.key, self.files, self.path_fields, self.sha256),)

    def identity(self, inputs: Inputs | None = None) -> Json:
        """Return the settings and what identifies the files.

        Args:
            inputs: What the files stand for; without it they stand for nothing.
        """
        return super().identity(inputs) | {"resolved": resolved(self.key, inputs)}

    def reading(self, inputs: Inputs) -> Json:
        """Return the settings that reading the files depends on, and what identifies these."""
        identity = self.identity(inputs)
        return {key: value for key, value in identity.items() if key not in _DIRECTING}

    def pinned(self, inputs: Inputs) -> Self:
        """Return the same settings with the hashes of the files."""
        hashes = tuple(file.sha256 for file in inputs.files.get(self.key, ()))
        return self.model_copy(update={"sha256": hashes})


def resolved(key: str, inputs: Inputs | None) -> list[Json]:
    """Return what identifies the files of a ``FileSet``, by its key."""
    files = () if inputs is None else inputs.files.get(key, ())
    return [file.identity() for file in files]
