"""The benchmark text that is nearest to each prompt."""

import numpy as np
import polars as pl

from prefine.search.nearest import nearest
from prefine.step import Work
from prefine.tables.examples import Examples, example_vectors
from prefine.tables.vectors import PROMPT_VECTORS, read_centre, read_vectors

_ORDER = {"similarity": True, "nearest": False, "of": False}


def nearest_text(work: Work, benchmark: Examples) -> pl.DataFrame:
    """Return the nearest text of a benchmark to each prompt that has an embedding.

    Returns:
        ``prompt_id``, ``similarity`` and ``nearest``, the id of the text.
    """
    prompts, vectors = read_vectors(work, PROMPT_VECTORS)
    table = work.read_arrow(benchmark.vectors, part=0)
    ids = pl.Series(table["example_id"].to_pylist(), dtype=pl.String)
    solid = np.flatnonzero(vectors.any(axis=1))
    found = nearest(vectors[solid], example_vectors(table, read_centre(work, PROMPT_VECTORS)), 1)
    return pl.DataFrame(
        {
            "prompt_id": pl.Series(prompts, dtype=pl.String).gather(solid),
            "similarity": found.similarities.ravel(),
            "nearest": ids.gather(found.places.ravel()),
        },
        schema_overrides={"similarity": pl.Float64},
    )


def nearest_of_all(frames: list[pl.DataFrame]) -> pl.DataFrame:
    """Return the nearest text of all benchmarks to each prompt; of one text the first benchmark's.

    Args:
        frames: As ``nearest_text`` returns them, one a benchmark.
    """
    numbered = [f.with_columns(pl.lit(number).alias("of")) for number, f in enumerate(frames)]
    placed = pl.concat(numbered).sort(list(_ORDER), descending=list(_ORDER.values()))
    return placed.unique("prompt_id", keep="first", maintain_order=True).drop("of")
