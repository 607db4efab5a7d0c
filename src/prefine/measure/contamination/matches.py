"""What texts share with the items of benchmarks."""

from collections.abc import Iterator

import polars as pl

from prefine.measure.contamination.items import Items
from prefine.schema import ratio
from prefine.text.fold import folded
from prefine.text.ngrams import extents, flat_words, known_runs, shared_runs
from prefine.text.words import keys_of, words_of

METRICS = ("overlap", "covered", "parts", "longest_run")
"""What is measured of a text and an item."""
_BLOCK = 8_000
"""Texts that are cut into words at once."""
_PAIR = ("place", "item")


def pieces_of(messages: pl.DataFrame, asked: pl.Expr) -> Iterator[pl.DataFrame]:
    """Yield the words of texts, some thousand texts at once; nothing in one block where none is.

    Args:
        messages: One row a text, in order, with ``messages``.
        asked: Whether a turn, with ``role`` and ``content``, may be a whole item.

    Yields:
        One row a turn: ``place`` of its text, ``asked`` and ``words``.
    """
    texts = messages.select("messages").with_row_index("place")
    for start in range(0, max(texts.height, 1), _BLOCK):
        block = texts.slice(start, _BLOCK)
        turns = block.explode("messages", keep_nulls=False, empty_as_null=False).unnest("messages")
        words = words_of(folded(turns["content"].fill_null("").to_list()).to_list())
        yield turns.select(pl.col("place").cast(pl.Int64), asked.alias("asked")).with_columns(words)


def matches_of(pieces: pl.DataFrame, items: Items, size: int) -> pl.DataFrame:
    """Return what texts share with items.

    A run may reach from one turn into the next, and from one asked turn into the next asked one.

    Args:
        pieces: As ``pieces_of`` yields them.
        items: What is looked for.
        size: Words in a run.

    Returns:
        ``place``, ``item``, ``METRICS``, ``by``, ``benchmark`` and ``example_id``, one row for a
        text and an item that share anything.
    """
    found = _runs(pieces, items)
    by_runs = _summed(extents(rows) for rows in shared_runs(found, items.runs))
    by_parts = _parts(found, by_runs, items)
    exact = _exact(pieces, items).with_columns(pl.lit(value=True).alias("exact"))
    pairs = pl.concat([frame.select(_PAIR) for frame in (by_runs, by_parts, exact)]).unique()
    for frame in (by_runs, by_parts, exact):
        pairs = pairs.join(frame, on=_PAIR, how="left")
    return _measured(pairs.join(items.table, on="item"), size)


def _runs(pieces: pl.DataFrame, items: Items) -> pl.DataFrame:
    """Return the known runs of each text, over all turns and over those asked alone."""
    whole = known_runs(flat_words(pieces["words"], pieces["place"].to_numpy()), items.known)
    asked = pl.col("asked")
    split = (asked.sum() > 1) & ~asked.all()
    apart = pieces.filter(split.over("place") & asked)
    if apart.is_empty():
        return whole
    more = known_runs(flat_words(apart["words"], apart["place"].to_numpy()), items.known)
    return pl.concat([whole, more]).unique()


def _summed(frames: Iterator[pl.DataFrame]) -> pl.DataFrame:
    names = (*_PAIR, "runs", "covered", "longest")
    empty = pl.DataFrame(schema=dict.fromkeys(names, pl.Int64))
    whole = [frame.select(pl.col(names).cast(pl.Int64)) for frame in frames]
    return pl.concat([empty, *whole])


def _parts(found: pl.DataFrame, by_runs: pl.DataFrame, items: Items) -> pl.DataFrame:
    """Return the words of the parts of items that stand in texts, as ``parts_covered``."""
    long = _summed(extents(rows) for rows in shared_runs(found, items.parts))
    long = long.select(*_PAIR, pl.col("covered").alias("parts_covered"))
    near = pl.concat([long.select(_PAIR), by_runs.select(_PAIR)]).unique()
    small = near.join(items.small, on="item").join(found, on=("place", "run"), how="semi")
    small = small.select(*_PAIR, pl.col("words").alias("parts_covered"))
    return pl.concat([long, small]).group_by(_PAIR).agg(pl.col("parts_covered").sum())


def _exact(pieces: pl.DataFrame, items: Items) -> pl.DataFrame:
    """Return the items that are all of a text, of its asked turns, or of one of them."""
    asked = pieces.filter("asked")
    long = pieces.filter((pl.len() > 1).over("place"))
    frames = [asked.select("place", "words")]
    for several in (long, long.filter("asked")):
        joined = several.group_by("place", maintain_order=True)
        frames.append(joined.agg(pl.col("words").list.explode().alias("words")))
    turns = pl.concat(frames).filter(pl.col("words").list.len() > 0)
    keys = pl.Series("key", keys_of(turns["words"]), dtype=pl.UInt64)
    return (
        turns.select("place").with_columns(keys).join(items.keys, on="key").select(_PAIR).unique()
    )


def _measured(pairs: pl.DataFrame, size: int) -> pl.DataFrame:
    exact = pl.col("exact").fill_null(value=False)
    zero = {"runs": 0, "covered": 0, "longest": 0, "parts_covered": 0}
    rows = pairs.with_columns(pl.col(name).fill_null(value) for name, value in zero.items())
    whole = pl.lit(1.0)
    covered = pl.when(pl.col("runs") > 0).then(ratio(pl.col("covered"), pl.col("num_words")))
    covered = covered.otherwise(0.0)
    parts = pl.when(pl.col("part_words") > 0).then(
        ratio(pl.col("parts_covered"), pl.col("part_words"))
    )
    by = pl.when(exact).then(pl.lit("exact")).when(pl.col("runs") == 0).then(None)
    by = by.when(pl.col("size") < size).then(pl.lit("whole")).otherwise(pl.lit("ngrams"))
    overlap = pl.when(pl.col("runs") > 0).then(ratio(pl.col("runs"), pl.col("num_runs")))
    return rows.select(
        *_PAIR,
        pl.when(exact).then(whole).otherwise(overlap.otherwise(0.0)).alias("overlap"),
        pl.when(exact).then(whole).otherwise(covered).alias("covered"),
        pl.when(exact).then(whole).otherwise(parts.otherwise(covered)).alias("parts"),
        pl.when(exact).then("size").otherwise("longest").alias("longest_run"),
        by.alias("by"),
        "benchmark",
        "example_id",
    )
