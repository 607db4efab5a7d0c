"""Benchmark items and their word n-grams.

An item is a question, an answer, or a question followed by its answer. Its parts are its lines and
options, without the letters and numbers that label options.
"""

import re
from typing import NamedTuple

import polars as pl

from prefine.text.fold import normalize_texts
from prefine.text.ngrams import Postings, Sieve, extents, postings, runs_of, sieves
from prefine.text.words import hash_words, split_words

_CLOSE = r"(?:[.):][ \t]+|[.):、](?=[\u3040-\u9fff\uac00-\ud7a3]))"
_OPTION = rf"\(?(?:[A-Ja-j]|\d{{1,2}})[ \t]?{_CLOSE}"
_PARTS = re.compile(rf"\n|[ \t]+(?={_OPTION})")
_SEVERAL = r"\n|[ \t]\(?([A-Ja-j]|\d{1,2})[ \t]?[.):、]"
_LABEL = re.compile(rf"^\s*(?:[-*•+][ \t]+|{_OPTION})")
_UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
SEED_WORDS = 4
"""Parts with at least this many words are searched in every text; shorter parts only in texts that
share a longer part or an n-gram with the same item."""

MIN_COMMON = 20
"""An n-gram that occurs in fewer questions is never removed as common."""
MAX_QUESTIONS = 500
"""An n-gram that occurs in more questions of one benchmark is always removed as common, because a
text with it would be compared with all of them."""


class Items(NamedTuple):
    """All items of all benchmarks; a run is an n-gram, or a whole text with fewer words."""

    table: pl.DataFrame
    """``item``, ``benchmark`` (its number), ``example_id``, ``size`` (number of words),
    ``num_runs`` (number of distinct runs), ``num_words`` (words in these runs) and ``part_words``
    (words in its parts; 0 if it has only one part)."""
    runs: Postings
    """The runs of items."""
    parts: Postings
    """The runs of parts with at least ``SEED_WORDS`` words; ``at`` counts the words of parts."""
    small: pl.DataFrame
    """The shorter parts: ``item``, ``words`` and ``run``."""
    keys: pl.DataFrame
    """``item`` and ``key``, a hash of all words of the item."""
    known: dict[int, Sieve]
    """Filters for the runs of items and parts, by number of words."""


def build_items(
    benchmarks: list[pl.DataFrame], size: int, min_words: int, common_ratio: float = 1
) -> Items:
    """Split the texts of benchmarks into runs of words.

    Args:
        benchmarks: One frame per benchmark: ``example_id``, ``text`` and ``answer`` (may be null).
        size: Words in an n-gram.
        min_words: Minimum number of words of a question with runs; three characters of a script
            without spaces count as two words. An answer with fewer than ``size`` words is not
            searched on its own.
        common_ratio: A run or part in more than this share of a benchmark's questions is removed;
            see ``MIN_COMMON`` and ``MAX_QUESTIONS``.
    """
    table = _distinct_items(benchmarks)
    words = split_words(table["text"].to_list())
    table = table.with_columns(words.list.len().cast(pl.Int64).alias("size"))
    long_enough = ~_is_short(words, min_words) & (
        (table["kind"] != "answer") | (table["size"] >= size)
    )
    runs = _without_common(_runs(words, table["item"], size, long_enough), table, common_ratio)
    parts = _parts(table, size, long_enough & (table["kind"] != "both"))
    parts = _without_common(parts, table, common_ratio)
    columns = ("item", "benchmark", "example_id", "size")
    of_runs = _totals(runs).rename({"runs": "num_runs", "covered": "num_words"})
    of_parts = _totals(parts).select("item", pl.col("covered").alias("part_words"))
    full = table.select(*columns).join(of_runs, on="item", how="left")
    full = full.join(of_parts, on="item", how="left").fill_null(0).sort("item")
    has_key = (table["size"] > 0) & ((table["kind"] != "answer") | (table["size"] >= size))
    keys = pl.DataFrame(
        {"item": table["item"], "key": pl.Series(hash_words(words), dtype=pl.UInt64)}
    )
    long = pl.col("words") >= min(SEED_WORDS, size)
    known = sieves(pl.concat([runs, parts]).select("words", "run"))
    small = parts.filter(~long).select("item", "words", "run")
    return Items(
        full, postings(runs), postings(parts.filter(long)), small, keys.filter(has_key), known
    )


def _distinct_items(benchmarks: list[pl.DataFrame]) -> pl.DataFrame:
    """Return the distinct items: ``item``, ``benchmark``, ``example_id``, ``kind`` and ``text``."""
    frames: list[pl.DataFrame] = []
    for number, texts in enumerate(benchmarks):
        folds = texts.with_columns(normalize_texts(texts["text"].to_list()).alias("question"))
        replies = normalize_texts(texts["answer"].fill_null("").to_list()).alias("reply")
        folds = folds.with_columns(replies, pl.lit(number, pl.Int64).alias("benchmark"))
        answered = folds.filter(pl.col("answer").is_not_null())
        both = pl.concat_str("question", "reply", separator="\n")
        for kind, frame, text in (
            ("question", folds, pl.col("question")),
            ("answer", answered, pl.col("reply")),
            ("both", answered, both),
        ):
            frames.append(frame.select("benchmark", "example_id", kind=pl.lit(kind), text=text))
    table = pl.concat(frames).unique().sort("benchmark", "example_id", "kind", "text")
    return table.with_row_index("item").with_columns(pl.col("item").cast(pl.Int64))


def _is_short(words: pl.Series, min_words: int) -> pl.Series:
    unspaced = words.list.join("").str.count_matches(_UNSPACED)
    return 3 * words.list.len().cast(pl.Int64) - unspaced.cast(pl.Int64) < 3 * min_words


def _runs(words: pl.Series, items: pl.Series, size: int, selected: pl.Series) -> pl.DataFrame:
    """Return the runs of the selected items: ``item``, ``at``, ``words``, ``run``, ``first``."""
    runs = runs_of(words.filter(selected), size)
    with_items = runs.with_columns(items.filter(selected).gather(runs["place"]).alias("item"))
    first = pl.struct("item", "run").is_first_distinct().alias("first")
    return with_items.select("item", "at", "words", "run").sort("item", "at").with_columns(first)


def _without_common(rows: pl.DataFrame, table: pl.DataFrame, common_ratio: float) -> pl.DataFrame:
    """Remove the runs that are common to many questions of a benchmark.

    Runs that overlap with a common run are removed too, unless no other run of the item is left.
    """
    frequent = rows.group_by("run").len().filter(pl.col("len") >= MIN_COMMON)
    if frequent.is_empty():
        return rows
    items = table.select("item", "benchmark", "example_id")
    total = items.group_by("benchmark").agg(pl.col("example_id").n_unique().alias("total"))
    occurrences = rows.select("run", "item").join(frequent, on="run", how="semi")
    counts = (
        occurrences.join(items, on="item")
        .group_by("benchmark", "run")
        .agg(pl.col("example_id").n_unique().alias("count"))
    )
    limit = (common_ratio * pl.col("total")).clip(MIN_COMMON - 1, MAX_QUESTIONS)
    common = counts.join(total, on="benchmark").filter(pl.col("count") > limit)
    if common.is_empty():
        return rows
    with_benchmark = rows.join(items.select("item", "benchmark"), on="item", maintain_order="left")
    marks = common.select("benchmark", "run", common=pl.lit(value=True))
    flagged = with_benchmark.join(marks, on=("benchmark", "run"), how="left", maintain_order="left")
    at, words = pl.col("at"), pl.col("words")
    mark = pl.when(pl.col("common").fill_null(value=False)).then("at")
    previous, following = mark.forward_fill().over("item"), mark.backward_fill().over("item")
    overlaps = (at - previous < words).fill_null(value=False) | (following - at < words).fill_null(
        value=False
    )
    flagged = flagged.with_columns(overlaps.alias("overlaps"))
    kept = pl.col("common").is_null() & (
        ~pl.col("overlaps") | pl.col("overlaps").all().over("item")
    )
    return flagged.filter(kept).select(rows.columns)


def _totals(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the total number of ``runs`` and ``covered`` words of each item."""
    totals = extents(rows.select(pl.lit(0, pl.Int64).alias("place"), pl.all()))
    return totals.select("item", pl.col("runs", "covered").cast(pl.Int64))


def _parts(table: pl.DataFrame, size: int, selected: pl.Series) -> pl.DataFrame:
    """Return the runs of the parts of the selected items that have several parts."""
    has_several = pl.col("text").str.contains(_SEVERAL)
    rows = table.filter(selected).filter(has_several).select("item", "text")
    parts = [split_parts(text) for text in rows["text"]]
    with_parts = rows.with_columns(pl.Series("part", parts, dtype=pl.List(pl.String)))
    lines = with_parts.filter(pl.col("part").list.len() > 1).explode("part")
    words = split_words(lines["part"].to_list())
    length = words.list.len().cast(pl.Int64).alias("length")
    lines = lines.select("item", length).with_columns(
        (pl.col("length").cum_sum() - pl.col("length")).over("item").alias("begin")
    )
    runs = runs_of(words, size)
    part_of_run = lines.select(pl.all().gather(runs["place"]))
    at = (runs["at"] + part_of_run["begin"]).alias("at")
    first = pl.lit(value=True).alias("first")
    joined = runs.select("words", "run").with_columns(part_of_run["item"], at)
    return joined.select("item", "at", "words", "run", first)


def split_parts(text: str) -> list[str]:
    """Split a text into its lines and options, without the labels of options."""
    parts = (_LABEL.sub("", part, count=1).strip() for part in _PARTS.split(text))
    return [part for part in parts if part]
