"""Every check of a published data set, in order."""

import re
from collections.abc import Iterator

from prefine.errors import DataError
from prefine.export.folder import MANIFEST, RECIPE, read_manifest
from prefine.export.verify.counts import count_problems
from prefine.export.verify.pairs import both_problems, line_problems, row_problems
from prefine.export.verify.recipe import recipe_problems
from prefine.export.verify.rows import EXPLANATIONS, Lines, Rows, read_lines, read_shard
from prefine.export.verify.stated import Stated, stated_of
from prefine.store import Store, sha256_of

_SHARD = re.compile(r"data/(train|test)-(\d{5})-of-(\d{5})\.parquet")
_ALWAYS = ("README.md", EXPLANATIONS, RECIPE)


def problems_of(output: Store) -> list[str]:
    """Hash and count every file of a data set again, and compare all counts with each other.

    Returns:
        One sentence a contradiction; none when everything agrees.

    Raises:
        DataError: The folder holds no finished data set.
    """
    if not output.exists(MANIFEST):
        raise DataError(f"{output.url} holds no {MANIFEST}: no data set, or an unfinished one")
    stated, found = stated_of(read_manifest(output, MANIFEST))
    if stated is None:
        return found
    return [
        *_listed(output, [file.path for file in stated.files]),
        *_bytes(output, stated),
        *count_problems(stated),
        *_contents(output, stated),
    ]


def _listed(output: Store, paths: list[str]) -> Iterator[str]:
    """Yield what is wrong with the list of files."""
    for path in output.files("data"):
        if path not in paths:
            yield f"{path} is not listed, but readers would load it"
    for path in dict.fromkeys((*_ALWAYS, *_expected(paths))):
        if path not in paths:
            yield f"{MANIFEST} does not list {path}"
    for path in sorted({path for path in paths if paths.count(path) > 1}):
        yield f"{MANIFEST} lists {path} {paths.count(path)} times"


def _bytes(output: Store, stated: Stated) -> Iterator[str]:
    """Hash every file again."""
    for file in stated.files:
        if not output.exists(file.path):
            yield f"{file.path} is missing"
            continue
        digest, length = sha256_of(output.fs, output.full(file.path))
        if digest != file.sha256 or length != file.num_bytes:
            yield f"{file.path} has other bytes than when it was written"


def _expected(paths: list[str]) -> list[str]:
    """Return every shard that must be there if those that are listed have the right names."""
    shards = {(match[1], int(match[3])) for path in paths if (match := _SHARD.fullmatch(path))}
    return [
        f"data/{split}-{number:05d}-of-{count:05d}.parquet"
        for split, count in sorted(shards)
        for number in range(count)
    ]


def _contents(output: Store, stated: Stated) -> Iterator[str]:
    """Yield what is wrong inside the files; what needs all rows is left out if some are lost."""
    rows, lines = Rows(), Lines()
    yield from _shards(output, stated, rows)
    if rows.whole:
        yield from row_problems(stated, rows)
    lines.whole = output.exists(EXPLANATIONS)
    if lines.whole:
        yield from read_lines(output, lines)
    if lines.whole:
        yield from line_problems(stated, lines)
    if rows.whole and lines.whole:
        yield from both_problems(rows, lines)
    if output.exists(RECIPE):
        yield from recipe_problems(stated, RECIPE, output.read_bytes(RECIPE))


def _shards(output: Store, stated: Stated, rows: Rows) -> Iterator[str]:
    """Read the rows of all shards."""
    for file in stated.files:
        match = _SHARD.fullmatch(file.path)
        if match is None:
            if file.num_rows is not None:
                yield f"{MANIFEST} lists rows of {file.path}, which is no shard of a split"
            continue
        if not output.exists(file.path):
            rows.whole = False
            continue
        before = rows.num_rows[match[1]]
        yield from read_shard(output, file.path, match[1], rows)
        count = rows.num_rows[match[1]] - before
        if rows.whole and count != file.num_rows:
            yield f"{file.path} has {count} rows, the manifest says {file.num_rows or 0}"
