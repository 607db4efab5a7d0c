"""Draft a commented recipe for source files."""

import os.path
import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from prefine.errors import RecipeError
from prefine.ingest.layouts import layout_named
from prefine.measure.lengths import Lengths
from prefine.measure.near_duplicates import NearDuplicates
from prefine.planning.draft.facts import Needs, required_settings
from prefine.planning.draft.files import Group, common_folder, condensed, groups_of
from prefine.planning.draft.guess import guess, own_id
from prefine.planning.draft.keys import key_lines
from prefine.planning.draft.text import FILL_IN, comment, setting, tail, yaml_text
from prefine.recipe.schema import about

SCHEMA = "recipe.schema.json"
"""The file with the JSON schema, in the folder of the recipe."""

_OPTIONS = {
    "tables": "the files of the questions and answers, as {questions: {files: [...]}, ...}",
}
_COLUMNS = {
    "responses": "the keys of the responses, or the key of a list of them",
    "labels": "what says which response is better, or use `ratings` or `ranks`",
}


class Draft(NamedTuple):
    """A drafted recipe."""

    text: str
    to_fill: tuple[str, ...]
    """Sources with settings that must be filled in before the recipe loads."""


def draft_recipe(patterns: Sequence[str], *, folder: str = ".", name: str | None = None) -> Draft:
    """Draft a recipe: a source for each layout found, and suggested measures and rules.

    Args:
        patterns: Paths, globs or URLs of files.
        folder: Folder of the recipe; relative paths are written relative to it.
        name: The recipe's name; by default that of the first source.

    Raises:
        RecipeError: A recipe cannot have this name.
        DataError: Files are missing, empty, or cannot be read.
    """
    if name is not None and not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name):
        text = f"--name {name}: expected lower case, digits and underscores, at most 40"
        raise RecipeError(text)
    groups = groups_of(patterns)
    names = _names(groups)
    sources: list[str] = []
    pairs: dict[str, Any] = {}
    to_fill: list[str] = []
    rated = False
    for group, source in zip(groups, names, strict=True):
        lines, needs = _source(group, source, folder)
        sources += lines
        pairs = {**needs.pairs, **pairs}
        rated |= needs.has_ratings
        to_fill += [source] if any(FILL_IN in line for line in lines) else []
    measures = (
        Lengths(kind="lengths"),
        NearDuplicates.model_validate({"kind": "near_duplicates", "of": ("prompts", "pairs")}),
    )
    measured = [column for measure in measures for column in measure.columns()]
    head = [
        f"# yaml-language-server: $schema={SCHEMA}",
        *_introduction(to_fill),
        f"name: {yaml_text(name or names[0])}",
        "sources:",
        *sources,
        *_pairs(pairs),
    ]
    text = "\n".join([*head, "", tail(measured, rated=rated)])
    return Draft(text.rstrip() + "\n", tuple(to_fill))


def _introduction(to_fill: Sequence[str]) -> list[str]:
    if not to_fill:
        return []
    return comment([f"Lines marked {FILL_IN} must be completed before the recipe can run."])


def _names(groups: Sequence[Group]) -> list[str]:
    """Return a distinct name for each group, after its file, folder or layout."""
    found: list[str] = []
    for group in groups:
        paths = [file.path.split("?")[0] for file in group.files]
        stem = PurePosixPath(paths[0]).name.split(".")[0]
        named = stem if len(paths) == 1 else PurePosixPath(common_folder(paths)).name or stem
        plain = re.sub(r"[^a-z0-9]+", "_", named.lower()).strip("_")[:32].rstrip("_")
        plain = plain if re.match(r"[a-z]", plain) else f"source_{plain}".rstrip("_")
        number = 2
        unique = plain
        while unique in found:
            unique, number = f"{plain}_{number}", number + 1
        found.append(unique)
    return found


def _source(group: Group, name: str, folder: str) -> tuple[list[str], Needs]:
    files = _listed([file.path for file in group.files], folder)
    head = [f"  - name: {yaml_text(name)}", *setting("files", files, 4)]
    if not group.formats:
        return [*head, *_map(group)], Needs({}, {})
    first, *others = group.formats
    needs = required_settings(group)
    options = dict(needs.options)
    if isinstance(options.get("tables"), Mapping):
        options["tables"] = {
            table: {"files": _listed(named["files"], folder)}
            for table, named in options["tables"].items()
        }
    note = f"or {', '.join(others)}: the first rows fit them too" if others else ""
    alternatives = f"or {', '.join(map(yaml_text, needs.others))}" if needs.others else ""
    lines = [
        *head,
        *comment([_sentence(first)], 4),
        *setting("format", first, 4, note),
        *_own_id(group),
        *(
            line
            for key, value in options.items()
            for line in setting(key, value, 4, alternatives or _OPTIONS.get(key, ""))
        ),
    ]
    return lines, needs


def _own_id(group: Group) -> list[str]:
    """Return a suggestion to name the key of the user's own ids."""
    found = own_id([value for file in group.files for value in file.values])
    if found is None:
        return []
    return [f"    # id: {yaml_text(found)}  # your own ids, to join scores and human verdicts by"]


def _sentence(name: str) -> str:
    return " ".join(about(layout_named(name)).partition("\n\n")[0].split())


def _map(group: Group) -> list[str]:
    """Return a column map for files of an unknown layout, as far as it can be guessed."""
    values = [value for file in group.files for value in file.values]
    guessed = guess(values)
    shown = [f"  {line}" for line in key_lines(values)]
    lines = [
        *comment(["No known layout has these keys; the map says which key holds what:", *shown], 4),
        "    format: columns",
        *(setting("id", guessed.id, 4) if guessed.id is not None else ()),
        "    columns:",
        *(() if "prompt" in guessed.columns else ("      # prompt: KEY_OF_THE_PROMPT",)),
        *(
            line
            for key, value in guessed.columns.items()
            for line in setting(key, value, 6, _COLUMNS.get(key, "") if value is None else "")
        ),
    ]
    if "labels" in guessed.columns:
        lines += comment(["The values of the first rows; add others that the files have."], 6)
    return lines


def _pairs(pairs: Mapping[str, Any]) -> list[str]:
    if not pairs:
        return []
    notes = {
        "aspect": "the aspect of the labels that counts",
        "select": "every two responses with different ratings",
    }
    lines = ["pairs:"]
    if "aspects" in pairs:
        lines.append("  # the weight of each aspect of the ratings")
    for key, value in pairs.items():
        lines += setting(key, value, 2, notes.get(key, ""))
    return lines


def _listed(paths: Sequence[str], folder: str) -> list[str]:
    return [_relative(path, folder) for path in condensed(paths)]


def _relative(path: str, folder: str) -> str:
    """Return a path relative to the recipe's folder; absolute paths and URLs are unchanged."""
    if "://" in path or PurePosixPath(path).is_absolute():
        return path
    return PurePosixPath(os.path.relpath(path, folder)).as_posix()
