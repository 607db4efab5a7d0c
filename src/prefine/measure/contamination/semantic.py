"""The nearest benchmark text of each prompt by embeddings."""

import numpy as np
import polars as pl

from prefine.search.nearest import find_nearest
from prefine.step import Work
from prefine.tables.examples import Examples, example_vectors
from prefine.tables.vectors import PROMPT_VECTORS, read_centre, read_vectors

_ORDER = {"similarity": True, "nearest": False, "of": False}


def nearest_text(work: Work, benchmark: Examples) -> pl.DataFrame:
    """Find the nearest text of a benchmark for each prompt with an embedding.

    Args:
        work: The shard.
        benchmark: The benchmark, whose texts are embedded.

    Returns:
        ``prompt_id``, ``similarity`` in [-1, 1] and ``nearest``, the id of the text.
    """
    prompts, vectors = read_vectors(work, PROMPT_VECTORS)
    table = work.read_arrow(benchmark.vectors, part=0)
    ids = pl.Series(table["example_id"].to_pylist(), dtype=pl.String)
    embedded = np.flatnonzero(vectors.any(axis=1))
    matches = find_nearest(
        vectors[embedded], example_vectors(table, read_centre(work, PROMPT_VECTORS)), 1
    )
    return pl.DataFrame(
        {
            "prompt_id": pl.Series(prompts, dtype=pl.String).gather(embedded),
            "similarity": matches.similarities.ravel(),
            "nearest": ids.gather(matches.indices.ravel()),
        },
        schema_overrides={"similarity": pl.Float64},
    )


def nearest_of_all(frames: list[pl.DataFrame]) -> pl.DataFrame:
    """Return the nearest text of each prompt over all benchmarks; ties go to the first benchmark.

    Args:
        frames: The results of ``nearest_text``, one per benchmark.
    """
    numbered = [f.with_columns(pl.lit(number).alias("of")) for number, f in enumerate(frames)]
    ordered = pl.concat(numbered).sort(list(_ORDER), descending=list(_ORDER.values()))
    return ordered.unique("prompt_id", keep="first", maintain_order=True).drop("of")
