"""Lookup tables that the rows of a source refer to, each read once per process."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from prefine.errors import DataError
from prefine.ingest.files import raw_rows, require_unchanged, resolve_location
from prefine.ingest.forms.options import FileOptions
from prefine.ingest.layout import Layout
from prefine.ingest.record import RowError
from prefine.settings import File
from prefine.settings.json import Json

_MAX_ROW_BYTES = 2**30


def lookup_tables(
    layout: Layout, files_of: Callable[[str], Sequence[File]], data: str
) -> dict[str, Mapping[Any, Json]]:
    """Return the lookup tables of a source, by name.

    Args:
        layout: The source.
        files_of: Returns the files of a file set by its key.
        data: The folder that relative paths start from.

    Raises:
        DataError: A file has changed, a row cannot be read, or two rows have the same key.
    """
    tables: dict[str, Mapping[Any, Json]] = {}
    for name, file_set in layout.lookups().items():
        files = files_of(file_set.key)
        for file in files:
            require_unchanged(file, data)
        listed = tuple(file.model_dump_json() for file in files)
        own = file_set.key == layout.key
        # `rows` and `delimiter` apply to the files of the source, whose format may be another
        options = layout.file_options if own else FileOptions(encoding=layout.encoding)
        tables[name] = _indexed(type(layout), name, listed, data, options, own=own)
    return tables


@lru_cache(maxsize=8)
def _indexed(
    layout: type[Layout],
    name: str,
    files: tuple[str, ...],
    data: str,
    options: FileOptions,
    *,
    own: bool,
) -> Mapping[Any, Json]:
    """Read and index a lookup table; a row that cannot be read is an error.

    Args:
        layout: Indexes the rows.
        name: Name of the table.
        files: Its files as JSON, which the cache can hash.
        data: The folder that relative paths start from.
        options: How the files are decoded.
        own: Whether they are the files of the source itself. Their unreadable rows are skipped
            here, because they go to quarantine when the source is read.

    Raises:
        DataError: A row cannot be read, or two rows have the same key.
    """
    rows = _rows(name, files, data, options, own=own)
    try:
        return layout.index(name, rows)
    except RowError as error:
        raise DataError(f"the lookup table `{name}` cannot be indexed: {error}") from error


def _rows(
    name: str, files: tuple[str, ...], data: str, options: FileOptions, *, own: bool
) -> Iterator[tuple[Json, Mapping[str, str]]]:
    """Yield the rows of a table with the path fields of their files."""
    for file in map(File.model_validate_json, files):
        for row in raw_rows(resolve_location(file.path, data), _MAX_ROW_BYTES, options=options):
            if row.value is not None:
                yield row.value, file.fields
            elif not own:
                where = f"{file.path}:{row.number}"
                raise DataError(f"{where}: not a readable row of the table `{name}` ({row.error})")
