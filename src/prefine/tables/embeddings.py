"""The steps that embed prompts and responses, one table each.

A text is encoded once however many pairs, or rows of a shard, hold it.
"""

import io
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from prefine.errors import RecipeError
from prefine.serve.embedded import Embedded
from prefine.serve.vllm.served import Served
from prefine.settings import DEFAULT_ENCODER, ENCODER, Encoder, Inputs, Need, Runtime
from prefine.settings.extras import EXTRAS
from prefine.settings.json import Json
from prefine.step import Counts, Step, StepSpec, Work
from prefine.tables.centre import centre_spec
from prefine.tables.texts import texts
from prefine.tables.vectors import (
    PROMPT_VECTORS,
    RESPONSE_VECTORS,
    VECTOR,
    VectorTable,
    stored,
)

_DISTIL_VERSION = 2
_EMBED_VERSION = 3
_FILES = ("tokenizer.json", "vectors.npy")
_DISTILLED = "distilled_encoder"


def embedding_specs(encoder: Encoder, inputs: Inputs) -> Iterator[StepSpec]:
    """Yield the steps that make the tables of vectors, and the distilled encoder they need.

    Args:
        encoder: What embeds.
        inputs: What the encoder's name stands for.
    """
    if encoder.static:
        yield StepSpec(
            name="encoder",
            version=_DISTIL_VERSION,
            run=lambda work: _run_distillation(work, encoder),
            reads=(),
            writes={},
            config=encoder.distillation(inputs),
            num_parts=1,
            scope="corpus",
            uses="model",
            provides=(_DISTILLED,),
            needs=(_encoder_need(encoder, "local"),),
        )
    for made in (PROMPT_VECTORS, RESPONSE_VECTORS):
        yield _embedding_spec(made, encoder, encoder.embedding(inputs))
        yield centre_spec(made, center=encoder.center)


def _embedding_spec(made: VectorTable, encoder: Encoder, config: Json) -> StepSpec:
    fields = [pa.field(made.key, pa.large_string(), False)]
    fields += [pa.field("vector", VECTOR), pa.field("is_cut", pa.bool_(), False)]
    fields.append(pa.field("reason", pa.large_string()))
    return StepSpec(
        name=made.table,
        version=_EMBED_VERSION,
        run=lambda work: _run_embeddings(work, encoder, made),
        reads=(made.texts, *encoder_tables(encoder)),
        writes={made.table: pa.schema(fields)},
        config=config,
        uses="cpu" if encoder.static else "model",
        rows_of=made.texts,
        rows_to=made.table,
        server=server_of(encoder),
        needs=embedder_needs(encoder),
    )


def encoder_tables(encoder: Encoder) -> tuple[str, ...]:
    """Return what a step that embeds texts reads beside them."""
    return (_DISTILLED,) if encoder.static else ()


def embedder_needs(encoder: Encoder) -> tuple[Need, ...]:
    """Return the extras that a step needs which embeds texts."""
    if encoder.static or encoder.served_model is not None:
        return (Need("tokenizer", "the sentence encoder"),)
    return (_encoder_need(encoder, encoder.backend if encoder.backend in EXTRAS else "local"),)


def _encoder_need(encoder: Encoder, extra: str) -> Need:
    """Return the need of an extra, or of ``encoder`` where that suffices for the default model."""
    bundled = extra == "local" and encoder.weights.model == DEFAULT_ENCODER
    return Need("encoder" if bundled else extra, "the sentence encoder")


def server_of(encoder: Encoder) -> str | None:
    """Return the name of the servers that embed, where servers do."""
    return None if encoder.served_model is None else ENCODER


def served_encoder(encoder: Encoder, inputs: Inputs) -> Served | None:
    """Return what servers of the encoder must serve, where the recipe has it served."""
    if encoder.served_model is None:
        return None
    return Served(
        name=ENCODER,
        served_model=encoder.served_model,
        model=encoder.weights.resolved(inputs),
        task="embed",
        dtype="float32",
        max_tokens=encoder.max_tokens,
    )


def _run_distillation(work: Work, config: Encoder) -> Counts:
    """Distil the encoder into the root, so that all shards and workers use the same bytes.

    A copy is kept in the cache folder of the runtime, under this step's fingerprint.
    """
    cached = _cache_of(work.step, work.runtime)
    if not _whole(cached):
        _distil_to(cached, work, config)
    for name in _FILES:
        work.draft(name).write((cached / name).read_bytes())
    return Counts(0, 0)


def is_cached(step: Step, runtime: Runtime) -> bool:
    """Tell whether the cache of the runtime holds the encoder that a step would distil."""
    return _DISTILLED in step.provides and _whole(_cache_of(step, runtime))


def _cache_of(step: Step, runtime: Runtime) -> Path:
    return Path(runtime.cache).expanduser() / step.folder


def _whole(folder: Path) -> bool:
    return all((folder / name).exists() for name in _FILES)


def _distil_to(folder: Path, work: Work, config: Encoder) -> None:
    from prefine.serve.local.encoder import distil

    static = distil(work.model(config.weights), config.dimensions)
    draft = folder.with_name(f"{folder.name}.{id(static):x}.draft")
    try:
        draft.mkdir(parents=True)
    except OSError as error:
        raise RecipeError(f"cannot write to the cache (`cache` of the runtime): {error}") from error
    (draft / _FILES[0]).write_text(static.tokenizer, encoding="utf-8")
    np.save(draft / _FILES[1], static.vectors)
    try:
        draft.rename(folder)
    except OSError:
        # another run was first, and made the same bytes; or a file was taken from the folder
        shutil.rmtree(draft if _whole(folder) else folder)
        if draft.exists():
            draft.rename(folder)


def _run_embeddings(work: Work, config: Encoder, made: VectorTable) -> Counts:
    """Encode the texts of a shard."""
    ids, found = texts(work, made.texts, made.key)
    distinct = sorted(set(found))
    place = {text: index for index, text in enumerate(distinct)}
    which = [place[text] for text in found]
    encoded = Embedded(np.empty((0, 1), np.float32), [], [])
    if found:
        encoded = embedder(work, config).embed(distinct, work.progress)
        work.progress(len(found) - len(distinct))
    vectors, reasons = stored(encoded)
    columns = {
        made.key: pa.array(ids, pa.large_string()),
        "vector": vectors.take(pa.array(which, pa.int64())),
        "is_cut": pa.array([encoded.is_cut[index] for index in which], pa.bool_()),
        "reason": pa.array([reasons[index] for index in which], pa.large_string()),
    }
    work.emit(made.table, pa.table(columns))
    return Counts(len(ids), len(ids))


class Embeds(Protocol):
    """Anything that turns texts into vectors."""

    def embed(self, texts: Sequence[str], done: Callable[[int], None]) -> Embedded:
        """Embed texts; tell how many more are done."""
        ...


def embedder(work: Work, config: Encoder) -> Embeds:
    """Return what embeds texts as the recipe says."""
    if config.static:
        from prefine.serve.local.static import Static, StaticEmbedder

        distilled = Static(*_distilled(work))
        return StaticEmbedder(distilled, config.max_chars, config.max_unknown_ratio)
    served = served_encoder(config, work.step.inputs)
    if served is not None:
        from prefine.serve.vllm.embed import EmbedClient

        client = EmbedClient(served, config, work.runtime)
        work.notes["servers"] = client.check()
        return client
    from prefine.serve.local.encoder import LocalEmbedder

    return LocalEmbedder(config, work.model(config.weights), work.runtime)


def _distilled(work: Work) -> tuple[str, npt.NDArray[np.float16]]:
    """Return the tokenizer, as JSON, and the vectors of the distilled encoder."""
    step = work.source_of(_DISTILLED)
    tokenizer, vectors = (work.store.read_bytes(f"{step.folder}/{name}") for name in _FILES)
    return tokenizer.decode(), np.load(io.BytesIO(vectors))
