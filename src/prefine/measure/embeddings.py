"""Embeddings of prompts and responses, once, for every measure that needs them.

What comes in: texts. What goes out: float16 unit vectors by id. What never happens: a text that is
encoded twice because it stands in two pairs, or twice in a shard.
"""

import io
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from prefine.errors import RecipeError
from prefine.measure.texts import texts
from prefine.recipe import Encoder
from prefine.serve.static import Static, StaticEmbedder
from prefine.step import Counts, Work

VECTOR = pa.large_list(pa.float16())
TABLES = {
    "prompt_vectors": ("prompts", "prompt_id"),
    "response_vectors": ("responses", "response_id"),
}
"""The tables of vectors: which texts they encode, and their key."""

_FILES = ("tokenizer.json", "vectors.npy")

Vectors = npt.NDArray[np.float32]


def distil(work: Work, config: Encoder) -> Counts:
    """Distil the encoder into the root, so that all shards and workers use the same bytes.

    A copy is kept in the cache folder of the runtime, under this step's fingerprint.
    """
    cached = Path(work.runtime.cache).expanduser() / work.step.folder
    if not _whole(cached):
        _distil_to(cached, config)
    for name in _FILES:
        work.draft(name).write((cached / name).read_bytes())
    return Counts(0, 0)


def _whole(folder: Path) -> bool:
    return all((folder / name).exists() for name in _FILES)


def _distil_to(folder: Path, config: Encoder) -> None:
    from prefine.serve import encoder

    static = encoder.distil(config)
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


def embed(work: Work, config: Encoder, table: str) -> Counts:
    """Encode the texts of a shard.

    Args:
        work: Reads prompts or responses; writes ``table``.
        config: The encoder.
        table: ``prompt_vectors`` or ``response_vectors``.
    """
    origin, key = TABLES[table]
    ids, found = texts(work, origin, key)
    vectors, is_cut = np.empty((0, 1), np.float16), list[bool]()
    if found:
        encoding = embedder(work, config)
        distinct = sorted(set(found))
        place = {text: index for index, text in enumerate(distinct)}
        which = [place[text] for text in found]
        vectors = encoding.encode(distinct, work.progress).astype(np.float16)[which]
        cuts = encoding.cuts(distinct)
        is_cut = [cuts[index] for index in which]
        work.progress(len(found) - len(distinct))
    work.emit(
        table, _arrow(key, ids, vectors).append_column("is_cut", pa.array(is_cut, pa.bool_()))
    )
    return Counts(len(ids), len(ids))


class Embeds(Protocol):
    """Anything that turns texts into vectors."""

    def encode(self, texts: Sequence[str], done: Callable[[int], None]) -> Vectors:
        """Return one unit vector a text, shape (texts, dimensions); tell how many are done."""
        ...

    def cuts(self, texts: Sequence[str]) -> list[bool]:
        """Tell of each text whether its vector is that of its beginning alone."""
        ...


def embedder(work: Work, config: Encoder) -> Embeds:
    """Return what embeds texts as the recipe says."""
    if config.static:
        return StaticEmbedder(_static(work), config.max_chars)
    if config.served_model is not None:
        return _served(work, config)
    from prefine.serve.encoder import Embedder

    return Embedder(config, work.runtime)


def _served(work: Work, config: Encoder) -> Embeds:
    from prefine.serve.embed_server import ServedEmbedder

    embedder = ServedEmbedder(config, work.runtime)
    work.notes["servers"] = embedder.check()
    return embedder


def _static(work: Work) -> Static:
    step = next(step for step in work.step.upstream if step.name == "encoder")
    tokenizer, vectors = (work.store.read_bytes(f"{step.folder}/{name}") for name in _FILES)
    return Static(tokenizer.decode(), np.load(io.BytesIO(vectors)))


def _arrow(key: str, ids: list[str], vectors: npt.NDArray[np.float16]) -> pa.Table:
    series: Any = pl.Series("vector", vectors.astype(np.float32))
    columns = [pa.array(ids, type=pa.large_string()), series.to_arrow().cast(VECTOR)]
    return pa.Table.from_arrays(columns, names=[key, "vector"])


def read_vectors(work: Work, table: str, part: int | None = None) -> tuple[list[str], Vectors]:
    """Return ids and unit vectors of one part, shape (rows, dimensions), float32.

    Storage rounds to float16, so the norms are restored here; a blank text's zeros stay zero.
    """
    _, key = TABLES[table]
    arrow = work.read_arrow(table, part=part)
    ids = cast("list[str]", arrow[key].to_pylist())
    if not ids:
        return ids, np.empty((0, 1), np.float32)
    column: Any = arrow["vector"].combine_chunks()
    flat: npt.NDArray[np.float16] = column.flatten().to_numpy(zero_copy_only=False)
    vectors = flat.astype(np.float32).reshape(len(ids), -1)
    norms = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))[:, None]
    return ids, np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)
