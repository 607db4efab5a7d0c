"""Convert validation errors into problems with their locations in the YAML."""

import re
from typing import Any

from pydantic import ValidationError

from prefine.recipe.keys import unknown_key
from prefine.settings import Location, Problem
from prefine.settings.json import is_array, is_object
from prefine.settings.mistakes import Item, sentence_of

_MEANT = re.compile("did you mean `([^`]+)`")


def problems_in(raw: dict[str, Any], error: ValidationError) -> list[Problem]:
    """Return one problem for each invalid location.

    A setting that may be of several types has one error for each of them; they become one
    sentence. Locations that enclose a mistake are not reported separately.

    Args:
        raw: The recipe as parsed.
        error: The validation error.
    """
    found: dict[Location, list[Item]] = {}
    for item in error.errors(include_url=False):
        found.setdefault(_yaml_path(raw, item), []).append(item)
    problems = [
        (path, _sentence(raw, path, items))
        for path, items in found.items()
        if not any(other[: len(path)] == path != other for other in found)
    ]
    # a required key that is misspelt is one mistake
    meant = {
        (*path[:-1], match[1])
        for path, text in problems
        if text.startswith("unknown key") and (match := _MEANT.search(text))
    }
    return [
        (path, text)
        for path, text in problems
        if path not in meant or found[path][0]["type"] != "missing"
    ]


def unknown_keys(raw: dict[str, Any], error: ValidationError) -> set[Location]:
    """Return the locations of unknown keys."""
    items = error.errors(include_url=False)
    return {_yaml_path(raw, one) for one in items if one["type"] == "extra_forbidden"}


def _sentence(raw: object, path: Location, items: list[Item]) -> str:
    if any(item["type"] == "extra_forbidden" for item in items):
        return unknown_key(raw, path)
    return sentence_of(items)


def _yaml_path(raw: object, item: Item) -> Location:
    """Return the location of an error in the YAML, without the tags of unions."""
    path: list[str | int] = []
    location: tuple[str | int, ...] = item["loc"]
    for number, part in enumerate(location):
        is_value = raw is item.get("input") and (is_object(raw) or is_array(raw))
        if is_value and item["type"] != "missing":
            break  # the rest are types of a union
        is_absent = item["type"] == "missing" and number == len(location) - 1
        if is_object(raw) and (part in raw or is_absent):
            raw = raw.get(str(part))
        elif is_array(raw) and isinstance(part, int) and part < len(raw):
            raw = raw[part]
        else:
            continue
        path.append(part)
    if item["type"] == "union_tag_invalid":
        path.append(item["ctx"]["discriminator"].strip("'"))
    return tuple(path)
