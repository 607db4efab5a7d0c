"""What came out of a JSON or YAML parser, with enough typing to walk it safely.

What comes in: parsed values. What goes out: narrowed values. What never happens: a conversion.
"""

from typing import Any, TypeGuard

Json = dict[str, Any]
"""A parsed object."""


def is_object(value: object) -> TypeGuard[Json]:
    """Tell whether a parsed value is an object."""
    return isinstance(value, dict)


def is_array(value: object) -> TypeGuard[list[Any]]:
    """Tell whether a parsed value is an array."""
    return isinstance(value, list)
