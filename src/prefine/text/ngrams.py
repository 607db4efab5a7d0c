"""Share of the n-grams of known texts that other texts contain."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from prefine.schema import ratio
from prefine.text.words import word_shingles

_JOINED = 2_000_000
"""Rows that are in memory at once when runs meet the known texts that have them."""


def runs(words: pl.Series, size: int) -> pl.DataFrame:
    """Return the distinct runs of ``size`` words of each text: columns ``place`` and ``run``."""
    shingles = word_shingles(words, size)
    places = np.repeat(np.arange(len(words)), np.diff(shingles.starts))
    rows = pl.DataFrame({"place": places, "run": shingles.hashes})
    long = pl.DataFrame({"place": np.arange(len(words)), "words": words.list.len()})
    return rows.join(long.filter(pl.col("words") >= size), on="place", how="semi").unique()


def shared(texts: pl.DataFrame, known: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Yield how much of each known text stands in each text, where anything does.

    Args:
        texts: ``place`` and ``run``, distinct.
        known: The same of the known texts.

    Yields:
        ``place``, ``known`` and ``overlap``, the share of the known text's runs, in (0, 1]; all
        rows of a place in one frame.
    """
    known = known.rename({"place": "known"})
    sizes = known.group_by("known").agg(pl.len().alias("size"))
    often = known.group_by("run").agg(pl.len().alias("often"))
    hits = texts.join(often, on="run").sort("place", "run")
    ahead = pl.col("often").cum_sum() - pl.col("often")
    blocks = hits.with_columns(block=(ahead // _JOINED).first().over("place"))
    for _, block in blocks.group_by("block", maintain_order=True):
        met = block.join(known, on="run").group_by("place", "known").agg(pl.len().alias("common"))
        yield met.join(sizes, on="known").select(
            "place", "known", ratio(pl.col("common"), pl.col("size")).alias("overlap")
        )
