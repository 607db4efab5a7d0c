"""Find out what the names in a recipe stand for: files and their hashes, models and their digests.

A worker that gets a resolved recipe finds nothing out again; it only reads.
"""

import re

from prefine.errors import DataError, RecipeError
from prefine.ingest.detect import recognised
from prefine.ingest.files import digest_of_source, location
from prefine.ingest.kept import kept_columns
from prefine.ingest.layout import Layout
from prefine.ingest.read import layout_of
from prefine.ingest.source import Source
from prefine.recipe import Recipe, Resolved
from prefine.recipe.check import require_columns
from prefine.serve.weights import resolved_model
from prefine.settings import File, FileSet, Runtime
from prefine.store import filesystem
from prefine.tables.vectors import PROMPT_VECTORS, RESPONSE_VECTORS

_SHARD_BYTES = 64 * 2**20


def resolve(recipe: Recipe, runtime: Runtime) -> Resolved:
    """Look up files and models, and choose the number of shards.

    Raises:
        RecipeError: A file is missing, a hash differs, a model is not there.
        ServiceError: The hub does not return the revision of a model.
        DataError: A file cannot be read, stands in the source twice, or has no known layout.
    """
    files: dict[str, tuple[File, ...]] = {}
    for source in recipe.sources:
        for wanted in source.file_sets():
            files[wanted.key] = _files(wanted, runtime.data)
        files[source.key] = _with_layouts(source, files[source.key], runtime.data)
    size = sum(file.num_bytes for source in recipe.sources for file in files[source.key])
    for measure in recipe.measures:
        for wanted in measure.file_sets():
            files[wanted.key] = _files(wanted, runtime.data)
    for verdicts in recipe.verdicts:
        files[verdicts.file_set.key] = _files(verdicts.file_set, runtime.data)
    weights = [named for measure in recipe.measures for named in measure.weights_named()]
    if embeds(recipe):
        weights.append(recipe.encoder.weights)
    sources = [(source, _layouts(source, files[source.key])) for source in recipe.sources]
    resolved = Resolved(
        recipe=recipe,
        shards=recipe.shards or max(1, -(-size // _SHARD_BYTES)),
        files=files,
        models={named.key: resolved_model(named) for named in weights},
        kept=kept_columns(sources, files, runtime.data),
    )
    require_columns(resolved)
    return resolved


def _layouts(source: Source, files: tuple[File, ...]) -> list[tuple[File, Layout]]:
    return [(file, layout_of(source, file)) for file in files]


def embeds(recipe: Recipe) -> bool:
    """Tell whether a measure of the recipe reads embeddings."""
    view = recipe.view()
    tables = {PROMPT_VECTORS.table, RESPONSE_VECTORS.table}
    steps = [m.spec(view) for m in recipe.measures]
    steps += [helper for m in recipe.measures for helper in m.helpers(view)]
    return any(tables & set(step.reads) for step in steps)


def _with_layouts(source: Source, files: tuple[File, ...], data: str) -> tuple[File, ...]:
    """Recognise the layout of each file, where the source names none."""
    if source.format is not None:
        return files
    found = [recognised(source, location(file.path, data)) for file in files]
    return tuple(
        file.model_copy(update={"format": detection.format, "reason": detection.reason})
        for file, detection in zip(files, found, strict=True)
    )


def _require_hashes(wanted: FileSet, files: tuple[File, ...]) -> None:
    hashes = sorted(file.sha256 for file in files)
    if wanted.sha256 and sorted(wanted.sha256) != hashes:
        found = ", ".join(f"{file.path} has {file.sha256}" for file in files)
        raise RecipeError(f"{wanted.key}: other bytes than `sha256` says; {found}")


def _files(wanted: FileSet, data: str) -> tuple[File, ...]:
    """Expand globs and hash the files; sorted by hash, so that names and order do not matter."""
    found: dict[tuple[str, tuple[tuple[str, str], ...]], File] = {}
    for pattern in wanted.patterns:
        for path in _expanded(wanted.key, pattern, data):
            file = _file(wanted, path, data)
            key = (file.sha256, tuple(sorted(file.fields.items())))
            if key in found:
                raise DataError(
                    f"{wanted.key}: {found[key].path} and {path} hold the same bytes; "
                    "leave one of them out"
                )
            found[key] = file
    files = tuple(found[key] for key in sorted(found))
    _require_hashes(wanted, files)
    return files


def _expanded(what: str, pattern: str, data: str) -> list[str]:
    """Return the paths that a pattern matches, relative where the recipe is."""
    if pattern.startswith("hf://"):
        return [pattern]
    full = location(pattern, data)
    fs, path = filesystem(full)
    if not any(sign in pattern for sign in "*?["):
        if not fs.exists(path):
            raise RecipeError(f"{what}: there is no file {full}")
        return [pattern]
    matches = sorted(match for match in fs.glob(path) if not fs.isdir(match))
    if not matches:
        raise RecipeError(f"{what}: no file matches {full}")
    if "://" in pattern:
        return [fs.unstrip_protocol(match) for match in matches]
    if full == pattern:
        return matches
    base = filesystem(data)[1].rstrip("/") + "/"
    return [match.removeprefix(base) for match in matches]


def _file(wanted: FileSet, path: str, data: str) -> File:
    fields: dict[str, str] = {}
    if wanted.path_fields is not None:
        match = re.search(wanted.path_fields, path)
        if match is None:
            raise RecipeError(f"{wanted.key}: `path_fields` does not match {path}")
        fields = {name: value for name, value in match.groupdict().items() if value is not None}
    digest, length = digest_of_source(location(path, data))
    return File(path=path, sha256=digest, num_bytes=length, fields=fields)
