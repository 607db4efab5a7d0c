"""Compare texts with the items of benchmarks."""

from collections.abc import Iterator

import polars as pl

from prefine.measure.contamination.items import Items
from prefine.schema import divide
from prefine.text.fold import normalize_texts
from prefine.text.ngrams import extents, flat_words, known_runs, shared_runs
from prefine.text.words import hash_words, split_words

METRICS = ("overlap", "covered", "parts", "longest_run")
"""The metrics of a text and an item."""
_BLOCK = 8_000
"""Number of texts that are split into words at once."""
_PAIR = ("place", "item")


def split_turns(messages: pl.DataFrame, may_be_item: pl.Expr) -> Iterator[pl.DataFrame]:
    """Yield the words of the turns of texts in blocks; one empty block if there are no texts.

    Args:
        messages: One row per text, in order, with ``messages``.
        may_be_item: Whether a turn, with ``role`` and ``content``, may be a whole item.

    Yields:
        One row per turn: ``place`` (the row of its text), ``asked`` (``may_be_item``) and
        ``words``.
    """
    texts = messages.select("messages").with_row_index("place")
    for start in range(0, max(texts.height, 1), _BLOCK):
        block = texts.slice(start, _BLOCK)
        turns = block.explode("messages", keep_nulls=False, empty_as_null=False).unnest("messages")
        words = split_words(normalize_texts(turns["content"].fill_null("").to_list()).to_list())
        yield turns.select(pl.col("place").cast(pl.Int64), may_be_item.alias("asked")).with_columns(
            words
        )


def find_matches(turns: pl.DataFrame, items: Items, size: int) -> pl.DataFrame:
    """Compute the metrics of all texts and items that share words.

    A run may continue from one turn to the next, also from one user turn to the next user turn.

    Args:
        turns: A block of ``split_turns``.
        items: The items of the benchmarks.
        size: Words in an n-gram.

    Returns:
        ``place``, ``item``, ``METRICS``, ``by``, ``benchmark`` and ``example_id``: one row for each
        text and item that share anything.
    """
    runs = _runs(turns, items)
    by_runs = _collect(extents(rows) for rows in shared_runs(runs, items.runs))
    by_parts = _parts(runs, by_runs, items)
    exact = _exact(turns, items).with_columns(pl.lit(value=True).alias("exact"))
    pairs = pl.concat([frame.select(_PAIR) for frame in (by_runs, by_parts, exact)]).unique()
    for frame in (by_runs, by_parts, exact):
        pairs = pairs.join(frame, on=_PAIR, how="left")
    return _metrics(pairs.join(items.table, on="item"), size)


def _runs(turns: pl.DataFrame, items: Items) -> pl.DataFrame:
    """Return the known runs of each text, over all turns and over the user turns alone."""
    over_all = known_runs(flat_words(turns["words"], turns["place"].to_numpy()), items.known)
    asked = pl.col("asked")
    is_mixed = (asked.sum() > 1) & ~asked.all()
    of_user = turns.filter(is_mixed.over("place") & asked)
    if of_user.is_empty():
        return over_all
    over_user = known_runs(flat_words(of_user["words"], of_user["place"].to_numpy()), items.known)
    return pl.concat([over_all, over_user]).unique()


def _collect(frames: Iterator[pl.DataFrame]) -> pl.DataFrame:
    names = (*_PAIR, "runs", "covered", "longest")
    empty = pl.DataFrame(schema=dict.fromkeys(names, pl.Int64))
    blocks = [frame.select(pl.col(names).cast(pl.Int64)) for frame in frames]
    return pl.concat([empty, *blocks])


def _parts(runs: pl.DataFrame, by_runs: pl.DataFrame, items: Items) -> pl.DataFrame:
    """Return the number of words of items' parts that occur in texts, as ``parts_covered``."""
    long = _collect(extents(rows) for rows in shared_runs(runs, items.parts))
    long = long.select(*_PAIR, pl.col("covered").alias("parts_covered"))
    candidates = pl.concat([long.select(_PAIR), by_runs.select(_PAIR)]).unique()
    small = candidates.join(items.small, on="item").join(runs, on=("place", "run"), how="semi")
    small = small.select(*_PAIR, pl.col("words").alias("parts_covered"))
    return pl.concat([long, small]).group_by(_PAIR).agg(pl.col("parts_covered").sum())


def _exact(turns: pl.DataFrame, items: Items) -> pl.DataFrame:
    """Return the items that equal a text, its user turns together, or one of its user turns."""
    of_user = turns.filter("asked")
    several = turns.filter((pl.len() > 1).over("place"))
    frames = [of_user.select("place", "words")]
    for rows in (several, several.filter("asked")):
        joined = rows.group_by("place", maintain_order=True)
        frames.append(joined.agg(pl.col("words").list.explode().alias("words")))
    texts = pl.concat(frames).filter(pl.col("words").list.len() > 0)
    keys = pl.Series("key", hash_words(texts["words"]), dtype=pl.UInt64)
    return (
        texts.select("place").with_columns(keys).join(items.keys, on="key").select(_PAIR).unique()
    )


def _metrics(pairs: pl.DataFrame, size: int) -> pl.DataFrame:
    """Compute ``METRICS`` and ``by`` from the counts of each text and item."""
    exact = pl.col("exact").fill_null(value=False)
    zero = {"runs": 0, "covered": 0, "longest": 0, "parts_covered": 0}
    rows = pairs.with_columns(pl.col(name).fill_null(value) for name, value in zero.items())
    whole = pl.lit(1.0)
    covered = pl.when(pl.col("runs") > 0).then(divide(pl.col("covered"), pl.col("num_words")))
    covered = covered.otherwise(0.0)
    parts = pl.when(pl.col("part_words") > 0).then(
        divide(pl.col("parts_covered"), pl.col("part_words"))
    )
    by = pl.when(exact).then(pl.lit("exact")).when(pl.col("runs") == 0).then(None)
    by = by.when(pl.col("size") < size).then(pl.lit("whole")).otherwise(pl.lit("ngrams"))
    overlap = pl.when(pl.col("runs") > 0).then(divide(pl.col("runs"), pl.col("num_runs")))
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
