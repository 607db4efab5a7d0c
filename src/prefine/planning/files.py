"""Find the files of a recipe in the data folder, and hash them."""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from prefine.errors import DataError, PlaceError, RecipeError
from prefine.ingest.files import hash_file, resolve_location
from prefine.recipe import Recipe
from prefine.settings import File, FileSet, Location, Part, Runtime, require_extra
from prefine.settings.json import is_object
from prefine.settings.names import listed, nearest
from prefine.store import filesystem, reaching

_GLOB = re.compile(r"[*?\[]")
_MAX_ENTRIES = 1_000
"""Maximum number of names in a folder that are compared with a missing one."""


class Finder:
    """Finds the files of a recipe."""

    def __init__(self, recipe: Recipe, runtime: Runtime) -> None:
        self._recipe = recipe
        self._data = runtime.data

    def where(self, wanted: FileSet, pattern: str | None = None) -> str:
        """Return the beginning of a message about files: location in the recipe, and owner.

        Args:
            wanted: The files.
            pattern: One of their paths or globs; null for all of them.
        """
        path = location_of(self._recipe, wanted)
        if pattern is not None and pattern in wanted.patterns and path[-1:] == ("files",):
            path = (*path, wanted.patterns.index(pattern))
        return f"{self._recipe.where(path)}: {wanted.key}"

    def files(self, wanted: FileSet) -> tuple[File, ...]:
        """Expand globs and hash files; sorted by hash, so that names and order do not matter.

        Raises:
            RecipeError: A file is missing, or does not have the hash that the recipe states.
            DataError: A file is empty or listed twice.
        """
        found: dict[tuple[str, tuple[tuple[str, str], ...]], File] = {}
        for pattern in wanted.patterns:
            paths = self._expanded(wanted, pattern)
            for path in paths:
                file = self._file(wanted, pattern, path)
                key = (file.sha256, tuple(sorted(file.fields.items())))
                if key in found:
                    raise DataError(
                        f"{self.where(wanted, pattern)}: {found[key].path} and {path} hold the "
                        "same bytes; remove one of them"
                    )
                found[key] = file
        files = tuple(found[key] for key in sorted(found))
        self._require_hashes(wanted, files)
        return files

    def _require_hashes(self, wanted: FileSet, files: tuple[File, ...]) -> None:
        hashes = sorted(file.sha256 for file in files)
        if wanted.sha256 and sorted(wanted.sha256) != hashes:
            found = ", ".join(f"{file.path} has {file.sha256}" for file in files)
            raise RecipeError(
                f"{self.where(wanted)}: the files do not match `sha256`; {found}; use the "
                "files that the recipe was written for, or remove `sha256`"
            )

    def _expanded(self, wanted: FileSet, pattern: str) -> list[str]:
        """Return the paths that a pattern matches, relative where the recipe is.

        Raises:
            PlaceError: The object storage refuses, or there are no credentials for it.
        """
        try:
            with reaching(pattern):
                return self._matches(wanted, pattern)
        except PlaceError as error:
            raise PlaceError(f"{self.where(wanted, pattern)}: {error}") from error

    def _matches(self, wanted: FileSet, pattern: str) -> list[str]:
        if pattern.startswith("hf://"):
            return [pattern]
        full = resolve_location(pattern, self._data)
        fs, path = filesystem(full)
        if not _GLOB.search(pattern):
            if not fs.exists(path):
                what = f"there is no file `{pattern}`{self._below(pattern)}"
                raise RecipeError(
                    f"{self.where(wanted, pattern)}: {what}; {_near(path, full, pattern)}"
                )
            if fs.isdir(path):
                raise RecipeError(
                    f"{self.where(wanted, pattern)}: `{pattern}` is a folder; name its files, or "
                    f"a glob such as `{pattern.rstrip('/')}/*.jsonl`; {_held(path, full)}"
                )
            return [pattern]
        matches = sorted(match for match in fs.glob(path) if not fs.isdir(match))
        if not matches:
            what = f"no file matches `{pattern}`{self._below(pattern)}"
            raise RecipeError(
                f"{self.where(wanted, pattern)}: {what}; {_held_by_glob(path, full, pattern)}"
            )
        if "://" in pattern:
            return [fs.unstrip_protocol(match) for match in matches]
        if full == pattern:
            return matches
        base = filesystem(self._data)[1].rstrip("/") + "/"
        return [match.removeprefix(base) for match in matches]

    def _below(self, pattern: str) -> str:
        """Return what a relative path is relative to, and how that was chosen."""
        if "://" in pattern or PurePosixPath(pattern).is_absolute():
            return ""
        if "://" in self._data:
            return f" below {self._data} (the data folder)"
        folder = Path(self._data).absolute()
        own = None if self._recipe.file is None else Path(self._recipe.file).parent.absolute()
        if folder.resolve() == (own.resolve() if own is not None else None):
            return f" below {folder} (the folder of the recipe; `--data DIR` names another one)"
        return f" below {folder} (the data folder)"

    def _file(self, wanted: FileSet, pattern: str, path: str) -> File:
        if PurePosixPath(path).suffix == ".xlsx":
            require_extra("xlsx", f"the spreadsheet {path}")
        fields: dict[str, str] = {}
        if wanted.path_fields is not None:
            match = re.search(wanted.path_fields, path)
            if match is None:
                text = f"`path_fields` does not match {path}"
                raise RecipeError(f"{self.where(wanted, pattern)}: {text}; change the expression")
            named = match.groupdict().items()
            fields = {name: value for name, value in named if value is not None}
        try:
            digest, length = hash_file(resolve_location(path, self._data))
        except (DataError, PlaceError) as error:
            raise type(error)(f"{self.where(wanted, pattern)}: {error}") from error
        if length == 0:
            text = f"the file `{path}` is empty; leave it out, or download it again"
            raise DataError(f"{self.where(wanted, pattern)}: {text}")
        return File(path=path, sha256=digest, num_bytes=length, fields=fields)


def location_of(recipe: Recipe, wanted: FileSet) -> Location:
    """Return where a recipe names files: the setting that holds their paths."""
    owners = ("sources", "measures", "verdicts")
    for section in owners:
        for location_, part in _parts(getattr(recipe, section), (section,)):
            for name, field in type(part).model_fields.items():
                if getattr(part, name) == wanted.patterns and _is_of(part, wanted):
                    return (*location_, field.alias or name)
    return ()


def _is_of(part: Part, wanted: FileSet) -> bool:
    """Return whether files belong to a part, by their key: its owner and its name."""
    name = getattr(part, "name", None)
    return name is None or name in re.split(r"[ ,]", wanted.key)


def _parts(value: object, here: Location) -> Iterator[tuple[Location, Part]]:
    """Yield the parts within a setting, each with its location in the YAML."""
    if isinstance(value, Part):
        yield here, value
        for name, field in type(value).model_fields.items():
            yield from _parts(getattr(value, name), (*here, field.alias or name))
    elif isinstance(value, tuple):
        for index, item in enumerate(value):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
            yield from _parts(item, (*here, index))  # pyright: ignore[reportUnknownArgumentType]
    elif is_object(value):
        for key, item in value.items():
            yield from _parts(item, (*here, key))


def _near(path: str, full: str, pattern: str) -> str:
    """Return a hint for a file that does not exist."""
    folder = path.rpartition("/")[0]
    fs, _ = filesystem(full)
    if not fs.isdir(folder):
        above = folder
        while above and not fs.isdir(above):
            above = above.rpartition("/")[0]
        missing = folder[len(above) :].strip("/").split("/")[0]
        if missing == "~":
            return "`~` is not expanded; write the whole path"
        close = nearest(missing, [name.rstrip("/") for name in _names(above, full)])
        hint = f"; nearest: `{close}`" if close else ""
        return f"there is no folder `{missing}` in {above or '/'}{hint}"
    names = _names(folder, full)
    close = nearest(path.rpartition("/")[2], names)
    if close is None:
        return _held(folder, full)
    before = pattern.rpartition("/")
    return f"nearest: `{before[0]}{before[1]}{close}`"


def _held_by_glob(path: str, full: str, pattern: str) -> str:
    """Return what the folder before the first wildcard of a glob holds."""
    folder = _GLOB.split(path, maxsplit=1)[0].rpartition("/")[0]
    if not filesystem(full)[0].isdir(folder):
        return _near(folder, full, _GLOB.split(pattern, maxsplit=1)[0].rpartition("/")[0])
    return _held(folder, full)


def _held(folder: str, full: str) -> str:
    names = _names(folder, full)
    return f"{folder or '/'} holds: {listed(names, 120)}" if names else f"{folder or '/'} is empty"


def _names(folder: str, full: str) -> list[str]:
    """Return the names in a folder, sorted; those of folders end in a slash."""
    fs, _ = filesystem(full)
    paths = sorted(fs.glob(f"{folder.rstrip('/')}/*"))[:_MAX_ENTRIES]
    return [f"{path.rpartition('/')[2]}{'/' if fs.isdir(path) else ''}" for path in paths]
