"""The steps that embed prompts and responses, one table each.

Each distinct text of a shard is embedded once.
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
    to_arrow_vectors,
)

_DISTIL_VERSION = 2
_EMBED_VERSION = 3
_FILES = ("tokenizer.json", "vectors.npy")
_DISTILLED = "distilled_encoder"


def embedding_specs(encoder: Encoder, inputs: Inputs) -> Iterator[StepSpec]:
    """Yield the steps that distil the encoder, embed texts and compute centres.

    Args:
        encoder: The encoder of the recipe.
        inputs: The resolved files and models.
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
    for vector_table in (PROMPT_VECTORS, RESPONSE_VECTORS):
        yield _embedding_spec(vector_table, encoder, encoder.embedding(inputs))
        yield centre_spec(vector_table, center=encoder.center)


def _embedding_spec(vector_table: VectorTable, encoder: Encoder, config: Json) -> StepSpec:
    fields = [pa.field(vector_table.key, pa.large_string(), False)]
    fields += [pa.field("vector", VECTOR), pa.field("is_cut", pa.bool_(), False)]
    fields.append(pa.field("reason", pa.large_string()))
    return StepSpec(
        name=vector_table.table,
        version=_EMBED_VERSION,
        run=lambda work: _run_embeddings(work, encoder, vector_table),
        reads=(vector_table.texts, *encoder_tables(encoder)),
        writes={vector_table.table: pa.schema(fields)},
        config=config,
        uses="cpu" if encoder.static else "model",
        rows_of=vector_table.texts,
        rows_to=vector_table.table,
        server=server_of(encoder),
        needs=embedder_needs(encoder),
    )


def encoder_tables(encoder: Encoder) -> tuple[str, ...]:
    """Return the tables that an embedding step reads in addition to the texts."""
    return (_DISTILLED,) if encoder.static else ()


def embedder_needs(encoder: Encoder) -> tuple[Need, ...]:
    """Return the extras that a step needs to embed texts."""
    if encoder.static or encoder.served_model is not None:
        return (Need("tokenizer", "the sentence encoder"),)
    return (_encoder_need(encoder, encoder.backend if encoder.backend in EXTRAS else "local"),)


def _encoder_need(encoder: Encoder, extra: str) -> Need:
    """Return the need of an extra; for the default model in process, of the extra ``encoder``."""
    bundled = extra == "local" and encoder.weights.model == DEFAULT_ENCODER
    return Need("encoder" if bundled else extra, "the sentence encoder")


def server_of(encoder: Encoder) -> str | None:
    """Return the name of the encoder's servers; None if the encoder is not served."""
    return None if encoder.served_model is None else ENCODER


def served_encoder(encoder: Encoder, inputs: Inputs) -> Served | None:
    """Return what the encoder's servers must serve; None if the encoder is not served."""
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
    """Distil the encoder and store it in the root, so all shards and workers use the same bytes.

    A copy is cached under the fingerprint of this step.
    """
    cached = _cache_of(work.step, work.runtime)
    if not _is_complete(cached):
        _distil_to(cached, work, config)
    for name in _FILES:
        work.draft(name).write((cached / name).read_bytes())
    return Counts(0, 0)


def is_cached(step: Step, runtime: Runtime) -> bool:
    """Return whether the cache has the encoder that a step would distil."""
    return _DISTILLED in step.provides and _is_complete(_cache_of(step, runtime))


def _cache_of(step: Step, runtime: Runtime) -> Path:
    return Path(runtime.cache).expanduser() / step.folder


def _is_complete(folder: Path) -> bool:
    return all((folder / name).exists() for name in _FILES)


def _distil_to(folder: Path, work: Work, config: Encoder) -> None:
    from prefine.serve.local.encoder import distil

    static = distil(work.model(config.weights), config.dimensions)
    draft = folder.with_name(f"{folder.name}.{id(static):x}.draft")
    try:
        draft.mkdir(parents=True)
    except OSError as error:
        raise RecipeError(
            f"cannot write to the cache folder {folder.parent}: {error}; set `cache` of the "
            "runtime to a writable folder"
        ) from error
    (draft / _FILES[0]).write_text(static.tokenizer, encoding="utf-8")
    np.save(draft / _FILES[1], static.vectors)
    try:
        draft.rename(folder)
    except OSError:
        # another run finished first with the same bytes, or a file of the folder was deleted
        shutil.rmtree(draft if _is_complete(folder) else folder)
        if draft.exists():
            draft.rename(folder)


def _run_embeddings(work: Work, config: Encoder, vector_table: VectorTable) -> Counts:
    """Embed the texts of a shard."""
    ids, all_texts = texts(work, vector_table.texts, vector_table.key)
    distinct = sorted(set(all_texts))
    row_of = {text: row for row, text in enumerate(distinct)}
    rows = [row_of[text] for text in all_texts]
    encoded = Embedded(np.empty((0, 1), np.float32), [], [])
    if all_texts:
        encoded = embedder(work, config).embed(distinct, work.progress)
        work.progress(len(all_texts) - len(distinct))
    vectors, reasons = to_arrow_vectors(encoded)
    columns = {
        vector_table.key: pa.array(ids, pa.large_string()),
        "vector": vectors.take(pa.array(rows, pa.int64())),
        "is_cut": pa.array([encoded.is_cut[row] for row in rows], pa.bool_()),
        "reason": pa.array([reasons[row] for row in rows], pa.large_string()),
    }
    work.emit(vector_table.table, pa.table(columns))
    return Counts(len(ids), len(ids))


class Embeds(Protocol):
    """An object that embeds texts."""

    def embed(self, texts: Sequence[str], done: Callable[[int], None]) -> Embedded:
        """Embed texts.

        Args:
            texts: The texts.
            done: Called with the number of texts embedded since the last call.
        """
        ...


def embedder(work: Work, config: Encoder) -> Embeds:
    """Return the embedder of a recipe: distilled, served by vLLM, or in process."""
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
    """Return the tokenizer as JSON and the token vectors of the distilled encoder."""
    step = work.source_of(_DISTILLED)
    tokenizer, vectors = (work.store.read_bytes(f"{step.folder}/{name}") for name in _FILES)
    return tokenizer.decode(), np.load(io.BytesIO(vectors))
