"""The texts of benchmarks, cut into runs of words.

An item is a question, an answer, or a question with its answer. Its parts are its lines and
options, without the letters and numbers that options begin with.
"""

import re
from typing import NamedTuple

import polars as pl

from prefine.text.fold import folded
from prefine.text.ngrams import Postings, Sieve, extents, postings, runs_of, sieves
from prefine.text.words import keys_of, words_of

_CLOSE = r"(?:[.):][ \t]+|[.):、](?=[\u3040-\u9fff\uac00-\ud7a3]))"
_OPTION = rf"\(?(?:[A-Ja-j]|\d{{1,2}})[ \t]?{_CLOSE}"
_PARTS = re.compile(rf"\n|[ \t]+(?={_OPTION})")
_SEVERAL = r"\n|[ \t]\(?([A-Ja-j]|\d{1,2})[ \t]?[.):、]"
_LABEL = re.compile(rf"^\s*(?:[-*•+][ \t]+|{_OPTION})")
_UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
SEED_WORDS = 4
"""A part of at least so many words, or of a whole run, is looked for in every text, a shorter one
only in texts that have something longer of its item."""

LEAST_COMMON = 20
"""A run of fewer questions is never left out as common."""
MOST_ITEMS = 500
"""A run of more questions of one benchmark always is: texts that have it would meet them all."""


class Items(NamedTuple):
    """All items of all benchmarks."""

    table: pl.DataFrame
    """``item``, ``benchmark`` (its number), ``example_id``, ``size`` (its words), ``num_runs``
    (distinct runs), ``num_words`` (words in these) and ``part_words`` (words in its parts; 0 where
    it has only one)."""
    runs: Postings
    """Runs of items."""
    parts: Postings
    """Runs within parts of at least ``SEED_WORDS`` words; ``at`` counts the words of parts."""
    small: pl.DataFrame
    """Shorter parts: ``item``, ``words`` and ``run``."""
    keys: pl.DataFrame
    """``item`` and ``key``, a number for all of its words."""
    known: dict[int, Sieve]
    """What tells runs of items and parts from others, by length."""


def items_of(
    benchmarks: list[pl.DataFrame], size: int, min_words: int, common_ratio: float = 1
) -> Items:
    """Cut the texts of benchmarks into runs.

    Args:
        benchmarks: Of each: ``example_id``, ``text`` and ``answer``, null where it has none.
        size: Words in a run.
        min_words: A question of fewer words has no runs; three characters of a script without
            spaces count two words here. An answer of fewer than ``size`` words is not looked for
            alone.
        common_ratio: A run or part that stands in more than this share of a benchmark's questions
            is left out; see ``LEAST_COMMON`` and ``MOST_ITEMS``.
    """
    table = _asked(benchmarks)
    words = words_of(table["text"].to_list())
    table = table.with_columns(words.list.len().cast(pl.Int64).alias("size"))
    whole = ~_short(words, min_words) & ((table["kind"] != "answer") | (table["size"] >= size))
    runs = _own(_runs(words, table["item"], size, whole), table, common_ratio)
    parts = _own(_parts(table, size, whole & (table["kind"] != "both")), table, common_ratio)
    columns = ("item", "benchmark", "example_id", "size")
    of_runs = _whole(runs).rename({"runs": "num_runs", "covered": "num_words"})
    of_parts = _whole(parts).select("item", pl.col("covered").alias("part_words"))
    full = table.select(*columns).join(of_runs, on="item", how="left")
    full = full.join(of_parts, on="item", how="left").fill_null(0).sort("item")
    named = (table["size"] > 0) & ((table["kind"] != "answer") | (table["size"] >= size))
    keys = pl.DataFrame({"item": table["item"], "key": pl.Series(keys_of(words), dtype=pl.UInt64)})
    long = pl.col("words") >= min(SEED_WORDS, size)
    known = sieves(pl.concat([runs, parts]).select("words", "run"))
    small = parts.filter(~long).select("item", "words", "run")
    return Items(
        full, postings(runs), postings(parts.filter(long)), small, keys.filter(named), known
    )


def _asked(benchmarks: list[pl.DataFrame]) -> pl.DataFrame:
    """Return the distinct items: ``item``, ``benchmark``, ``example_id``, ``kind`` and ``text``."""
    frames: list[pl.DataFrame] = []
    for number, known in enumerate(benchmarks):
        folds = known.with_columns(folded(known["text"].to_list()).alias("question"))
        replies = folded(known["answer"].fill_null("").to_list()).alias("reply")
        folds = folds.with_columns(replies, pl.lit(number, pl.Int64).alias("benchmark"))
        answered = folds.filter(pl.col("answer").is_not_null())
        both = pl.concat_str("question", "reply", separator="\n")
        for kind, frame, text in (
            ("question", folds, pl.col("question")),
            ("answer", answered, pl.col("reply")),
            ("both", answered, both),
        ):
            named = frame.select("benchmark", "example_id", kind=pl.lit(kind), text=text)
            frames.append(named)
    table = pl.concat(frames).unique().sort("benchmark", "example_id", "kind", "text")
    return table.with_row_index("item").with_columns(pl.col("item").cast(pl.Int64))


def _short(words: pl.Series, min_words: int) -> pl.Series:
    unspaced = words.list.join("").str.count_matches(_UNSPACED)
    return 3 * words.list.len().cast(pl.Int64) - unspaced.cast(pl.Int64) < 3 * min_words


def _runs(words: pl.Series, items: pl.Series, size: int, wanted: pl.Series) -> pl.DataFrame:
    found = runs_of(words.filter(wanted), size)
    named = found.with_columns(items.filter(wanted).gather(found["place"]).alias("item"))
    first = pl.struct("item", "run").is_first_distinct().alias("first")
    return named.select("item", "at", "words", "run").sort("item", "at").with_columns(first)


def _own(rows: pl.DataFrame, table: pl.DataFrame, common_ratio: float) -> pl.DataFrame:
    """Leave out the runs that many questions of a benchmark have in common.

    With them go the runs that have a word of theirs, unless nothing else is left of an item.
    """
    often = rows.group_by("run").len().filter(pl.col("len") >= LEAST_COMMON)
    if often.is_empty():
        return rows
    of = table.select("item", "benchmark", "example_id")
    total = of.group_by("benchmark").agg(pl.col("example_id").n_unique().alias("total"))
    perhaps = rows.select("run", "item").join(often, on="run", how="semi").join(of, on="item")
    counts = perhaps.group_by("benchmark", "run").agg(
        pl.col("example_id").n_unique().alias("count")
    )
    limit = (common_ratio * pl.col("total")).clip(LEAST_COMMON - 1, MOST_ITEMS)
    common = counts.join(total, on="benchmark").filter(pl.col("count") > limit)
    if common.is_empty():
        return rows
    named = rows.join(of.select("item", "benchmark"), on="item", maintain_order="left")
    marks = common.select("benchmark", "run", common=pl.lit(value=True))
    flagged = named.join(marks, on=("benchmark", "run"), how="left", maintain_order="left")
    at, words = pl.col("at"), pl.col("words")
    mark = pl.when(pl.col("common").fill_null(value=False)).then("at")
    before, behind = mark.forward_fill().over("item"), mark.backward_fill().over("item")
    near = (at - before < words).fill_null(value=False) | (behind - at < words).fill_null(
        value=False
    )
    flagged = flagged.with_columns(near.alias("near"))
    kept = pl.col("common").is_null() & (~pl.col("near") | pl.col("near").all().over("item"))
    return flagged.filter(kept).select(rows.columns)


def _whole(rows: pl.DataFrame) -> pl.DataFrame:
    """Return ``runs`` and ``covered`` of each item for a text that has all of its runs."""
    found = extents(rows.select(pl.lit(0, pl.Int64).alias("place"), pl.all()))
    return found.select("item", pl.col("runs", "covered").cast(pl.Int64))


def _parts(table: pl.DataFrame, size: int, wanted: pl.Series) -> pl.DataFrame:
    """Return the runs of the parts of items that have several."""
    perhaps = pl.col("text").str.contains(_SEVERAL)
    rows = table.filter(wanted).filter(perhaps).select("item", "text")
    parts = [parts_of(text) for text in rows["text"]]
    cut = rows.with_columns(pl.Series("part", parts, dtype=pl.List(pl.String)))
    lines = cut.filter(pl.col("part").list.len() > 1).explode("part")
    words = words_of(lines["part"].to_list())
    length = words.list.len().cast(pl.Int64).alias("length")
    lines = lines.select("item", length).with_columns(
        (pl.col("length").cum_sum() - pl.col("length")).over("item").alias("begin")
    )
    found = runs_of(words, size)
    mine = lines.select(pl.all().gather(found["place"]))
    at = (found["at"] + mine["begin"]).alias("at")
    first = pl.lit(value=True).alias("first")
    joined = found.select("words", "run").with_columns(mine["item"], at)
    return joined.select("item", "at", "words", "run", first)


def parts_of(text: str) -> list[str]:
    """Return the lines and options of a text, without what options begin with."""
    parts = (_LABEL.sub("", part, count=1).strip() for part in _PARTS.split(text))
    return [part for part in parts if part]
