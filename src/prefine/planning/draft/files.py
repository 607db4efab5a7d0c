"""Read the first rows of files and group the files by layout, to draft a recipe."""

import os.path
import posixpath
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import PurePosixPath
from typing import NamedTuple

from prefine.errors import DataError, PrefineError
from prefine.ingest.detect import matching_layouts
from prefine.ingest.files import raw_rows
from prefine.ingest.rows import RawRow
from prefine.settings.json import Json
from prefine.store import filesystem, reaching

_NUM_ROWS = 20
"""Number of rows that are read from each file."""
_NUM_LISTED = 6
"""Maximum number of files that a recipe lists without a glob."""
_MAX_ROW_BYTES = 32 * 2**20
_WILD = "*?["
_ANSWER_KEYS = frozenset({"answer_id", "choices", "generation", "generation_truncated"})


class Sample(NamedTuple):
    """The first rows of a file, and the layouts that match them."""

    path: str
    rows: tuple[RawRow, ...]
    """The first rows that are objects with keys."""
    formats: tuple[str, ...]
    """The layouts that match; several if the rows are ambiguous, none if the layout is unknown."""

    @property
    def values(self) -> list[Json]:
        """The values of the rows."""
        return [row.value for row in self.rows if row.value]


class Group(NamedTuple):
    """Files that one source can read."""

    files: tuple[Sample, ...]
    tables: dict[str, tuple[str, ...]]
    """Paths of further files that the rows refer to, by table."""

    @property
    def formats(self) -> tuple[str, ...]:
        """The layouts that match."""
        return self.files[0].formats

    @property
    def rows(self) -> list[RawRow]:
        """The first rows of all files."""
        return [row for file in self.files for row in file.rows]


def groups_of(patterns: Sequence[str]) -> list[Group]:
    """Read the first rows of files, and group files by layout or by their keys.

    Args:
        patterns: Paths, globs or URLs.

    Raises:
        DataError: Files are missing, empty or hold no rows; all of them are named.
    """
    samples: list[Sample] = []
    errors: list[str] = []
    for path in dict.fromkeys(path for pattern in patterns for path in _expanded(pattern, errors)):
        try:
            samples.append(_look(path))
        except PrefineError as error:
            errors.append(str(error))
    if errors:
        raise DataError("; ".join(errors))
    return _grouped(samples)


def _expanded(pattern: str, errors: list[str]) -> Iterator[str]:
    """Yield the paths that a glob matches, or the path itself."""
    if pattern.startswith("hf://") or not any(sign in pattern for sign in _WILD):
        yield pattern
        return
    with reaching(pattern):
        fs, path = filesystem(pattern)
        exists = fs.exists(path)
        matches = [] if exists else sorted(one for one in fs.glob(path) if not fs.isdir(one))
    if exists:
        yield pattern
        return
    if not matches:
        errors.append(f"no file matches {pattern}")
    is_absolute = PurePosixPath(pattern).is_absolute()
    base = "" if is_absolute else filesystem(".")[1].rstrip("/") + "/"
    for match in matches:
        yield fs.unstrip_protocol(match) if "://" in pattern else match.removeprefix(base)


def _look(path: str) -> Sample:
    rows = list(islice(raw_rows(path, _MAX_ROW_BYTES), _NUM_ROWS))
    readable = tuple(row for row in rows if row.value)
    if not readable:
        why = f"; row {rows[0].number}: {rows[0].error}" if rows and rows[0].error else ""
        raise DataError(f"{path}: no row of the first {_NUM_ROWS} can be read{why}")
    matching = (matching_layouts(row.value) for row in readable if row.value)
    first = next((matches for matches in matching if matches), None)
    return Sample(path, readable, tuple(match.format for match in first or ()))


def common_folder(paths: Sequence[str]) -> str:
    """Return the folder that contains all paths; empty if there is none."""
    try:
        return os.path.commonpath([posixpath.dirname(path) for path in paths])
    except ValueError:
        return ""


def condensed(paths: Sequence[str]) -> list[str]:
    """Return one glob for many local files of a folder, if it matches no other file."""
    if len(paths) <= _NUM_LISTED or any("://" in path for path in paths):
        return list(paths)
    folder = common_folder(paths)
    names = {posixpath.basename(path) for path in paths}
    endings = {f"*{name[name.index('.') :]}" if "." in name else "*" for name in names}
    name = names.pop() if len(names) == 1 else endings.pop() if len(endings) == 1 else "*"
    wanted = {filesystem(path)[1] for path in paths}
    for between in ("", "*/", "**/"):
        pattern = posixpath.join(folder, between + name)
        fs, full = filesystem(pattern)
        if set(map(str, fs.glob(full))) == wanted:
            return [pattern]
    return list(paths)


def _grouped(samples: Sequence[Sample]) -> list[Group]:
    """Group files; those that the rows of others refer to become tables of their source."""
    refer = [file for file in samples if "fastchat" in file.formats]
    tables: dict[str, tuple[str, ...]] = {}
    if refer:
        for file in samples:
            if (role := _role(file)) is not None:
                tables[role] = (*tables.get(role, ()), file.path)
    table_paths = {path for paths in tables.values() for path in paths}
    groups: dict[object, list[Sample]] = {}
    for file in samples:
        if file.path not in table_paths:
            key = file.formats or frozenset(map(str, file.values[0]))
            groups.setdefault(key, []).append(file)
    return [
        Group(tuple(files), tables if "fastchat" in files[0].formats else {})
        for files in groups.values()
    ]


def _role(file: Sample) -> str | None:
    """Return the table of a file whose rows judgements refer to by ``question_id``."""
    keys = file.values[0].keys()
    if file.formats or "question_id" not in keys:
        return None
    if keys & _ANSWER_KEYS or {"model_id", "text"} <= keys:
        return "answers"
    return "questions" if keys & {"turns", "text"} else None
