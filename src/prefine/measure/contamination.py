"""How much of the benchmarks stands in the prompts.

What comes in: prompts, benchmark texts, and the embeddings of both where the recipe wants them.
What goes out: for each prompt the benchmark text that it shows the most of. What never happens: a
response that is looked at; a benchmark that nothing could be read of and that nobody misses.

Source: Tulu 3 leaves out prompts with 50 % of a test instance's runs of 8 words.
"""

import numpy as np
import polars as pl

from prefine.errors import DataError
from prefine.measure.embeddings import read_vectors
from prefine.measure.nearest import nearest
from prefine.measure.ngrams import runs, shared
from prefine.measure.targets import unit_vectors
from prefine.measure.texts import texts
from prefine.measure.words import keys_of, words_of
from prefine.recipe import Benchmark, Contamination
from prefine.step import Counts, Work


def measure(work: Work, config: Contamination) -> Counts:
    """Compare the prompts of a shard with all benchmarks.

    Args:
        work: Reads ``prompts``, the examples of each benchmark and, for ``semantic``, vectors;
            writes ``measure_contamination``.
        config: The benchmarks, and how to compare.

    Raises:
        DataError: No text of a benchmark could be read.
    """
    ids, found = texts(work, "prompts", "prompt_id")
    said = words_of(found)
    of_prompts = runs(said, config.ngram_words)
    turns = _turns(work, said)
    by_words: list[pl.DataFrame] = []
    by_vectors: list[pl.DataFrame] = []
    counted: dict[str, dict[str, int]] = {}
    for benchmark in config.benchmarks:
        known = _examples(work, benchmark)
        words = words_of(known["text"].to_list())
        best = matched(of_prompts, turns, words, known["example_id"], config.ngram_words)
        by_words.append(best.with_columns(pl.lit(benchmark.name).alias("benchmark")))
        exact, much = pl.col("by") == "exact", pl.col("overlap") >= config.counted_overlap
        counted[benchmark.name] = {
            "texts": known.height,
            "prompts_exact": best.filter(exact).height,
            "prompts_overlap": best.filter(much).height,
        }
        if config.semantic:
            by_vectors.append(_nearest(work, benchmark))
            close = pl.col("similarity") >= config.counted_similarity
            counted[benchmark.name]["prompts_similar"] = by_vectors[-1].filter(close).height
    work.notes["benchmarks"] = counted
    rows = pl.DataFrame({"prompt_id": ids}, schema={"prompt_id": pl.String})
    rows = rows.with_row_index("place").with_columns(pl.col("place").cast(pl.Int64))
    rows = _beside(rows, by_words, "overlap", {"example_id": "example", "by": "by"})
    rows = rows.with_columns(pl.col("contamination_overlap").fill_null(0.0))
    if config.semantic:
        rows = _beside(rows, by_vectors, "similarity", {"example_id": "nearest"})
    work.emit("measure_contamination", rows)
    return Counts(len(ids), rows.height)


def _examples(work: Work, benchmark: Benchmark) -> pl.DataFrame:
    rows = work.read_all(f"examples_{benchmark.name}", ["example_id", "text"])
    if rows.is_empty():
        raise DataError(
            f"benchmark {benchmark.name}: no text could be read at `{benchmark.text}`; quarantine "
            "holds the rows that could not be read"
        )
    return rows.unique("example_id").sort("example_id")


def _turns(work: Work, whole: pl.Series) -> pl.DataFrame:
    """Return the keys of all prompts and of each turn of a user: ``place`` and ``key``."""
    prompts = work.read("prompts", ["messages"]).with_row_index("place")
    turns = prompts.explode("messages", keep_nulls=False, empty_as_null=False).unnest("messages")
    asked = turns.filter(pl.col("role") == "user")
    places = pl.concat([prompts["place"], asked["place"]]).cast(pl.Int64)
    words = pl.concat([whole.rename("words"), words_of(asked["content"].to_list())])
    keys = pl.Series("key", keys_of(words), pl.UInt64)
    rows = pl.DataFrame({"place": places, "key": keys, "words": words})
    return rows.filter(pl.col("words").list.len() > 0).select("place", "key").unique()


def matched(
    prompts: pl.DataFrame, turns: pl.DataFrame, known: pl.Series, ids: pl.Series, size: int
) -> pl.DataFrame:
    """Return the text of one benchmark that each prompt shows the most of, where there is one.

    Args:
        prompts: Runs of words: ``place`` and ``run``.
        turns: Keys of whole prompts and of their turns: ``place`` and ``key``.
        known: Words of the benchmark's texts.
        ids: Their ids, ascending.
        size: Words in a run.

    Returns:
        ``place``, ``overlap``, ``by`` and ``example_id``, one row a place; of equal overlaps the
        exact match, then the lowest id.
    """
    keys = pl.DataFrame({"key": keys_of(known), "known": np.arange(len(known))})
    keys = keys.filter(pl.Series(known.list.len() > 0))
    whole = turns.join(keys, on="key").select(
        "place", "known", pl.lit(1.0).alias("overlap"), pl.lit("exact").alias("by")
    )
    order = ["overlap", "by", "known"]
    found = [whole]
    for frame in shared(prompts, runs(known, size)):
        best = frame.sort("overlap", "known", descending=[True, False])
        best = best.unique("place", keep="first", maintain_order=True)
        found.append(best.with_columns(pl.lit("ngrams").alias("by")))
    best = pl.concat(found).sort(order, descending=[True, False, False])
    best = best.unique("place", keep="first")
    return best.select("place", "overlap", "by", ids.gather(best["known"]).alias("example_id"))


def _nearest(work: Work, benchmark: Benchmark) -> pl.DataFrame:
    """Return the nearest text of a benchmark to each prompt that is not blank."""
    _, vectors = read_vectors(work, "prompt_vectors")
    table = work.read_arrow(f"example_vectors_{benchmark.name}", part=0)
    ids = pl.Series(table["example_id"].to_pylist(), dtype=pl.String)
    solid = np.flatnonzero(vectors.any(axis=1))
    examples = unit_vectors(table)
    found = nearest(vectors[solid], examples, 1)
    return pl.DataFrame(
        {
            "place": solid,
            "similarity": found.similarities.ravel(),
            "example_id": ids.gather(found.places.ravel()),
        },
        schema_overrides={"place": pl.Int64, "similarity": pl.Float64},
    )


def _beside(
    rows: pl.DataFrame, parts: list[pl.DataFrame], value: str, names: dict[str, str]
) -> pl.DataFrame:
    """Lay the largest value of all benchmarks beside each prompt, and what comes with it."""
    best = pl.concat(parts).sort(value, "example_id", descending=[True, False])
    best = best.unique("place", keep="first")
    named = {name: f"contamination_{new}" for name, new in names.items()}
    named |= {value: f"contamination_{value}"}
    if "benchmark" in best.columns:
        named["benchmark"] = "contamination_benchmark"
    found = best.select("place", *named).rename(named)
    return rows.join(found, on="place", how="left", maintain_order="left", validate="1:1")
