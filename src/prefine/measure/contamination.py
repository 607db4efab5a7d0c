"""How much of benchmarks' texts stands in the prompts. Responses are not looked at.

Source: Tulu 3 leaves out prompts with 50 % of a test instance's runs of 8 words.
"""

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
import polars as pl
import pyarrow as pa
from pydantic import Field

from prefine.errors import DataError
from prefine.measure.base import Measure, RecipeView
from prefine.schema import Column
from prefine.search.nearest import nearest
from prefine.step import Counts, Work
from prefine.tables.embeddings import PROMPT_VECTORS, read_vectors
from prefine.tables.examples import Examples, example_vectors
from prefine.tables.texts import texts
from prefine.text.ngrams import runs, shared
from prefine.text.words import keys_of, words_of


class Benchmark(Examples):
    """Files of texts that a model will be tested on."""

    owner: ClassVar[str] = "benchmark"


class Contamination(Measure):
    """How much of a benchmark's texts stands in each prompt."""

    version: ClassVar[int] = 3
    id_column: ClassVar = "prompt_id"

    kind: Literal["contamination"]
    benchmarks: tuple[Benchmark, ...] = Field(min_length=1)
    ngram_words: int = Field(default=8, ge=1, le=50)
    """Words in a run; benchmark texts of fewer words are found only where they are all of a turn or
    of a prompt."""
    semantic: bool = False
    """Also compare embeddings."""
    counted_overlap: float = Field(default=0.5, gt=0, le=1)
    """From which overlap on the manifest counts a prompt; rules have thresholds of their own."""
    counted_similarity: float = Field(default=0.95, gt=0, le=1)
    """From which cosine on the manifest counts a prompt; only with ``semantic``."""

    def columns(self) -> tuple[Column, ...]:
        """Return the columns of this measure."""
        words = (
            Column(
                "contamination_overlap",
                pa.float64(),
                f"largest share of a benchmark text's runs of {self.ngram_words} words that stand "
                "in the prompt, in [0, 1]; 1 where a turn has the very same words",
            ),
            Column(
                "contamination_by", pa.large_string(), "how they match: exact, ngrams; else null"
            ),
            Column(
                "contamination_benchmark", pa.large_string(), "the benchmark of that text, or null"
            ),
            Column("contamination_example", pa.large_string(), "id of that text, or null"),
        )
        if not self.semantic:
            return words
        return (
            *words,
            Column(
                "contamination_similarity", pa.float64(), "cosine to the nearest benchmark text"
            ),
            Column(
                "contamination_nearest",
                pa.large_string(),
                "id of that text; null for a blank prompt",
            ),
        )

    def reads(self, recipe: RecipeView) -> tuple[str, ...]:
        """Return the tables that are read."""
        lexical = ("prompts", *(benchmark.table for benchmark in self.benchmarks))
        if not self.semantic:
            return lexical
        vectors = (benchmark.vectors for benchmark in self.benchmarks)
        return (*lexical, PROMPT_VECTORS.table, *vectors)

    def examples(self) -> tuple[Examples, ...]:
        """Return the files that prompts are compared with."""
        return self.benchmarks

    def references(self) -> Mapping[str, tuple[str, ...]]:
        """Return the tables of benchmarks' texts, and the columns that hold their ids."""
        columns = ("contamination_example", "contamination_nearest")
        return {benchmark.table: columns for benchmark in self.benchmarks}

    def run(self, work: Work) -> Counts:
        """Compare the prompts of a shard with all benchmarks.

        Raises:
            DataError: No text of a benchmark could be read.
        """
        ids, prompts = texts(work, "prompts", "prompt_id")
        words_of_prompts = words_of(prompts)
        of_prompts = runs(words_of_prompts, self.ngram_words)
        turns = _turns(work, words_of_prompts)
        by_words: list[pl.DataFrame] = []
        by_vectors: list[pl.DataFrame] = []
        counted: dict[str, dict[str, int]] = {}
        for benchmark in self.benchmarks:
            known = _texts_of(work, benchmark)
            words = words_of(known["text"].to_list())
            best = matched(of_prompts, turns, words, known["example_id"], self.ngram_words)
            by_words.append(best.with_columns(pl.lit(benchmark.name).alias("benchmark")))
            exact, much = pl.col("by") == "exact", pl.col("overlap") >= self.counted_overlap
            counted[benchmark.name] = {
                "texts": known.height,
                "prompts_exact": best.filter(exact).height,
                "prompts_overlap": best.filter(much).height,
            }
            if self.semantic:
                by_vectors.append(_nearest(work, benchmark))
                close = pl.col("similarity") >= self.counted_similarity
                counted[benchmark.name]["prompts_similar"] = by_vectors[-1].filter(close).height
        work.notes["benchmarks"] = counted
        rows = pl.DataFrame({"prompt_id": ids}, schema={"prompt_id": pl.String})
        rows = rows.with_row_index("place").with_columns(pl.col("place").cast(pl.Int64))
        rows = _beside(rows, by_words, "overlap", {"example_id": "example", "by": "by"})
        rows = rows.with_columns(pl.col("contamination_overlap").fill_null(0.0))
        if self.semantic:
            rows = _beside(rows, by_vectors, "similarity", {"example_id": "nearest"})
        work.emit(self.table, rows)
        return Counts(len(ids), rows.height)


def _texts_of(work: Work, benchmark: Benchmark) -> pl.DataFrame:
    rows = work.read_all(benchmark.table, ["example_id", "text"])
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
    _, vectors = read_vectors(work, PROMPT_VECTORS)
    table = work.read_arrow(benchmark.vectors, part=0)
    ids = pl.Series(table["example_id"].to_pylist(), dtype=pl.String)
    solid = np.flatnonzero(vectors.any(axis=1))
    examples = example_vectors(table)
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
    numbered = [
        frame.with_columns(pl.lit(number).alias("of")) for number, frame in enumerate(parts)
    ]
    order = [value, "example_id", "of"]  # a text may stand in two benchmarks: the first counts
    best = pl.concat(numbered).sort(order, descending=[True, False, False])
    best = best.unique("place", keep="first", maintain_order=True)
    named = {name: f"contamination_{new}" for name, new in names.items()}
    named |= {value: f"contamination_{value}"}
    if "benchmark" in best.columns:
        named["benchmark"] = "contamination_benchmark"
    found = best.select("place", *named).rename(named)
    return rows.join(found, on="place", how="left", maintain_order="left", validate="1:1")
