"""Build the runtime from the options of the command line."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from prefine.errors import RecipeError
from prefine.settings.mistakes import sentence_of
from prefine.settings.runtime import Runtime

SETTABLE = tuple(k for k in Runtime.model_fields if k not in {"root", "data", "servers", "start"})
"""The settings of the runtime that ``--set`` accepts."""


def runtime_of(recipe: Path | None, root: str, data: str | None, **more: Any) -> Runtime:
    """Build the runtime from options.

    Args:
        recipe: The file of the recipe; without ``data``, relative paths start from its folder.
        root: Folder or URL of the results.
        data: The folder that relative paths of sources start from.
        more: Further settings.

    Raises:
        RecipeError: A value is not valid.
    """
    base = data if data is not None else str(recipe.parent if recipe is not None else Path())
    try:
        return Runtime(root=root, data=base, **more)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        option = "--server" if first["loc"][0] == "servers" else f"--set {first['loc'][0]}"
        raise RecipeError(f"{option}: {sentence_of([first])}") from error


def settings_of(options: Sequence[str]) -> dict[str, str]:
    """Parse ``KEY=VALUE`` options for the runtime.

    Raises:
        RecipeError: One is not ``KEY=VALUE``, or has an unknown key.
    """
    settings: dict[str, str] = {}
    for option in options:
        key, equals, value = option.partition("=")
        if not equals or key not in SETTABLE:
            raise RecipeError(
                f"--set {option}: expected KEY=VALUE with a KEY of {', '.join(SETTABLE)}"
            )
        settings[key] = value
    return settings


def servers_of(options: Sequence[str]) -> dict[str, Any]:
    """Parse ``NAME=URL`` options, several of which may have one name, and ``NAME=start``.

    Raises:
        RecipeError: One has another form.
    """
    servers: dict[str, tuple[str, ...]] = {}
    start: list[str] = []
    for option in options:
        name, equals, url = option.partition("=")
        if url == "start":
            start.append(name)
        elif not equals or "://" not in url:
            raise RecipeError(f"--server {option}: expected NAME=http://HOST:PORT or NAME=start")
        else:
            servers[name] = (*servers.get(name, ()), url)
    return {"servers": servers, "start": tuple(start)}
