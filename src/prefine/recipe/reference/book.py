"""Where each part of a recipe is described, and how its settings are shown."""

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from pydantic_core import PydanticUndefined

from prefine.decide import CHECKS
from prefine.export.targets import TARGETS
from prefine.ingest.layouts import LAYOUTS, Detected
from prefine.measure.kinds import MEASURES
from prefine.recipe.reference.markup import anchor, code, listed, table
from prefine.recipe.schema import named_kinds, parts_by_name, runtime_schema, schema_text
from prefine.settings import Part
from prefine.settings.json import Json, is_array, is_object

_SHOWN = 4
"""Maximum number of members of a union that are listed; longer ones link to the page."""
HEAD = ("setting", "type", "default", "meaning")


_LOW = {"minimum": "≥[", "exclusiveMinimum": ">("}
_HIGH = {"maximum": "≤]", "exclusiveMaximum": "<)"}
"""Keywords of bounds: their sign alone, and their bracket in an interval."""


@cache
def whole_schema() -> Json:
    """Return the JSON schema of a recipe, which callers must not change."""
    return json.loads(schema_text("recipe"))


@cache
def homes() -> Mapping[str, tuple[str, str]]:
    """Return the page and the title under which each definition is described."""
    named = {cls.__name__: name for name, _, cls in named_kinds()}
    found: dict[str, tuple[str, str]] = {}
    roots: Mapping[str, tuple[type[Part], ...]] = {
        "measures.md": MEASURES,
        "rules.md": CHECKS,
        "layouts.md": (Detected, *LAYOUTS),
        "targets.md": TARGETS,
    }
    for page, classes in roots.items():
        found |= {cls.__name__: (page, named[cls.__name__]) for cls in classes}
    definitions = whole_schema()["$defs"]
    for page, start in (("recipe.md", [whole_schema()]), *((p, _of(c)) for p, c in roots.items())):
        for name in _reached(start, found, definitions):
            found[name] = (page, _spaced(name))
    return found


def _of(classes: Iterable[type[Part]]) -> list[Json]:
    return [whole_schema()["$defs"][cls.__name__] for cls in classes]


def _spaced(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", " ", name).capitalize()


def _reached(start: list[Json], known: Collection[str], definitions: Json) -> list[str]:
    """Return the definitions that some values refer to, directly or indirectly, in order."""
    found: list[str] = []
    waiting = [{"properties": one["properties"]} for one in start]
    while waiting:
        for name in _references(waiting.pop(0)):
            if name not in known and name not in found:
                found.append(name)
                waiting.append(definitions[name])
    return found


def _references(value: Any) -> Iterator[str]:
    if is_array(value):
        for item in value:
            yield from _references(item)
    elif is_object(value):
        name = str(value.get("$ref", "")).rpartition("/")[2]
        if name in whole_schema()["$defs"]:
            yield name
        for key, item in value.items():
            if key != "discriminator":
                yield from _references(item)


def parts_of(page: str) -> list[str]:
    """Return the definitions of a page that are not kinds."""
    kinds = {cls.__name__ for _, _, cls in named_kinds()}
    return [name for name, (home, _) in homes().items() if home == page and name not in kinds]


def part_section(name: str, page: str) -> str:
    """Return the section on a part: what it is, and its settings."""
    definition = whole_schema()["$defs"][name]
    title = homes()[name][1]
    settings = settings_table(parts_by_name()[name], page)
    return f"### {title}\n\n{definition.get('description', '')}\n\n{settings}"


def settings_table(cls: type[Part], page: str, leave: Collection[str] = ()) -> str:
    """Return the table of a part's settings.

    Args:
        cls: The part; ``Recipe`` for the top level.
        page: The page of the table.
        leave: Settings to omit.
    """
    schema = whole_schema()
    top = {"Recipe": schema, "Runtime": runtime_schema()}
    definition = top.get(cls.__name__) or schema["$defs"][cls.__name__]
    by_key = {field.alias or name: field for name, field in cls.model_fields.items()}
    rows = [
        (
            code(key),
            type_text(_resolved(setting), page),
            _default(by_key[key]),
            _resolved(setting).get("description", ""),
        )
        for key, setting in definition["properties"].items()
        if key not in leave
    ]
    return table(HEAD, rows) if rows else ""


def _resolved(setting: Json) -> Json:
    """Follow a reference to a setting of another definition."""
    reference = str(setting.get("$ref", ""))
    if "/properties/" not in reference:
        return setting
    _, _, name, _, key = reference.split("/")
    return whole_schema()["$defs"][name]["properties"][key]


def _default(field: Any) -> str:
    if field.is_required():
        return "required"
    value = field.default
    if value is PydanticUndefined:
        value = field.default_factory()
    if isinstance(value, Part):
        value = value.model_dump(mode="json", exclude_defaults=True)
        return code(_flow(value)) if value else "its defaults"
    return code(_flow(value))


def _flow(value: Any) -> str:
    """Return a value as YAML writes it on one line."""
    if isinstance(value, tuple | list):
        return f"[{', '.join(_flow(item) for item in value)}]"  # pyright: ignore[reportUnknownVariableType]
    if is_object(value):
        return f"{{{', '.join(f'{key}: {_flow(item)}' for key, item in value.items())}}}"
    if isinstance(value, str) and re.fullmatch(r"[\w./-]+", value):
        return value
    return json.dumps(value, ensure_ascii=False)


def type_text(setting: Json, page: str) -> str:
    """Return the type of a setting in words, with its range; parts are linked."""
    if "$ref" in setting:
        return _link(setting["$ref"].rpartition("/")[2], page)
    if "const" in setting:
        return code(_flow(setting["const"]))
    if "enum" in setting:
        return listed(_flow(value) for value in setting["enum"])
    for union in ("anyOf", "oneOf"):
        if union in setting:
            return _union(setting[union], page)
    return _plain(setting, page)


def _union(options: list[Json], page: str) -> str:
    shown = [type_text(one, page) for one in options if one.get("type") != "null"]
    if len(shown) > _SHOWN:
        places = {homes()[name][0] for one in options for name in _references(one)}
        shown = [f"[{place.removesuffix('.md')}]({place})" for place in sorted(places)]
    return " or ".join(dict.fromkeys(shown))


def _plain(setting: Json, page: str) -> str:
    kind = setting.get("type")
    if kind == "array":
        return f"list of {type_text(setting.get('items', {}), page)}"
    if kind == "object":
        values = setting.get("additionalProperties")
        return f"mapping to {type_text(values, page)}" if is_object(values) else "mapping"
    names = {"string": "text", "boolean": "`true` or `false`", "null": "`null`"}
    if setting.get("pattern", "") == whole_schema()["properties"]["name"]["pattern"]:
        return "name"
    return names.get(str(kind), str(kind or "any value")) + _range(setting)


def _range(setting: Json) -> str:
    """Return the range of a number; interval notation where both ends are given."""
    low = [(sign, setting[key]) for key, sign in _LOW.items() if key in setting]
    high = [(sign, setting[key]) for key, sign in _HIGH.items() if key in setting]
    if low and high:
        return f" in {low[0][0][1]}{low[0][1]:g}, {high[0][1]:g}{high[0][0][1]}"
    bounds = [f" {sign[0]} {value:,}" for sign, value in (*low, *high)]
    return bounds[0] if bounds else ""


def _link(name: str, page: str) -> str:
    home, title = homes()[name]
    return f"[{title}]({'' if home == page else home}#{anchor(title)})"
