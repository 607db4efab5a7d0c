"""Parse tools and tool calls; tables hold both as JSON text with the keys in source order."""

from typing import Any

import orjson

from prefine.ingest.literals import as_list, parsed_text
from prefine.ingest.record import Reason, RowError
from prefine.ingest.values import text, type_name
from prefine.settings.json import Json, is_array, is_object

_MISSING = ("", "null", "none", "nan")
_FORM = "{id, type: function, function: {name, arguments}}"


def tools_of(value: object, what: str) -> str | None:
    """Parse a list of tool definitions (JSON schemas), which may be written as JSON text.

    Args:
        value: The raw value.
        what: Name of the value for messages.

    Returns:
        The list as JSON text, or None if there is no tool.

    Raises:
        RowError: The value is not a list of objects.
    """
    listed = _listed(value)
    if listed is None:
        return None
    tools = [parsed_text(tool) if isinstance(tool, str) else tool for tool in listed]
    if not all(is_object(tool) for tool in tools):
        detail = f"`{what}` is {type_name(value)}, not a list of JSON objects (tool definitions)"
        raise RowError(Reason.PROMPT_PART_UNREAD, detail)
    return _dumped(tools, what)


def calls_of(value: object, what: str) -> str | None:
    """Parse the tool calls of a message, which may be written as JSON text.

    Args:
        value: The raw value.
        what: Name of the value for messages.

    Returns:
        The list as JSON text, with the arguments of each call as a string; None if there is no
        call.

    Raises:
        RowError: A call does not have OpenAI's form.
    """
    listed = _listed(value)
    if listed is None:
        return None
    return _dumped([_call(call, f"{what}[{index}]") for index, call in enumerate(listed)], what)


def _listed(value: object) -> list[Any] | None:
    """Return the items of a list, which may be written as text, or None for a missing value."""
    if isinstance(value, str | float) and str(value).strip().lower() in _MISSING:
        return None
    held = as_list(value)
    if is_array(held):
        return held or None
    return [value] if value else None


def _call(value: object, what: str) -> Json:
    call = parsed_text(value) if isinstance(value, str) else value
    if not is_object(call) or not is_object(call.get("function")):
        raise _unknown_form(what)
    function = call["function"]
    name, arguments = function.get("name"), function.get("arguments")
    if _others(call, "id", "type", "function") or _others(function, "name", "arguments"):
        raise _unknown_form(what)
    if call.get("type") not in (None, "function") or not name:
        raise _unknown_form(what)
    if not isinstance(arguments, str):
        if arguments is not None and not is_object(arguments):
            raise _unknown_form(what)
        arguments = _dumped(arguments or {}, what)
    shared = {key: text(call[key], what) for key in ("id", "type") if call.get(key) is not None}
    return {**shared, "function": {"name": text(name, what), "arguments": arguments}}


def _others(value: Json, *known: str) -> bool:
    return any(item is not None for key, item in value.items() if key not in known)


def _unknown_form(what: str) -> RowError:
    return RowError(Reason.NOT_TEXT_CONTENT, f"`{what}` is not a call of the form {_FORM}")


def _dumped(value: object, what: str) -> str:
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError as error:
        detail = f"`{what}` cannot be written as JSON: {error}"
        raise RowError(Reason.NOT_TEXT_CONTENT, detail) from None
