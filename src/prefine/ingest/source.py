"""The settings that sources of all layouts share."""

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
"""Settings that affect how pairs are directed, but not how files are read."""


class Kept(Part):
    """A column of the source rows that is copied to the outputs."""

    column: str
    """Dotted path of the column in the source row."""
    type: ValueType | None = None
    """``text``, ``number``, ``integer`` or ``truth`` (boolean); null infers the type from the first
    rows."""


def _expand_shorthand(keep: object) -> object:
    """Expand a list of paths, or a mapping of names to paths, to a mapping of names to settings."""
    if is_array(keep):
        keep = {str(path): path for path in keep}
    if not is_object(keep):
        return keep
    return {name: {"column": v} if isinstance(v, str) else v for name, v in keep.items()}


def _require_known_encoding(name: str) -> str:
    """Refuse a name that is not a text encoding of Python."""
    try:
        TextIOWrapper(BytesIO(), name)
    except LookupError as error:
        raise ValueError(
            f"not a text encoding of Python ({error}); use a name such as windows-1252"
        ) from error
    return name


class Source(Part):
    """A set of files with the same layout."""

    name: Name
    """Name of the source, shown in every table and report; rules can group by it."""
    files: Annotated[tuple[str, ...], Where] = Field(min_length=1)
    """Paths or globs relative to the data folder, fsspec URLs, or ``hf://name?split=train``."""
    format: Any = None
    """Layout of the rows; null detects it and fails if two layouts fit."""
    sha256: Annotated[tuple[str, ...], Where] = ()
    """Expected SHA-256 of the files, in any order; empty accepts any content."""
    path_fields: Annotated[Pattern | None, Where] = None
    """Regular expression that is searched in each file path. The named groups ``annotator``,
    ``model``, ``model_a``, ``model_b``, ``aspect``, ``group`` and ``split`` fill in values that the
    row itself does not have."""
    text: Literal["plain", "escaped", "html"] = "plain"
    """How text is decoded: ``plain`` leaves it unchanged, ``escaped`` decodes HTML entities,
    ``html`` also removes markup."""
    id: str | None = None
    """Dotted path of your own id of the row; outputs contain it as ``own_id``."""
    keep: Annotated[
        dict[str, Kept],
        BeforeValidator(
            _expand_shorthand, json_schema_input_type=list[str] | dict[str, str | Kept]
        ),
    ] = Field(default_factory=dict)
    """Columns that are copied to facts, explanations and exports, and that rules can use: a list of
    dotted paths, or a mapping of names to paths."""
    tools: Literal["refuse", "keep"] = "refuse"
    """``keep`` passes tool definitions (the column ``tools``) and tool calls on to models and
    export targets that support them; ``refuse`` sends rows that have any to quarantine."""
    ignore: tuple[str, ...] = ()
    """Columns that look like a part of the prompt (``system``, ``context``, ...) but are not."""
    minimum: float | None = None
    """Minimum of the rating scale; a row with a lower rating goes to quarantine."""
    maximum: float | None = None
    """Maximum of the rating scale; a row with a higher rating goes to quarantine."""
    max_quarantined: Annotated[float, Where] = Field(default=0.5, ge=0, le=1)
    """Maximum fraction of the rows that may go to quarantine before the run stops."""
    priority: int = Field(default=0, ge=-1_000, le=1_000)
    """Priority of the source's labels: only those with the highest priority on a pair are used."""
    weight: float = Field(default=1.0, ge=1e-6, le=1_000_000)
    """Weight of each label in the majority vote that determines the direction of a pair."""
    anonymous: Literal["one", "several"] = "one"
    """Who gave the labels and ratings without an annotator: ``one`` annotator, whose repeated label
    counts once, or ``several`` annotators, so that each row is a separate vote."""
    max_row_bytes: int = Field(default=32 * 2**20, ge=1024)
    """Maximum size of a row in bytes; a longer row goes to quarantine without being parsed."""
    encoding: Annotated[str, AfterValidator(_require_known_encoding)] | None = None
    """Encoding of text files, such as ``windows-1252``; null means UTF-8, or UTF-16 or UTF-32 if
    there is a byte-order mark."""
    delimiter: str | None = Field(default=None, min_length=1, max_length=1, pattern=r'[^"\r\n]')
    """Character between the cells of delimited text; null detects comma, tab, semicolon or vertical
    bar."""
    rows: str | None = Field(default=None, min_length=1)
    """Dotted key of the list of rows in a JSON object; null detects it if exactly one key holds
    rows."""

    @property
    def key(self) -> str:
        """Key of the source's files in ``Inputs``."""
        return f"source {self.name}"

    @property
    def file_options(self) -> FileOptions:
        """The options for decoding the source's files."""
        return FileOptions(self.encoding, self.delimiter, self.rows)

    def path_names(self, group: str) -> bool:
        """Return whether ``path_fields`` has the named group."""
        return self.path_fields is not None and group in re.compile(self.path_fields).groupindex

    def known_aspects(self) -> Collection[str] | None:
        """Return the aspects that the labels can have, or None if only the rows contain them."""
        return None

    def known_kinds(self) -> Collection[str] | None:
        """Return the kinds of judgement (``label``, ``rating``, ``rank``), or None if unknown."""
        return None

    def file_sets(self) -> tuple[FileSet, ...]:
        """Return all file sets of the source, which are looked up when a recipe is resolved."""
        return (FileSet(self.key, self.files, self.path_fields, self.sha256),)

    def identity(self, inputs: Inputs | None = None) -> Json:
        """Return the settings and the identity of the files, for the fingerprint.

        Args:
            inputs: The resolved files; None leaves the files out.
        """
        return super().identity(inputs) | {"resolved": resolved(self.key, inputs)}

    def reading(self, inputs: Inputs) -> Json:
        """Return the part of the identity that affects how the files are read."""
        identity = self.identity(inputs)
        return {key: value for key, value in identity.items() if key not in _DIRECTING}

    def pinned(self, inputs: Inputs) -> Self:
        """Return a copy of the settings with the hashes of the resolved files."""
        hashes = tuple(file.sha256 for file in inputs.files.get(self.key, ()))
        return self.model_copy(update={"sha256": hashes})


def resolved(key: str, inputs: Inputs | None) -> list[Json]:
    """Return the identity of each file of the ``FileSet`` with this key."""
    files = () if inputs is None else inputs.files.get(key, ())
    return [file.identity() for file in files]
