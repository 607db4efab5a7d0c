"""The texts of benchmarks, cut into runs of words.

An item is a question, an answer, or a question with its answer. Its parts are its lines and
options, without the letters and numbers that options begin with.
"""

import re
from typing import NamedTuple

import polars as pl

from prefine.text.fold import folded
from prefine.text.ngrams import Postings, Sieve, postings, runs_of, sieves
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


class Items(NamedTuple):
    """All items of all benchmarks."""

    table: pl.DataFrame
    """``item``, ``benchmark`` (its number), ``example_id``, ``size`` (its words), ``num_runs``
    (distinct runs) and ``part_words`` (words of its parts; 0 where it has only one)."""
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


def items_of(benchmarks: list[pl.DataFrame], size: int, min_words: int) -> Items:
    """Cut the texts of benchmarks into runs.

    Args:
        benchmarks: Of each: ``example_id``, ``text`` and ``answer``, null where it has none.
        size: Words in a run.
        min_words: A question of fewer words has no runs; three characters of a script without
            spaces count two words here. An answer of fewer than ``size`` words is not looked for
            alone.
    """
    table = _asked(benchmarks)
    words = words_of(table["text"].to_list())
    table = table.with_columns(words.list.len().cast(pl.Int64).alias("size"))
    whole = ~_short(words, min_words) & ((table["kind"] != "answer") | (table["size"] >= size))
    runs = _runs(words, table["item"], size, whole)
    parts = _parts(table, size, whole & (table["kind"] != "both"))
    counted = runs.group_by("item").agg(pl.col("first").sum().cast(pl.Int64).alias("num_runs"))
    covered = parts.group_by("item").agg(pl.col("part_words").first())
    columns = ("item", "benchmark", "example_id", "size")
    full = table.select(*columns).join(counted, on="item", how="left")
    full = full.join(covered, on="item", how="left").fill_null(0).sort("item")
    named = (table["size"] > 0) & ((table["kind"] != "answer") | (table["size"] >= size))
    keys = pl.DataFrame({"item": table["item"], "key": pl.Series(keys_of(words), dtype=pl.UInt64)})
    long = pl.col("words") >= min(SEED_WORDS, size)
    parts = parts.drop("part_words")
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


def _parts(table: pl.DataFrame, size: int, wanted: pl.Series) -> pl.DataFrame:
    """Return the runs of the parts of items that have several, and ``part_words`` of the item."""
    perhaps = pl.col("text").str.contains(_SEVERAL)
    rows = table.filter(wanted).filter(perhaps).select("item", "text")
    parts = [parts_of(text) for text in rows["text"]]
    cut = rows.with_columns(pl.Series("part", parts, dtype=pl.List(pl.String)))
    lines = cut.filter(pl.col("part").list.len() > 1).explode("part")
    words = words_of(lines["part"].to_list())
    length = words.list.len().cast(pl.Int64).alias("length")
    lines = lines.select("item", length).with_columns(
        (pl.col("length").cum_sum() - pl.col("length")).over("item").alias("begin"),
        pl.col("length").sum().over("item").alias("part_words"),
    )
    found = runs_of(words, size)
    mine = lines.select(pl.all().gather(found["place"]))
    at = (found["at"] + mine["begin"]).alias("at")
    first = pl.lit(value=True).alias("first")
    joined = found.select("words", "run").with_columns(mine["item"], at, mine["part_words"])
    return joined.select("item", "at", "words", "run", first, "part_words")


def parts_of(text: str) -> list[str]:
    """Return the lines and options of a text, without what options begin with."""
    parts = (_LABEL.sub("", part, count=1).strip() for part in _PARTS.split(text))
    return [part for part in parts if part]
