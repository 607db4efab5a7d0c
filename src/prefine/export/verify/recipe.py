"""Compare ``recipe.yaml`` with the manifest."""

from collections.abc import Iterator

import yaml

from prefine.export.verify.stated import Stated
from prefine.settings.json import Json, is_array, is_object

_POLICIES = ("identical", "verdict", "empty", "unlabelled", "tie")
"""Rules that every recipe has, in order; ``verdict`` only with human verdicts."""


def recipe_problems(stated: Stated, path: str, text: bytes) -> Iterator[str]:
    """Yield contradictions between a recipe and the manifest.

    ``recipe_sha256`` is not checked: it covers the hashes of files and models.

    Args:
        stated: The manifest.
        path: Path of the recipe, for messages.
        text: Bytes of the recipe.
    """
    try:
        recipe = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        yield f"{path} is not valid YAML: {str(error).splitlines()[0]}"
        return
    if not is_object(recipe):
        yield f"{path} is not a recipe"
        return
    for what, here, there in _compared(stated, recipe):
        if here != there:
            yield f"{path}: {what} is {_shown(here)}, but {_shown(there)} in the manifest"


def _compared(stated: Stated, recipe: Json) -> Iterator[tuple[str, object, object]]:
    export = recipe.get("export")
    export = export if is_object(export) else {}
    target = export.get("target", "trl")
    kind = target.get("kind") if is_object(target) else target
    rules = _names(recipe.get("rules"))
    yield "name", recipe.get("name"), stated.name
    yield "target", kind, stated.target
    yield "test_ratio", export.get("test_ratio", 0.0), stated.split_shares.wanted_test_ratio
    yield "the list of sources", _names(recipe.get("sources")), [s.name for s in stated.sources]
    listed = [rule.rule for rule in stated.rules]
    first = max(len(listed) - len(rules), 0)
    policies = [name for name in _POLICIES if name != "verdict" or recipe.get("verdicts")]
    yield "the list of rules made by `structure`", policies, listed[:first]
    last = listed[first:]
    named = [name for name, rule in zip(last, rules, strict=False) if rule is not None]
    yield "the list of rules", [rule for rule in rules if rule is not None], named


def _names(parts: object) -> list[object]:
    """Return the names of parts of a recipe; null where one has none."""
    return (
        [part.get("name") if is_object(part) else None for part in parts]
        if (is_array(parts))
        else []
    )


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) or "empty" if is_array(value) else str(value)
