"""Registry of kinds: classes of the package and of installed plug-ins.

A plug-in is a distribution with an entry point in ``prefine.measures``, ``prefine.layouts`` or
``prefine.targets``. Every process looks entry points up itself, so a worker uses what is installed
on its machine.
"""

import re
from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

from prefine.errors import RecipeError
from prefine.settings.json import Json

T = TypeVar("T")

ORIGIN = "@distribution"
"""The key of a distribution in a fingerprint; no setting can have this name."""

_ORIGINS: dict[type, Json] = {}


def registered(
    group: str, base: type[T], built_in: Sequence[type[T]], name_of: Callable[[type[T]], str]
) -> tuple[type[T], ...]:
    """Return the classes of a group: built-in ones, then those of plug-ins.

    Args:
        group: The group of entry points.
        base: The base class of all.
        built_in: The classes of the package.
        name_of: Returns the name of a class in a recipe.

    Raises:
        RecipeError: An entry point cannot be loaded, is not a complete subclass, does not state its
            version or its name, or has the name of another class.
    """
    found = {name_of(cls): cls for cls in built_in}
    assert len(found) == len(built_in), f"two classes of {group} have one name"
    for point in sorted(entry_points(group=group), key=lambda p: (p.name, p.value)):
        where = f"entry point `{point.name}` of {group} ({_distribution(point)})"
        cls = _loaded(point, base, where)
        name = _name(cls, name_of, where)
        if name in found:
            owner = _ORIGINS.get(found[name], {ORIGIN: "prefine"})[ORIGIN]
            raise RecipeError(f"{where}: the name `{name}` is taken by {owner}; choose another")
        found[name] = cls
        _ORIGINS[cls] = {ORIGIN: _distribution(point)}
    return tuple(found.values())


def _distribution(point: EntryPoint) -> str:
    return "unknown" if point.dist is None else f"{point.dist.name} {point.dist.version}"


def _loaded(point: EntryPoint, base: type[T], where: str) -> type[T]:
    try:
        cls: Any = point.load()
    except Exception as error:  # a plug-in may raise anything while it is imported
        raise RecipeError(
            f"{where} cannot be loaded ({type(error).__name__}: {error}); repair or uninstall it"
        ) from error
    if not (isinstance(cls, type) and issubclass(cls, base)):
        raise RecipeError(f"{where} is not a subclass of {base.__module__}.{base.__name__}")
    if not isinstance(vars(cls).get("version"), int):
        raise RecipeError(f"{where}: {cls.__name__} does not state its `version: ClassVar[int]`")
    if missing := sorted(getattr(cls, "__abstractmethods__", ())):
        raise RecipeError(f"{where}: {cls.__name__} does not define {', '.join(missing)}")
    return cls


def _name(cls: type[T], name_of: Callable[[type[T]], str], where: str) -> str:
    """Return the name of a plug-in class in a recipe.

    Raises:
        RecipeError: The class does not state its name, or the name cannot be part of a path.
    """
    try:
        name = name_of(cls)
    except (KeyError, TypeError, ValueError) as error:
        text = f"{where}: {cls.__name__} does not state its name; write `kind: Literal[NAME]`"
        raise RecipeError(text) from error
    if not re.fullmatch(r"[a-z][a-z0-9_]*(/[a-z][a-z0-9_]*)?", name):
        raise RecipeError(
            f"{where}: the name `{name}` may have lower-case letters, digits and underscores only"
        )
    return name


def union_of(classes: Sequence[type]) -> Any:
    """Return the union of classes, for an annotation that is built at run time."""
    united: Any = classes[0]
    for cls in classes[1:]:
        united = united | cls
    return united


def origin_of(cls: type) -> Json:
    """Return the distribution of a plug-in class, which is part of its fingerprint.

    Empty for classes of the package, whose results depend on their own versions.
    """
    return _ORIGINS.get(cls, {})
