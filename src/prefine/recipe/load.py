"""Read a recipe and report every mistake in it at once, each with its line and YAML path."""

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from prefine.decide import kinds_with
from prefine.errors import RecipeError
from prefine.recipe.check import problems_of
from prefine.recipe.recipe import Recipe
from prefine.settings import Location, Problem
from prefine.settings.json import is_array, is_object

_MESSAGES = {
    "missing": "a required key is missing",
    "tuple_type": "want a list, such as [VALUE]",
    "union_tag_not_found": "`kind` is missing: it says which measure this is",
}


def load_recipe(path: str | Path) -> Recipe:
    """Read and check a recipe.

    Args:
        path: A YAML file.

    Returns:
        The recipe as written, defaults filled in.

    Raises:
        RecipeError: The file cannot be read, or holds mistakes; all of them are listed.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"cannot read the recipe {file}: {error}") from error
    return parse_recipe(text, str(file))


def parse_recipe(text: str, name: str = "recipe") -> Recipe:
    """Check the text of a recipe; ``name`` stands in front of each line number."""
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        raw = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RecipeError(f"{name} is not valid YAML: {' '.join(str(error).split())}") from error
    if not is_object(raw) or tree is None:
        raise RecipeError(f"{name} must be a mapping with at least `name` and `sources`")
    problems = list(_repeated_keys(tree, ()))
    recipe, found = _validate(raw)
    problems += found
    if problems or recipe is None:
        raise RecipeError(_report(name, tree, problems))
    return recipe


def _validate(raw: dict[str, Any]) -> tuple[Recipe | None, list[Problem]]:
    """Validate; where keys are wrong, check the columns of the rest, so that all mistakes show."""
    try:
        recipe = Recipe.model_validate(raw)
    except ValidationError as error:
        found = _found(raw, error)
        gone = {location for location, _ in found}
        try:
            rest = Recipe.model_validate(_without(raw, gone))
        except ValidationError:
            return None, found
        if len(rest.measures) == len(raw.get("measures") or []):
            found += [(_before(path, gone), text) for path, text in problems_of(rest)]
        return None, found
    return recipe, list(problems_of(recipe))


def _found(raw: dict[str, Any], error: ValidationError) -> list[Problem]:
    """Return the problems; a list is not too short because of what is wrong inside it."""
    items = [(_yaml_path(raw, item["loc"]), item) for item in error.errors()]
    paths = [path for path, _ in items]
    return [
        (path, _sentence(item))
        for path, item in items
        if item["type"] != "too_short"
        or not any(other[: len(path)] == path != other for other in paths)
    ]


def _before(path: Location, gone: set[Location]) -> Location:
    """Translate an index into what is left of a list back to the index in the file."""
    if len(path) < 2 or not isinstance(path[1], int):  # noqa: PLR2004 - key and index
        return path
    index = path[1]
    for original in range(index + len(gone) + 1):
        index -= (path[0], original) not in gone
        if index < 0:
            return (path[0], original, *path[2:])
    return path


def _yaml_path(raw: object, location: tuple[str | int, ...]) -> Location:
    """Drop from a validation path what is not in the YAML: the tags of unions."""
    path: list[str | int] = []
    for number, part in enumerate(location):
        if is_object(raw) and (part in raw or number == len(location) - 1):
            raw = raw.get(str(part))
        elif is_array(raw) and isinstance(part, int) and part < len(raw):
            raw = raw[part]
        else:
            continue
        path.append(part)
    return tuple(path)


def _without(raw: dict[str, Any], gone: set[Location]) -> dict[str, Any]:
    """Return a copy in which the offending keys are gone."""

    def copy(value: Any, here: Location) -> Any:
        if is_object(value):
            kept = {k: v for k, v in value.items() if (*here, k) not in gone}
            return {k: copy(v, (*here, k)) for k, v in kept.items()}
        if is_array(value):
            kept = [(i, v) for i, v in enumerate(value) if (*here, i) not in gone]
            return [copy(v, (*here, i)) for i, v in kept]
        return value

    return copy(raw, ())


def _sentence(item: Mapping[str, Any]) -> str:
    kind, message = item["type"], str(item["msg"])
    if kind == "extra_forbidden":
        key = str(item["loc"][-1])
        if item["loc"][0] == "rules" and (kinds := kinds_with(key)):
            return f"`{key}` goes with {', '.join(f'`{kind}`' for kind in kinds)}"
        close = difflib.get_close_matches(key, sorted(_known_keys() - {key}), n=1)
        return f"unknown key `{key}`" + (f"; did you mean `{close[0]}`?" if close else "")
    if kind in _MESSAGES:
        return _MESSAGES[kind]
    message = message.removeprefix("Value error, ")
    value = item.get("input")
    shown = f"; found {value!r}" if isinstance(value, str | int | float | bool) else ""
    return message[0].lower() + message[1:] + shown


def _known_keys() -> set[str]:
    """Return every key that some part of a recipe has."""
    schema = Recipe.model_json_schema()
    parts = [schema, *schema["$defs"].values()]
    return {key for part in parts for key in part.get("properties", {})}


def _repeated_keys(node: yaml.Node, here: Location) -> Iterator[Problem]:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                yield (*here, key.value), f"the key `{key.value}` is given twice"
            seen.add(key.value)
            yield from _repeated_keys(value, (*here, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _repeated_keys(value, (*here, index))


def _line(node: yaml.Node, path: Location) -> int:
    """Return the line, from 1, of the deepest part of the path that the file holds."""
    line = node.start_mark.line + 1
    for part in path:
        found = None
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == str(part):
                    found, line = value, key.start_mark.line + 1
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            found = node.value[part]
            line = found.start_mark.line + 1
        if found is None:
            break
        node = found
    return line


def _report(name: str, tree: yaml.Node, problems: list[Problem]) -> str:
    ordered = sorted((_line(tree, path), path, text) for path, text in problems)
    lines = [f"{name}:{line} {_spell(path)}: {text}" for line, path, text in ordered]
    if len(lines) == 1:
        return lines[0]
    return f"{len(lines)} mistakes in the recipe\n" + "\n".join(f"  {line}" for line in lines)


def _spell(path: Location) -> str:
    spelt = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return spelt.removeprefix(".") or "recipe"
