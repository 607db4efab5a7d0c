"""How near prompts are to examples of what the model is to be good at.

What comes in: prompt vectors, and examples. What goes out: for every prompt the nearest example and
its places in the lists of all examples. What never happens: a prompt that ranks itself; examples
are files of their own, and no prompt of the data.

Every example lists all prompts, the nearest first. A place is 1 + the number of prompts that are
nearer, so that equally near prompts share it and no order of rows decides.

    best_rank = the least place in any example's list
    score     = mean over the examples of log2(1 / place)

Source: BETR (benchmark-targeted ranking), which takes the best rank and trains a classifier on it
where there are too many texts to embed; here every prompt has its vector, so none is trained.
"""

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from prefine.errors import DataError
from prefine.measure.corpus import emit_parts, read_prompts, scattered
from prefine.measure.embeddings import VECTOR, Vectors, embedder
from prefine.measure.lists import BLOCK, Pool, pooled
from prefine.measure.nearest import nearest
from prefine.recipe import Benchmark, Encoder, TargetSimilarity
from prefine.step import Counts, Work

VECTORS = pa.schema(
    [pa.field("example_id", pa.large_string(), False), pa.field("vector", VECTOR, False)]
)
"""One row a distinct example."""

_LISTS = 16
"""Examples whose lists are in memory at once."""
_DIGITS = 6
"""Cosines are rounded to this many digits, so that as good as equal prompts share a place."""

Ranks = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float64]


def embed(work: Work, config: TargetSimilarity | Benchmark, encoder: Encoder) -> Counts:
    """Encode the distinct examples of all files.

    Args:
        work: Reads ``examples_NAME``; writes ``example_vectors_NAME``.
        config: Its name.
        encoder: The one that encodes the prompts.

    Raises:
        DataError: There is no example.
    """
    rows = work.read_all(f"examples_{config.name}", ["example_id", "text"])
    examples = rows.unique("example_id").sort("example_id")
    vectors = np.empty((0, 1), np.float16)
    if examples.height:
        said = examples["text"].to_list()
        vectors = embedder(work, encoder).encode(said, work.progress).astype(np.float16)
    solid: npt.NDArray[np.bool_] = (vectors != 0).max(axis=1, initial=False)
    if not solid.any():
        raise DataError(
            f"{config.name}: no example could be read at `{config.text}` and embedded; "
            "quarantine holds the rows that could not be read"
        )
    series: Any = pl.Series("vector", vectors[solid].astype(np.float32))
    ids = examples["example_id"].filter(pl.Series(solid)).to_list()
    columns = [pa.array(ids, pa.large_string()), series.to_arrow().cast(VECTOR)]
    table = pa.Table.from_arrays(columns, names=VECTORS.names)
    work.emit(f"example_vectors_{config.name}", table, part=0)
    work.notes["num_examples"] = len(ids)
    refused = Counter[str]()
    for manifest in work.manifests(f"examples_{config.name}"):
        refused.update(manifest.dropped)
    work.notes["quarantined"] = dict(sorted(refused.items()))
    dropped = {"repeated": rows.height - examples.height, "blank": examples.height - len(ids)}
    return Counts(rows.height, len(ids), {reason: n for reason, n in dropped.items() if n})


def measure(work: Work, config: TargetSimilarity) -> Counts:
    """Rank the prompts of all shards by their likeness to the examples."""
    name = config.name
    prompts = read_prompts(work)
    solid = prompts.solid
    vectors = prompts.vectors if len(solid) == len(prompts.ids) else prompts.vectors[solid]
    examples = unit_vectors(work.read_arrow(f"example_vectors_{name}", part=0))
    near = nearest(vectors, examples, 1)
    best, score = ranked(vectors, examples)
    column = pl.col(f"{name}_similarity")
    found = prompts.frame().with_columns(
        scattered(prompts, near.similarities.ravel()).alias(f"{name}_similarity"),
        scattered(prompts, best.astype(np.float64)).cast(pl.Int64).alias(f"{name}_best_rank"),
        scattered(prompts, score).alias(f"{name}_score"),
    )
    reason = pl.when(column.is_null()).then(pl.lit("blank")).alias(f"{name}_reason")
    emit_parts(work, f"measure_{name}", found.with_columns(reason))
    return Counts(len(prompts.ids), found.height)


def unit_vectors(table: pa.Table) -> Vectors:
    """Return the stored vectors with the norms that rounding took from them."""
    column: Any = table["vector"].combine_chunks()
    flat: npt.NDArray[np.float16] = column.flatten().to_numpy(zero_copy_only=False)
    vectors = flat.astype(np.float32).reshape(table.num_rows, -1)
    norms = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))[:, None]
    return np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)


def ranked(vectors: Vectors, examples: Vectors) -> tuple[Ranks, Scores]:
    """Return the best rank and the score of each prompt.

    Args:
        vectors: Unit vectors of the prompts, shape (prompts, dimensions).
        examples: Unit vectors of the examples, shape (examples, dimensions).

    Returns:
        Best ranks, from 1, and scores, at most 0, shape (prompts,) each.
    """
    best = np.full(len(vectors), len(vectors), np.int64)
    total = np.zeros(len(vectors))
    with pooled() as pool:
        for start in range(0, len(examples), _LISTS):
            for of_example in _cosines(examples[start : start + _LISTS], vectors, pool):
                places = places_of(of_example)
                best = np.minimum(best, places)
                total -= np.log2(places)
    return best, total / len(examples)


def _cosines(examples: Vectors, vectors: Vectors, pool: Pool) -> Scores:
    """Return rounded cosines, shape (examples, prompts), the same from any number of threads.

    In float32 the last bits of a product depend on the processor, on the threads that share it and
    on where in it a row stands. In float64 they lie eight digits behind the last that is kept.
    """
    found = np.empty((len(examples), len(vectors)))
    wide = examples.astype(np.float64)

    def multiply(block: int) -> None:
        mine = slice(block * BLOCK, (block + 1) * BLOCK)
        found[:, mine] = (wide @ vectors[mine].astype(np.float64).T).round(_DIGITS)

    pool.each(multiply, -(-len(vectors) // BLOCK))
    return found


def places_of(similarities: Scores | npt.NDArray[np.float32]) -> Ranks:
    """Return 1 + the number of larger values, of each value."""
    upto = np.searchsorted(np.sort(similarities), similarities, side="right")
    return len(similarities) - upto + 1
