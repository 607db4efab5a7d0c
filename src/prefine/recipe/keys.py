"""The keys of each part of a recipe, and where a misplaced key belongs."""

from collections.abc import Iterable, Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from prefine.decide import Rule, kinds_with
from prefine.recipe.recipe import Recipe
from prefine.settings import Location, Part
from prefine.settings.json import is_array, is_object
from prefine.settings.names import listed, nearest

_TAGS = ("kind", "format")
"""Keys whose value names the kind of a part."""
_MAX_PLACES = 4


def unknown_key(raw: object, path: Location) -> str:
    """Return the message about a key that its part does not have.

    Args:
        raw: The recipe as parsed.
        path: The location of the key.
    """
    key = str(path[-1])
    owners = _owners(raw, path)
    if path[0] == "rules" and len(path) == _LENGTH_IN_RULE and (kinds := kinds_with(key)):
        named = ", ".join(f"`{kind}`" for kind in kinds)
        own = f"; this rule is of the kind `{_test(owners)}`" if len(owners) == 1 else ""
        return f"`{key}` is a key of {named} only{own}"
    known = list(dict.fromkeys(name for cls in owners for name in keys_of(cls)))
    close = nearest(key, known)
    if close is not None:
        return f"unknown key `{key}`; did you mean `{close}`?"
    places = list(dict.fromkeys((*_within(owners, key), *_elsewhere(key, path))))
    if places:
        return f"unknown key `{key}` here; it is a key of {_joined(places)}: move it there"
    kinds = list(dict.fromkeys(_other_kinds(key, path)))
    if kinds:
        return f"`{key}` is a key of {_joined(kinds)} only"
    return f"unknown key `{key}`; the keys here are: {listed(known)}"


_LENGTH_IN_RULE = 3
"""Length of the path to a key of a rule."""


def keys_of(cls: type[Part]) -> list[str]:
    """Return the keys of a part as a recipe writes them."""
    return [field.alias or name for name, field in cls.model_fields.items()]


def parts_in(annotation: Any) -> list[type[Part]]:
    """Return the parts that a setting of a type holds: alone, or in a list or a mapping."""
    if isinstance(annotation, type) and issubclass(annotation, Part):
        return [annotation]
    if get_origin(annotation) is Literal:
        return []
    inner = get_args(annotation)
    inner = inner[:1] if get_origin(annotation) is Annotated else inner
    return [part for arg in inner if arg is not ... for part in parts_in(arg)]


def _test(owners: list[type[Part]]) -> str:
    return getattr(owners[0], "test", owners[0].__name__)


def _joined(places: list[str]) -> str:
    shown = places[:_MAX_PLACES]
    return ", ".join(shown[:-1]) + (" or " if len(shown) > 1 else "") + shown[-1]


def _owners(raw: object, path: Location) -> list[type[Part]]:
    """Return the parts that may hold the last key of a path."""
    annotations: list[Any] = [Recipe]
    value = raw
    for part in path[:-1]:
        annotations = list(_behind(annotations, part, value))
        if is_object(value):
            value = value.get(str(part))
        elif is_array(value) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            value = None
    return _fitting(annotations, value)


def _behind(annotations: Iterable[Any], part: str | int, value: object) -> Iterator[Any]:
    """Yield the types of the values that one element of a path leads to."""
    kept = list(annotations)
    for cls in _fitting(kept, value):
        for name, field in cls.model_fields.items():
            if part in {name, field.alias}:
                yield field.annotation
    for annotation in _flat(kept):
        origin, inner = get_origin(annotation), get_args(annotation)
        if origin in {tuple, list} and isinstance(part, int):
            yield inner[0]
        elif origin is dict:
            yield inner[1]


def _flat(annotations: Iterable[Any]) -> Iterator[Any]:
    """Yield types; unions and annotations are split into their members."""
    for annotation in annotations:
        origin = get_origin(annotation)
        if origin is Annotated:
            yield from _flat(get_args(annotation)[:1])
        elif origin in {Union, UnionType}:
            yield from _flat(get_args(annotation))
        elif annotation is not NoneType:
            yield annotation


def _fitting(annotations: Iterable[Any], value: object) -> list[type[Part]]:
    """Return the parts among some types; only the named kind if a mapping names one."""
    parts = [one for one in _flat(annotations) if isinstance(one, type) and issubclass(one, Part)]
    if len(parts) < 2 or not is_object(value):  # noqa: PLR2004 - nothing to choose from
        return parts
    return [cls for cls in parts if _is_meant(cls, value)] or parts


def _is_meant(cls: type[Part], value: dict[str, Any]) -> bool:
    if issubclass(cls, Rule):
        return any(value.get(key) is not None for key in cls.keys)
    for tag in _TAGS:
        if tag in cls.model_fields:
            names = get_args(cls.model_fields[tag].annotation) or (None,)
            return value.get(tag) in names
    return False


def _within(owners: list[type[Part]], key: str) -> Iterator[str]:
    """Yield the settings of a part that hold a part with a key of this name."""
    for cls in owners if len(owners) == 1 else ():
        for name, field in cls.model_fields.items():
            if any(key in keys_of(part) for part in parts_in(field.annotation)):
                yield f"`{field.alias or name}`"


def _elsewhere(key: str, path: Location) -> Iterator[str]:
    """Yield the other sections of a recipe that have a key of this name."""
    if key in Recipe.model_fields:
        yield "the recipe itself"
    for section, field in Recipe.model_fields.items():
        parts = parts_in(field.annotation)
        having = [cls for cls in parts if key in keys_of(cls)]
        if not having or section == path[0]:
            continue
        if len(having) == len(parts):
            yield f"`{section}`" if len(parts) == 1 else f"each of `{section}`"
        else:
            yield from (_kind(cls, section) for cls in having)


def _other_kinds(key: str, path: Location) -> Iterator[str]:
    """Yield the kinds of a section that have a key of this name, directly or in a nested part."""
    section = str(path[0])
    if section not in Recipe.model_fields:
        return
    parts = parts_in(Recipe.model_fields[section].annotation)
    yield from (_kind(cls, section) for cls in parts if key in keys_of(cls))
    for cls in parts:
        yield from (f"{name} of {_kind(cls, section)}" for name in _within([cls], key))


def _kind(cls: type[Part], section: str) -> str:
    if issubclass(cls, Rule):
        return f"rules of the kind `{cls.test}`"
    for tag in _TAGS:
        if tag in cls.model_fields:
            name = (get_args(cls.model_fields[tag].annotation) or ("none",))[0]
            return f"the {section.removesuffix('s')} with `{tag}: {name}`"
    return f"`{section}`"
