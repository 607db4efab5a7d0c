"""The JSON schema of a recipe and of the runtime, for editors and for the reference.

Editors that read YAML schemas choose among the kinds of a list item by a property with one
possible value, so every kind states it: ``kind`` of a measure or a target, ``format`` of a source.
A rule has none; its kinds differ by the keys that each requires.
"""

import inspect
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from prefine.decide import CHECKS
from prefine.export.targets import TARGETS
from prefine.ingest.layouts import LAYOUTS, Detected, format_of
from prefine.measure.kinds import MEASURES
from prefine.recipe.recipe import Recipe
from prefine.settings import Part, Runtime
from prefine.settings.docs import sentences
from prefine.settings.json import Json, is_array, is_object

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_TOPMOST = {"recipe": Recipe, "runtime": Runtime}
_DROPPED = ("where", "discriminator")
"""Keywords that are not part of JSON Schema."""


@cache
def schema_text(name: str) -> str:
    """Return a JSON schema as text.

    Args:
        name: ``recipe`` or ``runtime``.
    """
    found = recipe_schema() if name == "recipe" else runtime_schema()
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def recipe_schema() -> Json:
    """Return the JSON schema (draft 2020-12) of a recipe, the kinds of plug-ins included."""
    schema = _schema_of("recipe")
    definitions = schema["$defs"]
    for name, kind, cls in named_kinds():
        definition = definitions[cls.__name__]
        definition["title"] = name
        if kind in definition["properties"]:
            definition["properties"][kind]["description"] = markdown(_first(cls))
    for check in CHECKS:
        if len(check.keys) > 1:  # a single one is required anyway
            definitions[check.__name__]["anyOf"] = [{"required": [key]} for key in check.keys]
    for layout in LAYOUTS:
        _refer(definitions[layout.__name__]["properties"], definitions[Detected.__name__])
    return schema


def runtime_schema() -> Json:
    """Return the JSON schema (draft 2020-12) of the runtime settings."""
    return _schema_of("runtime")


def named_kinds() -> Iterator[tuple[str, str, type[Part]]]:
    """Yield each kind of a recipe: its name, the key that names it, and its class."""
    yield from ((measure.kind_name(), "kind", measure) for measure in MEASURES)
    yield from ((target.kind_name(), "kind", target) for target in TARGETS)
    yield from ((format_of(layout), "format", layout) for layout in LAYOUTS)
    yield "recognised layout", "format", Detected
    yield from ((check.test, "test", check) for check in CHECKS)


def markdown(docstring: str) -> str:
    """Return a docstring as Markdown: one line for each paragraph, code between single ticks."""
    paragraphs = re.split(r"\n\s*\n", inspect.cleandoc(docstring))
    return "\n\n".join(" ".join(text.split()) for text in paragraphs).replace("``", "`")


def about(cls: type) -> str:
    """Return the docstring of a class as Markdown; empty where it has none of its own."""
    return markdown(vars(cls).get("__doc__") or "")


def _first(cls: type) -> str:
    return about(cls).partition("\n\n")[0]


def _schema_of(name: str) -> Json:
    top = _TOPMOST[name]
    found = top.model_json_schema()
    _drop(found)
    definitions: Json = found.get("$defs", {})
    known = parts_by_name()
    _describe(found, top)
    for part in definitions.keys() & known.keys():
        _describe(definitions[part], known[part])
    return {"$schema": DIALECT, **found, "title": f"prefine {name}"}


def parts_by_name() -> Mapping[str, type[Part]]:
    """Return every part of a recipe by the name of its class, as the schema defines it."""
    found: dict[str, type[Part]] = {cls.__name__: cls for _, _, cls in named_kinds()}
    packages = {_package(cls) for cls in found.values()}
    waiting: list[type[Part]] = [Part]
    while waiting:
        cls = waiting.pop()
        if _package(cls) in packages:
            found.setdefault(cls.__name__, cls)
        waiting += cls.__subclasses__()
    return found


def _package(cls: type) -> str:
    return cls.__module__.partition(".")[0]


def _describe(definition: Json, cls: type[Part]) -> None:
    """Add the docstring of each setting of a part, and clean its schema."""
    settings: Json = definition["properties"]
    for name, sentence in sentences(cls).items():
        key = cls.model_fields[name].alias or name
        settings[key] = {"description": sentence, **settings[key]}
    _clean(definition)


def _clean(definition: Json) -> None:
    """Adapt an object's schema to editors: prose as Markdown, no empty descriptions."""
    if "description" in definition:
        definition["description"] = markdown(definition["description"])
    for setting in definition.get("properties", {}).values():
        setting.pop("title", None)
        if "description" in setting:
            setting["description"] = markdown(setting["description"])
        if is_object(setting.get("default")):
            del setting["default"]  # an editor would insert all of it


def _refer(settings: Json, shared: Json) -> None:
    """Refer to the settings that every source has, instead of repeating them for each layout."""
    for key, setting in settings.items():
        if shared["properties"].get(key) == setting:
            settings[key] = {"$ref": f"#/$defs/{Detected.__name__}/properties/{key}"}


def _drop(value: Any) -> None:
    """Remove keywords that are not part of JSON Schema, at any depth."""
    if is_array(value):
        for item in value:
            _drop(item)
    elif is_object(value):
        names = value.get("properties", {})
        for item in (*names.values(), *(v for k, v in value.items() if k != "properties")):
            _drop(item)
        for keyword in _DROPPED:
            value.pop(keyword, None)
