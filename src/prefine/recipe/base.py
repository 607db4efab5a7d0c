"""What every part of a recipe shares: frozen, strict, and able to name its identity.

What comes in: values from YAML. What goes out: the part of them that changes bytes. What never
happens: a location (path, URL, device) in an identity.
"""

from collections.abc import Sequence
from typing import Annotated, cast

from pydantic import BaseModel, ConfigDict, Field

from prefine.schema.json import Json, is_object

Where = Field(json_schema_extra={"where": True})
"""Mark a field that says where something lies; it is left out of the identity."""

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]
"""A name that may become a column, a folder or a reason: lower case, digits and underscores."""


class Part(BaseModel):
    """A frozen piece of a recipe that refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def identity(self) -> Json:
        """Return what changes the bytes of an output, as plain JSON values.

        Returns:
            Every field that is not marked ``Where``, nested parts reduced in the same way.
        """
        return {
            name: _plain(getattr(self, name))
            for name, field in type(self).model_fields.items()
            if not _is_where(field.json_schema_extra)
        }


def _is_where(extra: object) -> bool:
    return isinstance(extra, dict) and "where" in extra


def _plain(value: object) -> object:
    if isinstance(value, Part):
        return value.identity()
    if isinstance(value, tuple):
        return [_plain(item) for item in cast("Sequence[object]", value)]
    if is_object(value):
        return {key: _plain(item) for key, item in value.items()}
    return value
