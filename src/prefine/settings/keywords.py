"""Build the runtime from the keyword arguments of the Python API."""

from collections.abc import Iterable, Mapping
from os import PathLike, fspath
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from prefine.errors import RecipeError
from prefine.settings.mistakes import sentence_of
from prefine.settings.names import unknown
from prefine.settings.runtime import Runtime


def absolute(place: str | PathLike[str], name: str) -> str:
    """Return the absolute path of a folder, or the URL unchanged.

    Args:
        place: A folder or URL.
        name: Name of the argument, for messages.

    Raises:
        RecipeError: It is neither text nor a path.
    """
    if not isinstance(place, str | PathLike):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise RecipeError(f"{name}: expected a folder or URL, found {type(place).__name__}")
    text = fspath(place)
    return text if "://" in text else str(Path(text).absolute())


def runtime_from(
    root: str | PathLike[str], data: str | PathLike[str], settings: Mapping[str, Any]
) -> Runtime:
    """Return the runtime for keyword arguments.

    Args:
        root: Folder or URL of the results.
        data: Folder that relative source paths start from.
        settings: Further settings, by name.

    Raises:
        RecipeError: A setting is unknown or has a wrong value.
    """
    known = sorted(set(Runtime.model_fields) - {"root", "data"})
    for name in settings:
        if name not in known:
            plural = "settings of the runtime"
            raise RecipeError(unknown("setting of the runtime", name, known, plural=plural))
    values = dict(settings)
    if isinstance(values.get("servers"), Mapping):
        servers = cast("Mapping[str, Any]", values["servers"])
        values["servers"] = {name: _addresses(urls) for name, urls in servers.items()}
    try:
        return Runtime(root=absolute(root, "root"), data=absolute(data, "data"), **values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise RecipeError(f"runtime: {first['loc'][0]}: {sentence_of([first])}") from error


def _addresses(urls: object) -> object:
    """Return one address or several as a tuple; what is neither does not validate."""
    if isinstance(urls, str):
        return (urls,)
    return tuple(cast("Iterable[object]", urls)) if isinstance(urls, Iterable) else urls
