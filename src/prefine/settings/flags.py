"""The runtime from the flags of the command line."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from prefine.errors import RecipeError
from prefine.settings.runtime import Runtime

SETTABLE = tuple(k for k in Runtime.model_fields if k not in {"root", "data", "servers", "start"})
"""What ``--set`` may say about where and how fast a run goes."""


def runtime_of(recipe: Path | None, root: str, data: str | None, **more: Any) -> Runtime:
    """Build the runtime from flags; relative source paths lie beside the recipe by default."""
    base = data if data is not None else str(recipe.parent if recipe is not None else Path())
    try:
        return Runtime(root=root, data=base, **more)
    except ValidationError as error:
        first = error.errors()[0]
        option = "--server" if first["loc"][0] == "servers" else f"--set {first['loc'][0]}"
        said = first["msg"].removeprefix("Value error, ")
        raise RecipeError(f"{option}: {said[0].lower()}{said[1:]}") from error


def settings_of(pairs: Sequence[str]) -> dict[str, str]:
    """Read ``KEY=VALUE`` options for the runtime."""
    found: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or key not in SETTABLE:
            raise RecipeError(f"--set {pair}: want KEY=VALUE with a KEY of {', '.join(SETTABLE)}")
        found[key] = value
    return found


def servers_of(pairs: Sequence[str]) -> dict[str, Any]:
    """Read ``NAME=URL`` options, of which a name may have several, and ``NAME=start``."""
    found: dict[str, tuple[str, ...]] = {}
    start: list[str] = []
    for pair in pairs:
        name, equals, url = pair.partition("=")
        if url == "start":
            start.append(name)
        elif not equals or "://" not in url:
            raise RecipeError(f"--server {pair}: want NAME=http://HOST:PORT or NAME=start")
        else:
            found[name] = (*found.get(name, ()), url)
    return {"servers": found, "start": tuple(start)}
