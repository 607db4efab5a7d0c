"""All checks of an exported data set, in order."""

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
    """Hash and count all files of a data set, and compare all counts.

    Returns:
        One sentence for each contradiction; empty if there are none.

    Raises:
        DataError: The folder holds no complete data set.
    """
    if not output.exists(MANIFEST):
        raise DataError(
            f"{output.url} has no {MANIFEST}: it is not a data set, or its export was interrupted"
        )
    stated, problems = stated_of(read_manifest(output, MANIFEST))
    if stated is None:
        return problems
    return [
        *_listed(output, [file.path for file in stated.files]),
        *_bytes(output, stated),
        *count_problems(stated),
        *_contents(output, stated),
    ]


def _listed(output: Store, paths: list[str]) -> Iterator[str]:
    """Yield problems of the list of files."""
    for path in output.files("data"):
        if path not in paths:
            yield f"{path} is not in {MANIFEST}, but readers would load it"
    for path in dict.fromkeys((*_ALWAYS, *_expected(paths))):
        if path not in paths:
            yield f"{MANIFEST} does not list {path}"
    for path in sorted({path for path in paths if paths.count(path) > 1}):
        yield f"{MANIFEST} lists {path} {paths.count(path)} times"


def _bytes(output: Store, stated: Stated) -> Iterator[str]:
    """Compare the hash and size of each file."""
    for file in stated.files:
        if not output.exists(file.path):
            yield f"{file.path} is missing"
            continue
        digest, length = sha256_of(output.fs, output.full(file.path))
        if digest != file.sha256 or length != file.num_bytes:
            yield f"{file.path} has changed since it was written"


def _expected(paths: list[str]) -> list[str]:
    """Return all shards that must exist, from the names of the listed ones."""
    shards = {(match[1], int(match[3])) for path in paths if (match := _SHARD.fullmatch(path))}
    return [
        f"data/{split}-{number:05d}-of-{count:05d}.parquet"
        for split, count in sorted(shards)
        for number in range(count)
    ]


def _contents(output: Store, stated: Stated) -> Iterator[str]:
    """Yield problems inside the files; checks that need all rows are skipped if some are lost."""
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
                yield f"{MANIFEST} lists rows of {file.path}, which is not a shard of a split"
            continue
        if not output.exists(file.path):
            rows.whole = False
            continue
        before = rows.num_rows[match[1]]
        yield from read_shard(output, file.path, match[1], rows)
        count = rows.num_rows[match[1]] - before
        if rows.whole and count != file.num_rows:
            yield f"{file.path} has {count} rows, but {file.num_rows or 0} in the manifest"
