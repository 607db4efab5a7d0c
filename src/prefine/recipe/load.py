"""Read a recipe and report every mistake in it at once, each with its line and YAML path."""

import os
from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path, PurePath
from typing import Any, cast

import numpy as np
import yaml
from pydantic import ValidationError

from prefine.errors import RecipeError
from prefine.recipe.check import problems_of
from prefine.recipe.mistakes import problems_in, unknown_keys
from prefine.recipe.recipe import Recipe
from prefine.recipe.source_map import SourceMap, lines_of, repeated_keys, spell
from prefine.settings import Location, Problem
from prefine.settings.json import is_array, is_object
from prefine.settings.mistakes import shown
from prefine.settings.names import nearest

_WANTED = "a recipe is a mapping with at least `name` and `sources`"
_SOURCES_OF_COLUMNS = frozenset({"measures", "sources"})
"""The sections that decide which columns and names exist."""


def load_recipe(source: str | PathLike[str] | Mapping[str, Any] | Recipe) -> Recipe:
    """Read and check a recipe.

    Args:
        source: The path of a YAML file, the settings as a mapping, or YAML text. A ``str`` is text
            if it has a line break or is a YAML mapping, else a path.

    Returns:
        The recipe as written, defaults filled in.

    Raises:
        RecipeError: The file cannot be read, or holds mistakes; all of them are listed.
    """
    if isinstance(source, Recipe):
        return source
    if isinstance(source, Mapping):
        return _checked(_plain(source), SourceMap(), [])
    if not isinstance(source, str | PathLike):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise RecipeError(
            "a recipe is a path, YAML text, a mapping or a loaded recipe, not "
            f"{type(source).__name__}"
        )
    path = os.fspath(source)
    if isinstance(source, str) and _is_text(source):
        return parse_recipe(source)
    if not path.strip():
        raise RecipeError("the recipe is an empty text; give the path of a YAML file or YAML text")
    return parse_recipe(_text_of(Path(path)), path)


def parse_recipe(text: str, file: str | None = None) -> Recipe:
    """Check the text of a recipe.

    Args:
        text: YAML.
        file: The file that it was read from, for messages; null where there is none.

    Raises:
        RecipeError: The text is not YAML, or holds mistakes; all of them are listed.
    """
    name = file or SourceMap.name
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        raw = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RecipeError(_not_yaml(error, name)) from error
    except (ValueError, RecursionError) as error:  # such as the date 2024-13-01
        raise RecipeError(f"{name}: recipe: the YAML cannot be read ({error})") from error
    if not is_object(raw) or tree is None:
        found = "the recipe is empty" if tree is None else f"recipe: found {shown(raw)}"
        raise RecipeError(f"{name}: {found}; {_WANTED}")
    path = None if file is None else str(Path(file).absolute())
    source = SourceMap(name, path, lines_of(tree))
    return _checked(raw, source, list(repeated_keys(tree)))


def _is_text(source: str) -> bool:
    """Return whether a string is YAML text and not a path."""
    if "\n" in source or "\0" in source:
        return True
    try:
        return is_object(yaml.safe_load(source))
    except yaml.YAMLError:
        return False


def _plain(value: Any) -> Any:
    """Return settings with plain dictionaries and lists, as YAML has them."""
    if isinstance(value, Mapping):
        items = cast("Mapping[Any, Any]", value)
        return {key: _plain(item) for key, item in items.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in cast("Sequence[Any]", value)]
    if isinstance(value, np.generic):
        return cast("Any", value).item()
    return str(value) if isinstance(value, PurePath) else value


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise RecipeError(f"{file}: cannot read the recipe; {_nearest_file(file)}") from error
    except IsADirectoryError as error:
        text = f"{file}: cannot read the recipe; this is a folder, name a YAML file in it"
        raise RecipeError(text) from error
    except PermissionError as error:
        text = f"{file}: cannot read the recipe; this user has no permission to read the file"
        raise RecipeError(text) from error
    except UnicodeDecodeError as error:
        text = f"{file}: cannot read the recipe; the file is not UTF-8 text, save it as UTF-8"
        raise RecipeError(text) from error
    except OSError as error:
        raise RecipeError(f"{file}: cannot read the recipe ({error.strerror})") from error


def _nearest_file(file: Path) -> str:
    """Return a hint for a recipe file that does not exist."""
    folder = file.parent
    if not folder.is_dir():
        return f"there is no folder {folder.absolute()}"
    names = [path.name for path in folder.iterdir() if path.suffix in {".yaml", ".yml"}]
    close = nearest(file.name, names)
    text = f"there is no such file in {folder.absolute()}"
    return text if close is None else f"{text}; nearest: `{close}`"


def _not_yaml(error: yaml.YAMLError, name: str) -> str:
    """Return one sentence on why a text is not YAML."""
    mark = getattr(error, "problem_mark", None)
    why = str(getattr(error, "problem", None) or error)
    hints = {
        "mapping values are not allowed": "put a text that contains `: ` in quotes",
        "'\\t'": "indent with spaces, not tabs",
        "unhashable key": "a key must be text",
        "undefined alias": "an alias (*NAME) needs its anchor (&NAME) above it",
        "expected <block end>": "check the indentation of this line and those above it",
        "expected ',' or": "close the bracket",
    }
    hint = next((f"; {hint}" for sign, hint in hints.items() if sign in why), "")
    line = ":" if mark is None else f":{mark.line + 1}"
    return f"{name}{line} recipe: this is not valid YAML ({' '.join(why.split())}){hint}"


def _checked(raw: dict[str, Any], source: SourceMap, problems: list[Problem]) -> Recipe:
    recipe, found = _validate(raw)
    problems += found
    if problems or recipe is None:
        raise RecipeError(_report(source, problems))
    return recipe.read_from(source)


def _validate(raw: dict[str, Any]) -> tuple[Recipe | None, list[Problem]]:
    """Validate; if keys are wrong, also check the columns of the rest to report all mistakes."""
    try:
        recipe = Recipe.model_validate(raw)
    except ValidationError as error:
        found = problems_in(raw, error)
        return None, found + list(_further(raw, error, {location for location, _ in found}))
    return recipe, list(problems_of(recipe))


def _further(
    raw: dict[str, Any], error: ValidationError, wrong: set[Location]
) -> Iterator[Problem]:
    """Yield the problems of the recipe without its invalid settings.

    Problems that these may cause are left out, such as a rule on a column of an invalid measure.
    """
    misspelt = unknown_keys(raw, error)
    if any(not path or path[0] in _SOURCES_OF_COLUMNS for path in wrong - misspelt):
        return
    if any(nearest(str(path[0]), _SOURCES_OF_COLUMNS) for path in misspelt if len(path) == 1):
        return
    try:
        rest = Recipe.model_validate(_without(raw, wrong))
    except ValidationError:
        return
    heads = {_head(path) for path in wrong}
    for path, text in problems_of(rest):
        place = _before(path, wrong)
        if _head(place) not in heads:
            yield place, text


def _head(path: Location) -> Location:
    """Return the item of a list, or the section, that a path belongs to."""
    return path[:2] if len(path) > 1 and isinstance(path[1], int) else path[:1]


def _before(path: Location, gone: set[Location]) -> Location:
    """Translate an index in a list without its invalid items to the index in the file."""
    if len(path) < 2 or not isinstance(path[1], int):  # noqa: PLR2004 - key and index
        return path
    index = path[1]
    for original in range(index + len(gone) + 1):
        index -= (path[0], original) not in gone
        if index < 0:
            return (path[0], original, *path[2:])
    return path


def _without(raw: dict[str, Any], gone: set[Location]) -> dict[str, Any]:
    """Return a copy without the invalid keys."""

    def copy(value: Any, here: Location) -> Any:
        if is_object(value):
            kept = {k: v for k, v in value.items() if (*here, k) not in gone}
            return {k: copy(v, (*here, k)) for k, v in kept.items()}
        if is_array(value):
            kept = [(i, v) for i, v in enumerate(value) if (*here, i) not in gone]
            return [copy(v, (*here, i)) for i, v in kept]
        return value

    return copy(raw, ())


def _report(source: SourceMap, problems: list[Problem]) -> str:
    ordered = sorted(
        dict.fromkeys(problems), key=lambda one: (source.line(one[0]) or 0, spell(one[0]), one[1])
    )
    lines = [f"{source.where(path)}: {text}" for path, text in ordered]
    if len(lines) == 1:
        return lines[0]
    return f"{len(lines)} mistakes in the recipe\n" + "\n".join(f"  {line}" for line in lines)
