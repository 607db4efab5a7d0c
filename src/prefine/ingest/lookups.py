"""Read the lookup tables that rows of a source refer to, each once per process."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from prefine.errors import DataError
from prefine.ingest.files import location, raw_rows, require_unchanged
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
        data: What relative paths are relative to.

    Raises:
        DataError: A file has changed, a row of it cannot be read, or two rows contradict.
    """
    tables: dict[str, Mapping[Any, Json]] = {}
    for name, file_set in layout.lookups().items():
        files = files_of(file_set.key)
        for file in files:
            require_unchanged(file, data)
        listed = tuple(file.model_dump_json() for file in files)
        own = file_set.key == layout.key
        # `rows` and `delimiter` are about the files of the source, which may have another form
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
    """Read a lookup table; a row of it that cannot be read is an error, not a quarantine row.

    Where the table is made of the source's ``own`` files, such a row is passed over: it goes to
    quarantine when the source is read. The files are given as JSON, which a cache can hash.
    """
    rows = _rows(name, files, data, options, own=own)
    try:
        return layout.index(name, rows)
    except RowError as error:
        raise DataError(f"the table `{name}` cannot be looked up in: {error}") from error


def _rows(
    name: str, files: tuple[str, ...], data: str, options: FileOptions, *, own: bool
) -> Iterator[tuple[Json, Mapping[str, str]]]:
    """Yield the rows of a table one by one: a layout keeps only what it looks up."""
    for file in map(File.model_validate_json, files):
        for row in raw_rows(location(file.path, data), _MAX_ROW_BYTES, options=options):
            if row.value is not None:
                yield row.value, file.fields
            elif not own:
                place = f"{file.path}:{row.number}"
                raise DataError(f"{place}: cannot be read as a row of `{name}` ({row.error})")
