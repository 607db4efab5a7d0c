"""Similarity of prompts to examples of a target task.

Each example ranks all prompts by cosine. The rank of a prompt is 1 + the number of prompts that are
more similar, so ties share a rank and the result does not depend on the order of rows.

    best_rank = the smallest rank over all examples
    score     = mean over the examples of log2(1 / rank)

Source: BETR (benchmark-targeted ranking), which uses the best rank and trains a classifier to
predict it for texts that are too many to embed; here every prompt is embedded, so no classifier is
needed.
"""

from typing import Annotated, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
from pydantic import Field

from prefine.measure.base import Measure, RecipeView
from prefine.schema import Column
from prefine.search.nearest import find_nearest
from prefine.search.pool import BLOCK, Pool, thread_pool
from prefine.search.storage import Vectors
from prefine.settings import Inputs, Name, Where
from prefine.settings.json import Json
from prefine.step import Counts, Work
from prefine.tables.examples import Examples, example_vectors
from prefine.tables.prompts import emit_parts, expand_to_all, read_prompts
from prefine.tables.vectors import PROMPT_VECTORS, read_centre

_EXAMPLES_AT_ONCE = 16
"""Examples whose cosines are in memory at once."""
_DIGITS = 6
"""Decimals to which cosines are rounded, so that nearly equal prompts share a rank."""

Ranks = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float64]


class TargetExamples(Examples):
    """Files of example texts of a target task."""

    owner: ClassVar[str] = "measure"


class TargetSimilarity(Measure):
    """Similarity of each prompt to examples of a target task.

    Use it to select prompts that are close to a target. Needs embeddings. Decontaminate first: the
    prompts most similar to a benchmark may be the benchmark itself.
    """

    version: ClassVar = 4
    id_column: ClassVar = "prompt_id"
    scope: ClassVar = "corpus"

    kind: Literal["target_similarity"]
    """Selects this measure."""
    name: Name = "target"
    """Name of the measure, and prefix of its columns."""
    files: Annotated[tuple[str, ...], Where] = Field(min_length=1)
    """Files of examples: paths or globs relative to the data folder, fsspec URLs, or ``hf://``."""
    sha256: Annotated[tuple[str, ...], Where] = ()
    """Required SHA-256 hashes of the files, in any order; empty accepts any content."""
    text: str = "prompt"
    """Dotted path of the example text in a row: a text, a list of texts, or messages;
    ``turns[].content`` reads a field of each list item."""
    max_row_bytes: int = Field(default=32 * 2**20, ge=1024)
    """Maximum size of a row in bytes; a larger one is quarantined without being parsed."""

    def columns(self) -> tuple[Column, ...]:
        """Return the columns of this measure."""
        name = self.name
        return (
            Column(
                f"{name}_similarity",
                pa.float64(),
                "cosine of the prompt and the nearest example, in [-1, 1]",
            ),
            Column(
                f"{name}_best_rank",
                pa.int64(),
                "smallest rank of the prompt by cosine over all examples, from 1",
            ),
            Column(
                f"{name}_score",
                pa.float64(),
                "mean of log2(1 / rank) over all examples, at most 0",
            ),
            Column(
                f"{name}_reason",
                pa.large_string(),
                "why there are no values: blank, unknown_words; else null",
            ),
        )

    def reads(self, recipe: RecipeView) -> tuple[str, ...]:
        """Return the tables that are read."""
        return ("prompts", *PROMPT_VECTORS.tables, self._examples.vectors)

    @property
    def _examples(self) -> TargetExamples:
        settings = {name: getattr(self, name) for name in TargetExamples.model_fields}
        return TargetExamples(**settings)

    def examples(self) -> tuple[Examples, ...]:
        """Return the files that prompts are compared with."""
        return (self._examples,)

    def identity(self, inputs: Inputs | None = None) -> Json:
        """Return the settings and what identifies the files."""
        return super().identity(inputs) | self._examples.identity(inputs)

    def pinned(self, inputs: Inputs) -> Self:
        """Return the same settings with the hashes of the files."""
        return self.model_copy(update={"sha256": self._examples.pinned(inputs).sha256})

    def run(self, work: Work) -> Counts:
        """Rank the prompts of all shards by their similarity to the examples."""
        name = self.name
        prompts = read_prompts(work)
        embedded = prompts.embedded
        vectors = (
            prompts.vectors if len(embedded) == len(prompts.ids) else prompts.vectors[embedded]
        )
        table = work.read_arrow(self._examples.vectors, part=0)
        examples = example_vectors(table, read_centre(work, PROMPT_VECTORS))
        near = find_nearest(vectors, examples, 1)
        best, score = ranks_and_scores(vectors, examples)
        ranked = prompts.frame().with_columns(
            expand_to_all(prompts, near.similarities.ravel()).alias(f"{name}_similarity"),
            expand_to_all(prompts, best.astype(np.float64))
            .cast(pl.Int64)
            .alias(f"{name}_best_rank"),
            expand_to_all(prompts, score).alias(f"{name}_score"),
            prompts.reasons.alias(f"{name}_reason"),
        )
        emit_parts(work, self.table, ranked)
        return Counts(len(prompts.ids), ranked.height)


def ranks_and_scores(vectors: Vectors, examples: Vectors) -> tuple[Ranks, Scores]:
    """Return the best rank and the score of each prompt.

    Args:
        vectors: Unit vectors of the prompts, shape (prompts, dimensions).
        examples: Unit vectors of the examples, shape (examples, dimensions).

    Returns:
        The smallest ranks, from 1, and the scores, at most 0; shape (prompts,) each.
    """
    best = np.full(len(vectors), len(vectors), np.int64)
    total = np.zeros(len(vectors))
    with thread_pool() as pool:
        for start in range(0, len(examples), _EXAMPLES_AT_ONCE):
            for of_example in _cosines(examples[start : start + _EXAMPLES_AT_ONCE], vectors, pool):
                ranks = descending_ranks(of_example)
                best = np.minimum(best, ranks)
                total -= np.log2(ranks)
    return best, total / len(examples)


def _cosines(examples: Vectors, vectors: Vectors, pool: Pool) -> Scores:
    """Return rounded cosines, shape (examples, prompts), equal for any number of threads.

    The last bits of a float32 product depend on the processor, the number of threads and the
    position of a row in the matrix. In float64 these errors are eight digits below the rounding.
    """
    result = np.empty((len(examples), len(vectors)))
    wide = examples.astype(np.float64)

    def multiply(block: int) -> None:
        rows = slice(block * BLOCK, (block + 1) * BLOCK)
        result[:, rows] = (wide @ vectors[rows].astype(np.float64).T).round(_DIGITS)

    pool.each(multiply, -(-len(vectors) // BLOCK))
    return result


def descending_ranks(similarities: Scores | npt.NDArray[np.float32]) -> Ranks:
    """Return the rank of each value: 1 + the number of larger values, shape (values,)."""
    num_not_larger = np.searchsorted(np.sort(similarities), similarities, side="right")
    return len(similarities) - num_not_larger + 1
