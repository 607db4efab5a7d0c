"""Check that the first rows of files have the keys that a recipe names."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import Any

from prefine.errors import DataError, RecipeError
from prefine.ingest.files import raw_rows, resolve_location
from prefine.ingest.forms.options import FileOptions
from prefine.ingest.paths import OPTIONAL, values_at
from prefine.ingest.read import layout_of
from prefine.ingest.record import RowError
from prefine.ingest.source import Source
from prefine.planning.files import location_of
from prefine.recipe import Recipe
from prefine.settings import File, FileSet, Location, Part
from prefine.settings.json import Json, is_array, is_object
from prefine.settings.names import listed, nearest
from prefine.tables.examples import Examples
from prefine.tables.keyed import KeyedFiles

_NUM_ROWS = 1_000
"""Maximum number of rows that are read from each file."""

_HOLDERS = frozenset({"keep", "columns", "key_columns"})
"""Settings that map names to paths."""

Paths = Mapping[Location, str]
"""Dotted paths in a row, by their location in the recipe."""


def require_keys(recipe: Recipe, files: Mapping[str, tuple[File, ...]], data: str) -> None:
    """Refuse dotted paths that none of the first rows has.

    Args:
        recipe: The recipe.
        files: The files that it names, by the key of their ``FileSet``.
        data: What relative paths are relative to.

    Raises:
        RecipeError: No row has one of the paths.
        DataError: A file cannot be read.
    """
    look = _Preview(recipe, data)
    for index, source in enumerate(recipe.sources):
        own = files[source.key]
        look.at(source.key, own, _of_source(source, own, ("sources", index)), source)
    for measure in recipe.measures:
        for examples in measure.examples():
            here = _place(recipe, examples.file_set)
            look.at(
                examples.file_set.key, files[examples.file_set.key], _of_examples(examples, here)
            )
        for keyed in measure.keyed():
            here = _place(recipe, keyed.file_set)
            look.at(keyed.file_set.key, files[keyed.file_set.key], _of_keyed(keyed, here))
    for index, verdicts in enumerate(recipe.verdicts):
        key = verdicts.file_set.key
        look.at(key, files[key], _of_keyed(verdicts, ("verdicts", index)))


def _place(recipe: Recipe, wanted: FileSet) -> Location:
    return location_of(recipe, wanted)[:-1]


def _of_source(source: Source, files: tuple[File, ...], here: Location) -> Paths:
    """Return the paths that a source names: its id, its kept columns, those of its layout."""
    paths: dict[Location, str] = {}
    for layout in (layout_of(source, file) for file in files):
        for path in layout.paths():
            paths[(*here, *_written_at(layout, path))] = path
    if source.id is not None:
        paths[(*here, "id")] = source.id
    return paths | {(*here, "keep", name): kept.column for name, kept in source.keep.items()}


def _written_at(part: Part, path: str) -> Location:
    """Return where the settings of a layout name a path."""
    own = part.model_dump(mode="json")
    for name in type(part).model_fields:
        if name not in Source.model_fields and (found := _found(own[name], path)) is not None:
            return (name, *found)
    return ()


def _found(value: Any, path: str) -> Location | None:
    if value == path:
        return ()
    items: Iterable[tuple[str | int, Any]] = ()
    if is_object(value):
        items = value.items()
    elif is_array(value):
        items = enumerate(value)
    for key, item in items:
        if (found := _found(item, path)) is not None:
            return (key, *found)
    return None


def _of_examples(examples: Examples, here: Location) -> Paths:
    paths: dict[Location, str] = {(*here, "text"): examples.text}
    if examples.answer_path is not None:
        paths[(*here, "answer")] = examples.answer_path
    return paths


def _of_keyed(keyed: KeyedFiles, here: Location) -> Paths:
    paths: dict[Location, str] = {
        (*here, "key_columns", column): keyed.path(column) for column in keyed.columns_of_key()
    }
    for name, path in keyed.value_paths().items():
        is_setting = name in type(keyed).model_fields
        paths[(*here, name) if is_setting else (*here, "columns", name)] = path
    return paths


class _Preview:
    """Reads the first rows of files."""

    def __init__(self, recipe: Recipe, data: str) -> None:
        self._recipe = recipe
        self._data = data

    def at(
        self, key: str, files: tuple[File, ...], paths: Paths, source: Source | None = None
    ) -> None:
        """Require that the first rows of files have some paths."""
        missing = {place: path for place, path in paths.items() if not path.endswith(OPTIONAL)}
        rows: list[Json] = []
        for row in chain.from_iterable(self._rows(key, file, source) for file in files):
            if not missing:
                return
            rows.append(row)
            missing = {place: path for place, path in missing.items() if not _has(row, path)}
        for place, path in missing.items() if rows else ():
            raise RecipeError(f"{self._recipe.where(place)}: {_nowhere(key, place, path, rows)}")

    def _rows(self, key: str, file: File, source: Source | None) -> Iterator[Json]:
        path = resolve_location(file.path, self._data)
        limit = Examples.model_fields["max_row_bytes"].default
        options = FileOptions()
        if source is not None:
            limit, options = source.max_row_bytes, source.file_options
        try:
            for row in islice(raw_rows(path, limit, options=options), _NUM_ROWS):
                if row.value is not None:
                    yield row.value
        except DataError as error:
            raise DataError(f"{key}: {error}") from error


def _has(row: Json, path: str) -> bool:
    try:
        values_at(row, path)
    except RowError:
        return False
    return True


def _nowhere(key: str, place: Location, path: str, rows: list[Json]) -> str:
    """Return the message about a path that no row has."""
    setting = next((part for part in place[2:] if part in _HOLDERS), place[-1])
    text = f"{key}: none of the first {len(rows):,} rows has the path `{path}` of `{setting}`"
    known = _paths_in(rows)
    close = nearest(path, known)
    hint = f"did you mean `{close}`?" if close else f"their keys are: {listed(known)}"
    if setting == "key_columns":
        return f"{text}; {hint}"
    end = "" if close else "."
    return f"{text}; {hint}{end} If later rows have it, write `{path}{OPTIONAL}`"


def _paths_in(rows: list[Json]) -> list[str]:
    """Return the keys of rows, and those of objects in them."""
    found: dict[str, None] = {}
    for row in rows[:20]:
        found.update(dict.fromkeys(str(name) for name in row))
    for row in rows[:20]:
        for name, value in row.items():
            if is_object(value):
                found.update(dict.fromkeys(f"{name}.{inner}" for inner in value))
    return list(found)
