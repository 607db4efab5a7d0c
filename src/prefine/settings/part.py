"""Settings: frozen, strictly typed, with an identity: the values that change the output.

A recipe names files and models. When the recipe is resolved, their hashes and digests (``Inputs``)
replace the names in the identity of a part.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, NamedTuple, Self, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema

from prefine.settings.json import Json, is_object

Where = Field(json_schema_extra={"where": True})
"""Mark a field with the location of something; it is not part of the identity."""

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]
"""A name that can become a column, a folder or a reason: lower case, digits and underscores."""

Location = tuple[str | int, ...]
"""A path in the YAML of a recipe."""

Problem = tuple[Location, str]
"""What is wrong in a recipe, and where."""


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"not a regular expression ({error})") from error
    return pattern


Pattern = Annotated[str, AfterValidator(_compiles)]
"""A regular expression."""


_STRICT = frozenset({"int", "float", "bool"})
"""The types of a pydantic schema for which another type is not converted."""


def _make_strict(schema: object) -> None:
    """Change a pydantic schema: numbers and truth values are not converted from other types."""
    if isinstance(schema, list):
        for item in cast("list[object]", schema):
            _make_strict(item)
    elif is_object(schema):
        kind = schema.get("type")  # a setting may have the name `type`
        if isinstance(kind, str) and kind in _STRICT:
            schema["strict"] = True
        for key, value in schema.items():
            if key not in {"metadata", "default"}:
                _make_strict(value)


class Part(BaseModel):
    """A frozen part of a recipe that rejects unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    reads_text: ClassVar[bool] = False
    """Whether numbers and truth values may be given as text, as on the command line."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Reject text and booleans where a number is expected."""
        schema = handler(source)
        if not cls.reads_text:
            _make_strict(handler.resolve_ref_schema(schema))
        return schema

    def identity(self, inputs: "Inputs | None" = None) -> Json:
        """Return what changes the bytes of an output, as plain JSON values.

        Args:
            inputs: Resolved files and models; without it their names have no identity.

        Returns:
            Every field that is not marked ``Where``, nested parts reduced in the same way.
        """
        return {
            name: _plain(getattr(self, name), inputs)
            for name, field in type(self).model_fields.items()
            if not unlocated(field.json_schema_extra)
        }

    def pinned(self, inputs: "Inputs") -> Self:
        """Return the same settings with the hashes of files and models.

        Args:
            inputs: Resolved files and models.
        """
        held = {name: getattr(self, name) for name in type(self).model_fields}
        return self.model_copy(
            update={name: _pinned(value, inputs) for name, value in held.items()}
        )


def walk(value: object) -> Iterator[Part]:
    """Yield a part and all parts within it."""
    if isinstance(value, Part):
        yield value
        for name in type(value).model_fields:
            yield from walk(getattr(value, name))
    elif isinstance(value, tuple):
        for item in cast("Sequence[object]", value):
            yield from walk(item)
    elif is_object(value):
        yield from walk(tuple(value.values()))


def _pinned(value: object, inputs: "Inputs") -> object:
    if isinstance(value, Part):
        return value.pinned(inputs)
    if isinstance(value, tuple):
        return tuple(_pinned(item, inputs) for item in cast("Sequence[object]", value))
    if is_object(value):
        return {key: _pinned(item, inputs) for key, item in value.items()}
    return value


def unlocated(extra: object) -> bool:
    """Return whether a field is marked ``Where``, from its extra JSON schema."""
    return isinstance(extra, dict) and "where" in extra


def _plain(value: object, inputs: "Inputs | None") -> object:
    if isinstance(value, Part):
        return value.identity(inputs)
    if isinstance(value, tuple):
        return [_plain(item, inputs) for item in cast("Sequence[object]", value)]
    if is_object(value):
        return {key: _plain(item, inputs) for key, item in value.items()}
    return value


class File(Part):
    """One file, as found when a recipe is resolved."""

    path: Annotated[str, Where]
    """Path relative to the data folder, absolute path, or URL."""
    sha256: str
    """SHA-256 of the stored bytes, which identifies the file."""
    num_bytes: Annotated[int, Where]
    fields: dict[str, str] = Field(default_factory=dict)
    """Values that ``path_fields`` extracted from the path."""
    format: str | None = None
    """The layout that was recognised, if the source names none."""
    reason: Annotated[str | None, Where] = None
    """Why it was recognised."""


class FileSet(NamedTuple):
    """Files that a part of a recipe names."""

    key: str
    """What the files belong to, such as ``source hh``; their key in ``Inputs``."""
    patterns: tuple[str, ...]
    """Paths, globs, URLs."""
    path_fields: str | None = None
    """A regular expression with named groups, searched in each path."""
    sha256: tuple[str, ...] = ()
    """Expected hashes of the files, in any order; empty accepts any bytes."""


class Model(Part):
    """A model or a tokenizer, as found when a recipe is resolved."""

    model: str
    """A folder, an installed package with a ``model`` folder, or a hub name."""
    revision: str | None = None
    """A hub revision; a folder needs none."""
    digest: str | None = None
    """SHA-256 over the names and bytes of a folder's files; null for a hub name."""

    def __hash__(self) -> int:
        return hash((self.model, self.revision, self.digest))

    def identity(self, inputs: "Inputs | None" = None) -> Json:
        """Return only the digest if there is one: equal bytes are the same model."""
        return {"digest": self.digest} if self.digest else super().identity(inputs)


class Inputs(NamedTuple):
    """Resolved files and models of a recipe, with their hashes and digests."""

    files: Mapping[str, tuple[File, ...]] = {}
    """By the key of a ``FileSet``."""
    models: Mapping[str, Model] = {}
    """By the key of a ``Weights``."""
