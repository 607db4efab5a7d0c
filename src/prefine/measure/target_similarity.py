"""How near prompts are to examples of what the model is to be good at.

Every example lists all prompts, the nearest first. A place is 1 + the number of prompts that are
nearer, so that equally near prompts share it and no order of rows decides.

    best_rank = the least place in any example's list
    score     = mean over the examples of log2(1 / place)

Source: BETR (benchmark-targeted ranking), which takes the best rank and trains a classifier on it
where there are too many texts to embed; here every prompt has its vector, so none is trained.
"""

from typing import Annotated, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
from pydantic import Field

from prefine.measure.base import Measure, RecipeView
from prefine.schema import Column
from prefine.search.nearest import nearest
from prefine.search.pool import BLOCK, Pool, pooled
from prefine.search.storage import Vectors
from prefine.settings import Inputs, Name, Where
from prefine.settings.json import Json
from prefine.step import Counts, Work
from prefine.tables.examples import Examples, example_vectors
from prefine.tables.prompts import emit_parts, read_prompts, scattered
from prefine.tables.vectors import PROMPT_VECTORS, read_centre

_LISTS = 16
"""Examples whose lists are in memory at once."""
_DIGITS = 6
"""Cosines are rounded to this many digits, so that as good as equal prompts share a place."""

Ranks = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float64]


class TargetExamples(Examples):
    """Files of texts that a model is to be good at."""

    owner: ClassVar[str] = "measure"


class TargetSimilarity(Measure):
    """How near each prompt is to examples of what the model is to be good at.

    Measure it after decontamination: what is nearest to a benchmark may be the benchmark itself.
    """

    version: ClassVar = 4
    id_column: ClassVar = "prompt_id"
    scope: ClassVar = "corpus"

    kind: Literal["target_similarity"]
    name: Name = "target"
    files: Annotated[tuple[str, ...], Where] = Field(min_length=1)
    """Examples: paths or globs relative to the data folder, fsspec URLs, or ``hf://``."""
    sha256: Annotated[tuple[str, ...], Where] = ()
    """What the files must hash to, in any order; empty accepts any bytes."""
    text: str = "prompt"
    """Dotted path of an example's text in its row: a text, a list of texts, or messages;
    ``turns[].content`` walks a list."""
    max_row_bytes: int = Field(default=32 * 2**20, ge=1024)
    """A longer raw row goes to quarantine without being parsed."""

    def columns(self) -> tuple[Column, ...]:
        """Return the columns of this measure."""
        name = self.name
        return (
            Column(f"{name}_similarity", pa.float64(), "cosine to the nearest example, in [-1, 1]"),
            Column(
                f"{name}_best_rank",
                pa.int64(),
                "best place of the prompt in any example's list of nearest prompts, from 1",
            ),
            Column(
                f"{name}_score",
                pa.float64(),
                "mean of log2(1 / place) over all examples, at most 0",
            ),
            Column(
                f"{name}_reason",
                pa.large_string(),
                "why there is none: blank, unknown_words; else null",
            ),
        )

    def reads(self, recipe: RecipeView) -> tuple[str, ...]:
        """Return the tables that are read."""
        return ("prompts", *PROMPT_VECTORS.tables, self._examples.vectors)

    @property
    def _examples(self) -> TargetExamples:
        given = {name: getattr(self, name) for name in TargetExamples.model_fields}
        return TargetExamples(**given)

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
        """Rank the prompts of all shards by their likeness to the examples."""
        name = self.name
        prompts = read_prompts(work)
        solid = prompts.solid
        vectors = prompts.vectors if len(solid) == len(prompts.ids) else prompts.vectors[solid]
        table = work.read_arrow(self._examples.vectors, part=0)
        examples = example_vectors(table, read_centre(work, PROMPT_VECTORS))
        near = nearest(vectors, examples, 1)
        best, score = ranks_and_scores(vectors, examples)
        ranked = prompts.frame().with_columns(
            scattered(prompts, near.similarities.ravel()).alias(f"{name}_similarity"),
            scattered(prompts, best.astype(np.float64)).cast(pl.Int64).alias(f"{name}_best_rank"),
            scattered(prompts, score).alias(f"{name}_score"),
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
        Best ranks, from 1, and scores, at most 0, shape (prompts,) each.
    """
    best = np.full(len(vectors), len(vectors), np.int64)
    total = np.zeros(len(vectors))
    with pooled() as pool:
        for start in range(0, len(examples), _LISTS):
            for of_example in _cosines(examples[start : start + _LISTS], vectors, pool):
                places = places_of(of_example)
                best = np.minimum(best, places)
                total -= np.log2(places)
    return best, total / len(examples)


def _cosines(examples: Vectors, vectors: Vectors, pool: Pool) -> Scores:
    """Return rounded cosines, shape (examples, prompts), the same from any number of threads.

    In float32 the last bits of a product depend on the processor, on the threads that share it and
    on where in it a row stands. In float64 they lie eight digits behind the last that is kept.
    """
    found = np.empty((len(examples), len(vectors)))
    wide = examples.astype(np.float64)

    def multiply(block: int) -> None:
        mine = slice(block * BLOCK, (block + 1) * BLOCK)
        found[:, mine] = (wide @ vectors[mine].astype(np.float64).T).round(_DIGITS)

    pool.each(multiply, -(-len(vectors) // BLOCK))
    return found


def places_of(similarities: Scores | npt.NDArray[np.float32]) -> Ranks:
    """Return 1 + the number of larger values, of each value."""
    upto = np.searchsorted(np.sort(similarities), similarities, side="right")
    return len(similarities) - upto + 1
