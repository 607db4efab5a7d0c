"""Overlap of prompts and responses with benchmark questions and answers.

``docs/contamination.md`` expresses published decontamination rules with these columns.

Source: Tulu 3 (``open-instruct``) computes the share of a test instance's tokens that are covered
by 8-grams of the training text and drops above 0.5: ``contamination_covered`` with
``maximum: 0.5``.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Literal

import polars as pl
from pydantic import AfterValidator, ConfigDict, Field

from prefine.errors import DataError
from prefine.measure.base import Measure, RecipeView
from prefine.measure.contamination.columns import SIMILAR, columns_of
from prefine.measure.contamination.items import Items, build_items
from prefine.measure.contamination.join import BEST, best_matches, join_matches
from prefine.measure.contamination.matches import find_matches, split_turns
from prefine.measure.contamination.semantic import nearest_of_all, nearest_text
from prefine.schema import Column
from prefine.settings import Problem
from prefine.settings.json import Json
from prefine.step import Counts, Work, manifests_of
from prefine.tables.examples import Examples
from prefine.tables.vectors import PROMPT_VECTORS, read_reasons

Place = Literal["prompts", "responses"]
_KEYS = {"prompts": "prompt_id", "responses": "response_id"}


def _distinct(places: tuple[Place, ...]) -> tuple[Place, ...]:
    if len(set(places)) < len(places):
        raise ValueError(f"`in` lists a table twice: {', '.join(places)}")
    return tuple(sorted(places))


class Benchmark(Examples):
    """Files of benchmark texts that a model will be evaluated on."""

    owner: ClassVar[str] = "benchmark"

    answer: str | None = None
    """Dotted path of the reference answer in a row: a text, a number, a list of texts, or messages.
    It is searched together with its question and, if it has at least ``ngram_words`` words, on its
    own."""

    @property
    def answer_path(self) -> str | None:
        """Dotted path of the answer in a row; None if answers are not read."""
        return self.answer


class Contamination(Measure):
    """Overlap of the prompt and the responses of each pair with benchmark items.

    Use it for decontamination. An item is a question, an answer, or a question followed by its
    answer; each column is the maximum over all items. A conversation is compared as one text, and
    its user turns also without the turns between them. Only ``semantic`` needs embeddings.
    """

    model_config = ConfigDict(serialize_by_alias=True)

    version: ClassVar[int] = 4

    kind: Literal["contamination"]
    """Selects this measure."""
    benchmarks: tuple[Benchmark, ...] = Field(min_length=1)
    """The benchmarks to compare with."""
    places: Annotated[tuple[Place, ...], AfterValidator(_distinct)] = Field(
        default=("prompts", "responses"), alias="in", min_length=1
    )
    """The texts to compare: ``prompts``, ``responses``, or both."""
    ngram_words: int = Field(default=8, ge=1, le=50)
    """Number of words in an n-gram; an item with fewer words, but at least ``min_words``, matches
    where all of its words occur in a row."""
    min_words: int = Field(default=4, ge=1, le=50)
    """Minimum number of words of an item that may match a part of a text; a shorter item must equal
    a user turn, a prompt or a response. Three characters of a script without spaces count as two
    words."""
    common_ratio: float = Field(default=0.05, gt=0, le=1)
    """Maximum share of a benchmark's questions that an n-gram may occur in; a more common one, in
    at least 20 questions or in more than 500, is treated as an instruction and ignored."""
    semantic: bool = False
    """Whether to compare the embeddings of prompts as well."""
    counted_overlap: float = Field(default=0.5, gt=0, le=1)
    """Overlap above which the manifest counts a text as contaminated; it has no effect on rules."""
    counted_similarity: float = Field(default=0.9, gt=0, le=1)
    """Cosine from which the manifest counts a prompt as similar, with ``semantic``. Of 2,310
    prompts of HH-RLHF compared with LLMBar and AlpacaEval, none reaches 0.9, one 0.85 (an item
    without its template) and two 0.8."""

    def columns(self) -> tuple[Column, ...]:
        """Return the columns of this measure."""
        columns = columns_of(self.ngram_words, self.places)
        return (*columns, *SIMILAR) if self.semantic else columns

    def problems(self, recipe: RecipeView) -> Iterator[Problem]:
        """Yield an error if `min_words` is greater than `ngram_words`."""
        del recipe
        if self.min_words > self.ngram_words:
            text = (
                f"found {self.min_words}, which is more than `ngram_words` ({self.ngram_words}); "
                f"expected at most {self.ngram_words}"
            )
            yield ("min_words",), text

    def reads(self, recipe: RecipeView) -> tuple[str, ...]:
        """Return the tables that are read."""
        tables = ("pairs", *self.places, *(benchmark.table for benchmark in self.benchmarks))
        if not self.semantic:
            return tables
        vectors = (benchmark.vectors for benchmark in self.benchmarks)
        return (*tables, *PROMPT_VECTORS.tables, *vectors)

    def examples(self) -> tuple[Examples, ...]:
        """Return the benchmarks, which texts are compared with."""
        return self.benchmarks

    def references(self) -> Mapping[str, tuple[str, ...]]:
        """Return the tables of benchmark texts, and the columns that contain their ids."""
        columns = tuple(f"contamination_{name}" for name in (*BEST, "nearest"))
        return {benchmark.table: columns for benchmark in self.benchmarks}

    def run(self, work: Work) -> Counts:
        """Compare the prompts and responses of a shard with all benchmarks.

        Raises:
            DataError: No row of a benchmark has a text.
        """
        texts = [_read_benchmark(work, benchmark) for benchmark in self.benchmarks]
        items = build_items(texts, self.ngram_words, self.min_words, self.common_ratio)
        counts = {
            b.name: {"texts": n} for b, n in zip(self.benchmarks, _num_distinct(texts), strict=True)
        }
        pairs = work.read("pairs", ["pair_id", "prompt_id", "chosen_id", "rejected_id"])
        best: dict[str, pl.DataFrame] = {}
        for table in self.places:
            matches = self._matches(work, table, items)
            self._count(counts, table, matches)
            best[table] = best_matches(matches)
        names = [benchmark.name for benchmark in self.benchmarks]
        rows = join_matches(pairs, best, names)
        if self.semantic:
            rows = self._with_similarity(work, pairs, rows, counts)
        work.notes["benchmarks"] = counts
        columns = [column.name for column in self.columns()]
        work.emit(self.table, rows.select("pair_id", *columns))
        return Counts(pairs.height, rows.height)

    def _matches(self, work: Work, table: Place, items: Items) -> pl.DataFrame:
        """Return the matches of all texts of a table, with their ids."""
        texts = work.read(table, [_KEYS[table], "messages"])
        may_be_item = pl.col("role") == "user" if table == "prompts" else pl.lit(value=True)
        ids = texts[_KEYS[table]]
        blocks = split_turns(texts, may_be_item)
        matches = pl.concat([find_matches(block, items, self.ngram_words) for block in blocks])
        return matches.select(pl.exclude("place"), ids.gather(matches["place"]).alias("id"))

    def _count(self, counts: dict[str, Json], table: Place, matches: pl.DataFrame) -> None:
        """Count texts by how they match; ``whole`` is a short item within a longer text."""
        by, is_counted = pl.col("by"), pl.col("overlap") > self.counted_overlap
        conditions = {"exact": by == "exact", "whole": by == "whole", "overlap": is_counted}
        for number, benchmark in enumerate(self.benchmarks):
            of_benchmark = matches.filter(pl.col("benchmark") == number)
            for name, condition in conditions.items():
                count = of_benchmark.filter(condition)["id"].n_unique()
                counts[benchmark.name][f"{table}_{name}"] = count

    def _with_similarity(
        self, work: Work, pairs: pl.DataFrame, rows: pl.DataFrame, counts: dict[str, Json]
    ) -> pl.DataFrame:
        """Add the nearest benchmark text of each pair's prompt."""
        nearest = [nearest_text(work, benchmark) for benchmark in self.benchmarks]
        for benchmark, of_benchmark in zip(self.benchmarks, nearest, strict=True):
            similar = of_benchmark.filter(pl.col("similarity") >= self.counted_similarity)
            counts[benchmark.name]["prompts_similar"] = similar.height
        names = {name: f"contamination_{name}" for name in ("similarity", "nearest")}
        reason = pl.col("reason").alias("contamination_similarity_reason")
        reasons = read_reasons(work, PROMPT_VECTORS).select("prompt_id", reason)
        joined = pairs.select("pair_id", "prompt_id")
        for columns in (nearest_of_all(nearest).rename(names), reasons):
            joined = joined.join(columns, on="prompt_id", how="left", validate="m:1")
        joined = joined.drop("prompt_id")
        return rows.join(joined, on="pair_id", how="left", maintain_order="left", validate="1:1")


def _num_distinct(benchmarks: list[pl.DataFrame]) -> list[int]:
    return [texts["example_id"].n_unique() for texts in benchmarks]


def _read_benchmark(work: Work, benchmark: Benchmark) -> pl.DataFrame:
    """Return the distinct texts and answers of a benchmark, sorted by id.

    Raises:
        DataError: No row has a text.
    """
    rows = work.read_all(benchmark.table, ["example_id", "text", "answer"])
    if rows.is_empty():
        quarantined = Counter[str]()
        for manifest in manifests_of(work, benchmark.table):
            quarantined.update(manifest.dropped)
        paths = [path for path in (benchmark.text, benchmark.answer_path) if path is not None]
        why = ", ".join(f"{reason} {count:,}" for reason, count in sorted(quarantined.items()))
        raise DataError(
            f"benchmark {benchmark.name}: no row has a text at `{'` and `'.join(paths)}` "
            f"({why or 'its files contain no rows'}); set `text` to the column of the question; "
            "the rows are in the quarantine table"
        )
    return rows.unique().sort("example_id", "answer")
