"""Resolve the names in a recipe: files to their hashes, models to their digests.

A worker gets the resolved recipe and does not repeat this.
"""

from prefine.errors import DataError, RecipeError, ServiceError
from prefine.ingest.detect import detect_for_source
from prefine.ingest.files import resolve_location
from prefine.ingest.kept import infer_kept_columns
from prefine.ingest.layout import Layout
from prefine.ingest.read import layout_of
from prefine.ingest.source import Source
from prefine.planning.files import Finder
from prefine.planning.preview import require_keys
from prefine.recipe import Recipe, Resolved
from prefine.recipe.check import require_columns
from prefine.serve.weights import resolved_model
from prefine.settings import File, Model, Runtime
from prefine.tables.vectors import PROMPT_VECTORS, RESPONSE_VECTORS

_SHARD_BYTES = 64 * 2**20


def resolve(recipe: Recipe, runtime: Runtime) -> Resolved:
    """Resolve the files and models of a recipe, and choose the number of shards.

    Raises:
        RecipeError: A file or model is missing, a hash differs, no row has a key that the
            recipe names, or an extra that reads a file is not installed.
        ServiceError: The hub does not return the revision of a model.
        DataError: A file is empty, cannot be read, is listed twice, or has no known layout.
    """
    finder = Finder(recipe, runtime)
    files: dict[str, tuple[File, ...]] = {}
    for source in recipe.sources:
        for wanted in source.file_sets():
            files[wanted.key] = finder.files(wanted)
        files[source.key] = _with_layouts(source, files[source.key], runtime.data, finder)
    size = sum(file.num_bytes for source in recipe.sources for file in files[source.key])
    for measure in recipe.measures:
        for wanted in measure.file_sets():
            files[wanted.key] = finder.files(wanted)
    for verdicts in recipe.verdicts:
        files[verdicts.file_set.key] = finder.files(verdicts.file_set)
    require_keys(recipe, files, runtime.data)
    sources = [(source, _layouts(source, files[source.key])) for source in recipe.sources]
    resolved = Resolved(
        recipe=recipe,
        shards=recipe.shards or max(1, -(-size // _SHARD_BYTES)),
        files=files,
        models=_models(recipe),
        kept=infer_kept_columns(sources, files, runtime.data),
    )
    require_columns(resolved)
    return resolved


def _layouts(source: Source, files: tuple[File, ...]) -> list[tuple[File, Layout]]:
    return [(file, layout_of(source, file)) for file in files]


def _models(recipe: Recipe) -> dict[str, Model]:
    """Return the models that measures name, and the sentence encoder, with their identity.

    Raises:
        RecipeError: A model is missing, or an extra that it needs; the measure is named.
        ServiceError: The hub does not return the revision of a model.
    """
    named = [
        (index, weights)
        for index, measure in enumerate(recipe.measures)
        for weights in measure.weights_named()
    ]
    embedding = _embedding(recipe)
    if embedding is not None:
        named.append((embedding, recipe.encoder.weights))
    found: dict[str, Model] = {}
    for index, weights in named:
        try:
            found[weights.key] = resolved_model(weights)
        except (RecipeError, ServiceError) as error:
            where = recipe.where(("measures", index))
            raise type(error)(f"{where}: {error}") from error
    return found


def embeds(recipe: Recipe) -> bool:
    """Return whether a measure of the recipe reads embeddings."""
    return _embedding(recipe) is not None


def _embedding(recipe: Recipe) -> int | None:
    """Return the index of the first measure that reads embeddings; null if there is none."""
    view = recipe.view()
    tables = {PROMPT_VECTORS.table, RESPONSE_VECTORS.table}
    for index, measure in enumerate(recipe.measures):
        if any(tables & set(step.reads) for step in (measure.spec(view), *measure.helpers(view))):
            return index
    return None


def _with_layouts(
    source: Source, files: tuple[File, ...], data: str, finder: Finder
) -> tuple[File, ...]:
    """Recognise the layout of each file, if the source names none.

    Raises:
        RecipeError: The layout has options that the recipe must give.
        DataError: No layout matches, several match, or no row can be read.
    """
    if source.format is not None:
        return files
    found: list[File] = []
    for file in files:
        try:
            detection = detect_for_source(source, resolve_location(file.path, data))
        except (RecipeError, DataError) as error:
            raise type(error)(f"{finder.where(source.file_sets()[0])}: {error}") from error
        more = {"format": detection.format, "reason": detection.reason}
        found.append(file.model_copy(update=more))
    return tuple(found)
