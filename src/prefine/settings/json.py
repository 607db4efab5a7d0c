"""Parsed JSON or YAML values, with enough typing to walk them safely."""

from typing import Any, TypeGuard

Json = dict[str, Any]
"""A parsed object."""


def is_object(value: object) -> TypeGuard[Json]:
    """Return whether a parsed value is an object."""
    return isinstance(value, dict)


def is_array(value: object) -> TypeGuard[list[Any]]:
    """Return whether a parsed value is an array."""
    return isinstance(value, list)
