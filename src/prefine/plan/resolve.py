"""A recipe, filled in with what only its inputs can tell.

What comes in: a recipe as written. What goes out: the same with files and their hashes, digests of
models, the number of shards, the exported columns. What never happens: a second hashing of what is
resolved already; a worker that gets a resolved recipe only reads.
"""

import re
from typing import Any

import yaml

from prefine.errors import DataError, RecipeError
from prefine.export.rows import exported_columns
from prefine.ingest.files import digest_of_source
from prefine.ingest.read import detect_file, location
from prefine.recipe import (
    Benchmark,
    BootstrapReward,
    Contamination,
    Cosine,
    File,
    LabelConsistency,
    NearDuplicates,
    PromptNeighbours,
    PromptTopics,
    Recipe,
    Runtime,
    Source,
    TargetSimilarity,
    Weights,
)
from prefine.serve import weights
from prefine.store import filesystem

_SHARD_BYTES = 64 * 2**20
_EMBEDDED = (
    *(Cosine, LabelConsistency, BootstrapReward),
    *(PromptTopics, PromptNeighbours, TargetSimilarity),
)
"""The measures that always need embeddings."""


def resolve(recipe: Recipe, runtime: Runtime) -> Recipe:
    """Fill in files and their hashes, digests of models, shards and exported columns.

    Raises:
        RecipeError: A file is missing, a hash differs, a model is not there.
        ServiceError: The hub cannot tell the revision of a model.
        DataError: A file cannot be read, stands in the source twice, or has no known layout.
    """
    if all(source.resolved for source in recipe.sources):
        return recipe
    sources = tuple(_source(source, runtime.data) for source in recipe.sources)
    size = sum(file.num_bytes for source in sources for file in source.resolved)
    export = recipe.export.model_copy(update={"columns": tuple(exported_columns(recipe))})
    return recipe.model_copy(
        update={
            "sources": sources,
            "shards": recipe.shards or max(1, -(-size // _SHARD_BYTES)),
            "encoder": _digested(recipe.encoder) if embeds(recipe) else recipe.encoder,
            "measures": tuple(_measure(measure, runtime.data) for measure in recipe.measures),
            "export": export,
        }
    )


def embeds(recipe: Recipe) -> bool:
    """Tell whether a measure of the recipe needs embeddings."""
    return any(
        isinstance(m, _EMBEDDED) or (isinstance(m, NearDuplicates | Contamination) and m.semantic)
        for m in recipe.measures
    )


def to_yaml(recipe: Recipe) -> str:
    """Return a recipe as YAML, every default written out."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def pinned(recipe: Recipe) -> Recipe:
    """Return a resolved recipe as one that can be run again: hashes pin what paths only name."""
    sources = [
        source.model_copy(
            update={
                "sha256": tuple(file.sha256 for file in source.resolved),
                "resolved": (),
                "tables": {
                    name: table.model_copy(update={"resolved": ()})
                    for name, table in source.tables.items()
                },
            }
        )
        for source in recipe.sources
    ]
    measures = [_pinned(measure) for measure in recipe.measures]
    return recipe.model_copy(update={"sources": tuple(sources), "measures": tuple(measures)})


def _pinned(measure: Any) -> Any:
    if isinstance(measure, Contamination):
        pinned_ = tuple(_pinned(benchmark) for benchmark in measure.benchmarks)
        return measure.model_copy(update={"benchmarks": pinned_})
    if not isinstance(measure, TargetSimilarity | Benchmark):
        return measure
    hashes = tuple(file.sha256 for file in measure.resolved)
    return measure.model_copy(update={"sha256": hashes, "resolved": ()})


def _measure(measure: Any, data: str) -> Any:
    """Fill in the files of a measure, and what identifies its models."""
    if isinstance(measure, Contamination):
        benchmarks = tuple(_measure(benchmark, data) for benchmark in measure.benchmarks)
        return measure.model_copy(update={"benchmarks": benchmarks})
    if not isinstance(measure, TargetSimilarity | Benchmark):
        return _digested(measure)
    what = f"{'benchmark' if isinstance(measure, Benchmark) else 'measure'} {measure.name}"
    files = _files(what, measure.files, None, data)
    _require_pinned(what, measure.sha256, files)
    return measure.model_copy(update={"resolved": files})


def _require_pinned(what: str, pinned: tuple[str, ...], files: tuple[File, ...]) -> None:
    if pinned and sorted(pinned) != sorted(file.sha256 for file in files):
        found = ", ".join(f"{file.path} has {file.sha256}" for file in files)
        raise RecipeError(f"{what}: other bytes than `sha256` says; {found}")


def _source(source: Source, data: str) -> Source:
    what = f"source {source.name}"
    files = _files(what, source.files, source.path_fields, data)
    if source.format is None:
        files = tuple(_recognised(file, source, data) for file in files)
    _require_pinned(what, source.sha256, files)
    tables = {
        name: table.model_copy(
            update={"resolved": _files(what, table.files, table.path_fields, data)}
        )
        for name, table in source.tables.items()
    }
    return source.model_copy(update={"resolved": files, "tables": tables})


def _recognised(file: File, source: Source, data: str) -> File:
    found, _ = detect_file(location(file.path, data), source.max_row_bytes)
    return file.model_copy(update={"format": found.format, "reason": found.reason})


def _files(
    what: str, patterns: tuple[str, ...], path_fields: str | None, data: str
) -> tuple[File, ...]:
    """Expand globs and hash the files; sorted by hash, so that names and order have no say."""
    found: dict[tuple[str, tuple[tuple[str, str], ...]], File] = {}
    for pattern in patterns:
        for path in _expanded(what, pattern, data):
            file = _file(what, path, path_fields, data)
            key = (file.sha256, tuple(sorted(file.fields.items())))
            if key in found:
                raise DataError(
                    f"{what}: {found[key].path} and {path} hold the same bytes; "
                    "leave one of them out"
                )
            found[key] = file
    return tuple(found[key] for key in sorted(found))


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


def _file(what: str, path: str, path_fields: str | None, data: str) -> File:
    fields: dict[str, str] = {}
    if path_fields is not None:
        match = re.search(path_fields, path)
        if match is None:
            raise RecipeError(f"{what}: `path_fields` does not match {path}")
        fields = {name: value for name, value in match.groupdict().items() if value is not None}
    digest, length = digest_of_source(location(path, data))
    return File(path=path, sha256=digest, num_bytes=length, fields=fields)


def _digested(settings: Any) -> Any:
    """Fill in what identifies the models of an encoder or a measure."""
    update = {
        name: weights.pinned(value)
        for name in ("weights", "tokenizer")
        if isinstance(value := getattr(settings, name, None), Weights)
    }
    return settings.model_copy(update=update) if update else settings
