"""How much of benchmarks' questions and answers stands in prompts and responses.

``docs/contamination.md`` has published rules as rules over these columns, and what each one finds.

Source: Tulu 3 (``open-instruct``) takes the share of a test instance's tokens that lie in an 8-gram
of the training text, and drops above one half: ``contamination_covered`` with ``maximum: 0.5``.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Literal

import polars as pl
from pydantic import AfterValidator, ConfigDict, Field

from prefine.errors import DataError
from prefine.measure.base import Measure, RecipeView
from prefine.measure.contamination.beside import BEST, beside_pairs, best_of
from prefine.measure.contamination.columns import SIMILAR, columns_of
from prefine.measure.contamination.items import Items, items_of
from prefine.measure.contamination.matches import matches_of, pieces_of
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
        raise ValueError("a place is named twice")
    return tuple(sorted(places))


class Benchmark(Examples):
    """Files of texts that a model will be tested on."""

    owner: ClassVar[str] = "benchmark"

    answer: str | None = None
    """Dotted path of the right answer in its row: a text, a number, a list of texts, or messages.
    It is looked for alone where it has at least ``ngram_words`` words, and behind its question."""

    @property
    def answer_path(self) -> str | None:
        """Dotted path of the answer in its row, where answers are read."""
        return self.answer


class Contamination(Measure):
    """How much of a benchmark's texts stands in the prompt and the responses of each pair.

    An item is a question, an answer, or a question with its answer behind it. Of several items each
    number is the largest. A text of several turns is read as one, and the turns of a user are also
    read without what stands between them.
    """

    model_config = ConfigDict(serialize_by_alias=True)

    version: ClassVar[int] = 4

    kind: Literal["contamination"]
    benchmarks: tuple[Benchmark, ...] = Field(min_length=1)
    places: Annotated[tuple[Place, ...], AfterValidator(_distinct)] = Field(
        default=("prompts", "responses"), alias="in", min_length=1
    )
    """Where items are looked for: ``prompts``, ``responses``, or both."""
    ngram_words: int = Field(default=8, ge=1, le=50)
    """Words in a run. An item of fewer words, but at least ``min_words``, is found where all of its
    words stand in a row."""
    min_words: int = Field(default=4, ge=1, le=50)
    """A shorter item is found only where it is all of a user's turn, of a prompt or of a response.
    Three characters of a script without spaces count two words here."""
    common_ratio: float = Field(default=0.05, gt=0, le=1)
    """A run or part that stands in more than this share of a benchmark's questions, and in at least
    20, is an instruction and not an item: it is left out, as is one in more than 500 questions."""
    semantic: bool = False
    """Also compare embeddings of the prompts."""
    counted_overlap: float = Field(default=0.5, gt=0, le=1)
    """Above which overlap the manifest counts a text; rules have thresholds of their own."""
    counted_similarity: float = Field(default=0.9, gt=0, le=1)
    """From which cosine on the manifest counts a prompt; only with ``semantic``. Of 2,310 prompts
    of HH-RLHF beside LLMBar and AlpacaEval none reaches 0.9, one 0.85 (an item without its frame)
    and two 0.8."""

    def columns(self) -> tuple[Column, ...]:
        """Return the columns of this measure."""
        columns = columns_of(self.ngram_words, self.places)
        return (*columns, *SIMILAR) if self.semantic else columns

    def problems(self, recipe: RecipeView) -> Iterator[Problem]:
        """Yield that items are long enough for a run and yet too short to be looked for."""
        del recipe
        if self.min_words > self.ngram_words:
            text = (
                f"found {self.min_words}, which is more than `ngram_words` ({self.ngram_words}); "
                f"want at most {self.ngram_words}"
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
        """Return the files that texts are compared with."""
        return self.benchmarks

    def references(self) -> Mapping[str, tuple[str, ...]]:
        """Return the tables of benchmarks' texts, and the columns that hold their ids."""
        columns = tuple(f"contamination_{name}" for name in (*BEST, "nearest"))
        return {benchmark.table: columns for benchmark in self.benchmarks}

    def run(self, work: Work) -> Counts:
        """Compare the prompts and responses of a shard with all benchmarks.

        Raises:
            DataError: No text of a benchmark could be read.
        """
        known = [_texts_of(work, benchmark) for benchmark in self.benchmarks]
        items = items_of(known, self.ngram_words, self.min_words, self.common_ratio)
        counted = {
            b.name: {"texts": n} for b, n in zip(self.benchmarks, _sizes(known), strict=True)
        }
        pairs = work.read("pairs", ["pair_id", "prompt_id", "chosen_id", "rejected_id"])
        best: dict[str, pl.DataFrame] = {}
        for place in self.places:
            matches = self._matches(work, place, items)
            self._count(counted, place, matches)
            best[place] = best_of(matches)
        names = [benchmark.name for benchmark in self.benchmarks]
        rows = beside_pairs(pairs, best, names)
        if self.semantic:
            rows = self._similar(work, pairs, rows, counted)
        work.notes["benchmarks"] = counted
        kept = [column.name for column in self.columns()]
        work.emit(self.table, rows.select("pair_id", *kept))
        return Counts(pairs.height, rows.height)

    def _matches(self, work: Work, place: Place, items: Items) -> pl.DataFrame:
        """Return the matches of all texts of a table, with their ids."""
        texts = work.read(place, [_KEYS[place], "messages"])
        asked = pl.col("role") == "user" if place == "prompts" else pl.lit(value=True)
        ids = texts[_KEYS[place]]
        blocks = pieces_of(texts, asked)
        found = pl.concat([matches_of(block, items, self.ngram_words) for block in blocks])
        return found.select(pl.exclude("place"), ids.gather(found["place"]).alias("id"))

    def _count(self, counted: dict[str, Json], place: Place, matches: pl.DataFrame) -> None:
        """Count texts by how they match; ``whole``: a short item stands inside other words."""
        by, much = pl.col("by"), pl.col("overlap") > self.counted_overlap
        conditions = {"exact": by == "exact", "whole": by == "whole", "overlap": much}
        for number, benchmark in enumerate(self.benchmarks):
            mine = matches.filter(pl.col("benchmark") == number)
            for name, condition in conditions.items():
                count = mine.filter(condition)["id"].n_unique()
                counted[benchmark.name][f"{place}_{name}"] = count

    def _similar(
        self, work: Work, pairs: pl.DataFrame, rows: pl.DataFrame, counted: dict[str, Json]
    ) -> pl.DataFrame:
        """Add the nearest text of all benchmarks to the prompt of each pair."""
        near = [nearest_text(work, benchmark) for benchmark in self.benchmarks]
        for benchmark, found in zip(self.benchmarks, near, strict=True):
            close = found.filter(pl.col("similarity") >= self.counted_similarity)
            counted[benchmark.name]["prompts_similar"] = close.height
        names = {name: f"contamination_{name}" for name in ("similarity", "nearest")}
        reason = pl.col("reason").alias("contamination_similarity_reason")
        told = read_reasons(work, PROMPT_VECTORS).select("prompt_id", reason)
        best = pairs.select("pair_id", "prompt_id")
        for facts in (nearest_of_all(near).rename(names), told):
            best = best.join(facts, on="prompt_id", how="left", validate="m:1")
        best = best.drop("prompt_id")
        return rows.join(best, on="pair_id", how="left", maintain_order="left", validate="1:1")


def _sizes(known: list[pl.DataFrame]) -> list[int]:
    return [texts["example_id"].n_unique() for texts in known]


def _texts_of(work: Work, benchmark: Benchmark) -> pl.DataFrame:
    rows = work.read_all(benchmark.table, ["example_id", "text", "answer"])
    if rows.is_empty():
        refused = Counter[str]()
        for manifest in manifests_of(work, benchmark.table):
            refused.update(manifest.dropped)
        paths = [path for path in (benchmark.text, benchmark.answer_path) if path is not None]
        why = ", ".join(f"{reason} {count:,}" for reason, count in sorted(refused.items()))
        raise DataError(
            f"benchmark {benchmark.name}: no row could be read at `{'` and `'.join(paths)}` "
            f"({why or 'its files hold no rows'}); quarantine holds the rows that could not be read"
        )
    return rows.unique().sort("example_id", "answer")
