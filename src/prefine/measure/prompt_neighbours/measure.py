"""The k nearest neighbours of each prompt by cosine, which ``diverse`` rules read.

A place in the table ``neighbour_lists`` is a position in the list of all prompts sorted by id.
"""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal, Self, cast

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
from pydantic import Field, model_validator

from prefine.measure.base import Measure, RecipeView
from prefine.measure.prompt_neighbours.card import diversity_section
from prefine.measure.prompt_neighbours.entropy import euclidean, run_diversity
from prefine.schema import Column
from prefine.search.index import Matches, build_index, drop_neighbours
from prefine.search.nearest import find_nearest
from prefine.search.settings import Search
from prefine.search.storage import Indices
from prefine.settings.json import Json
from prefine.step import Counts, StepSpec, Work
from prefine.tables.prompts import Prompts, emit_parts, expand_to_all, read_prompts
from prefine.tables.vectors import PROMPT_VECTORS

LISTS = "neighbour_lists"
_LISTS = pa.schema(
    [
        pa.field("prompt_id", pa.large_string(), False),
        pa.field("places", pa.large_list(pa.int32()), False),
        pa.field("similarities", pa.large_list(pa.float32()), False),
        pa.field("is_blank", pa.bool_(), False),
    ]
)
"""One row per prompt: its neighbours, the most similar first; ``is_blank`` is true, and the lists
are empty, for a prompt without an embedding."""
_DIVERSITY = "diversity"
_DIVERSITY_VERSION = 3


class PromptNeighbours(Measure):
    """Distance of each prompt to its k-th nearest neighbour, and its list of neighbours.

    ``diverse`` rules need this measure, and the data set card reports the diversity of the kept
    prompts from it. Needs embeddings.
    """

    tables: ClassVar = ("prompts", *PROMPT_VECTORS.tables)
    id_column: ClassVar = "prompt_id"
    scope: ClassVar = "corpus"
    seeded: ClassVar = True
    version: ClassVar = 3

    kind: Literal["prompt_neighbours"]
    """Selects this measure."""
    neighbours: int = Field(default=32, ge=1, le=1024)
    """Number of nearest neighbours listed for each prompt."""
    complete_up_to: int = Field(default=1_000, ge=1, le=10_000)
    """Maximum number of prompts for which all other prompts are listed, which makes ``diverse``
    rules exact."""
    search: Search = Search()
    """How nearest neighbours are searched."""
    kth: int = Field(default=5, ge=1)
    """The k of ``prompt_knn_distance`` and of the entropy: the distance to the k-th nearest
    prompt."""

    @model_validator(mode="after")
    def _listed(self) -> Self:
        if self.kth > self.neighbours:
            raise ValueError(
                f"`kth: {self.kth}` is larger than `neighbours: {self.neighbours}`; lower `kth` or "
                "raise `neighbours`"
            )
        return self

    def columns(self) -> tuple[Column, ...]:
        """Return the columns of this measure."""
        return (
            Column(
                "prompt_knn_distance",
                pa.float64(),
                f"Euclidean distance between the embeddings of the prompt and its "
                f"{ordinal(self.kth)} nearest prompt, in [0, 2]",
            ),
            Column(
                "prompt_knn_reason",
                pa.large_string(),
                "why there is no distance: blank, unknown_words, too_few (fewer prompts than "
                "`kth`); else null",
            ),
        )

    def writes(self, recipe: RecipeView) -> Mapping[str, pa.Schema]:
        """Return the table of the neighbour lists."""
        return {LISTS: _LISTS}

    def reports(self, recipe: RecipeView) -> Iterator[StepSpec]:
        """Yield the step that computes the diversity of the kept prompts."""
        yield StepSpec(
            name=_DIVERSITY,
            version=_DIVERSITY_VERSION,
            run=lambda work: run_diversity(work, self.kth),
            reads=("facts", "decisions", *PROMPT_VECTORS.tables),
            writes={},
            config={"kth": self.kth, "seed": recipe.seed},
            scope="corpus",
            provides=(_DIVERSITY,),
        )

    def card(self, notes: Mapping[str, Json]) -> str | None:
        """Return the section on the diversity of the prompts."""
        return diversity_section(notes[_DIVERSITY])

    def run(self, work: Work) -> Counts:
        """Find the nearest neighbours of the prompts of all shards."""
        prompts = read_prompts(work)
        num_others = max(len(prompts.embedded) - 1, 0)
        complete = num_others < self.complete_up_to
        count = num_others if complete else min(self.neighbours, num_others)
        neighbours = _search(work, prompts, count, self.search, work.seed)
        work.notes["listed"] = "all others" if complete else count
        emit_parts(work, self.table, _distance_columns(prompts, neighbours, self.kth))
        emit_parts(work, LISTS, _lists(prompts, neighbours))
        return Counts(len(prompts.ids), len(prompts.ids))


def ordinal(number: int) -> str:
    """Return a number as an ordinal: 1st, 2nd, 3rd, 4th and so on."""
    teens = 10 < number % 100 < 20  # noqa: PLR2004 - 11th to 13th
    return f"{number}{'th' if teens else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def _search(work: Work, prompts: Prompts, count: int, config: Search, seed: int) -> Matches:
    """Find the neighbours of the prompts with an embedding, in the order of their ids."""
    embedded = prompts.embedded
    vectors = prompts.vectors if len(embedded) == len(prompts.ids) else prompts.vectors[embedded]
    if count >= len(embedded) - 1:
        work.notes.update({"index": "none", "vectors": len(embedded), "recall": 1.0})
        neighbours = find_nearest(vectors, vectors, count + 1)
        is_self = neighbours.indices == np.arange(len(embedded))[:, None]
        return drop_neighbours(neighbours, is_self, count)
    ids: list[str] = [prompts.ids[position] for position in embedded.tolist()]
    blocks = [(np.arange(len(ids)), vectors)]
    positions = np.full((len(embedded), count), -1, np.int64)
    similarities = np.full((len(embedded), count), -np.inf)
    with build_index(
        ids, lambda: blocks, count=count, config=config, runtime=work.runtime, seed=seed
    ) as (index, notes):
        for rows, neighbours in index.knn_self_join(count):
            positions[rows], similarities[rows] = neighbours.indices, neighbours.similarities
            work.progress(len(rows))
    work.notes.update(notes)
    return Matches(positions, similarities)


def _distance_columns(prompts: Prompts, neighbours: Matches, kth: int) -> pl.DataFrame:
    distances = np.full(len(neighbours.indices), np.nan)
    if neighbours.indices.shape[1] >= kth:
        cosine = neighbours.similarities[:, kth - 1]
        distances = np.where(np.isfinite(cosine), euclidean(cosine), np.nan)
    distance = pl.col("prompt_knn_distance")
    return (
        prompts.frame()
        .with_columns(
            expand_to_all(prompts, distances).alias("prompt_knn_distance"),
        )
        .with_columns(
            pl.when(distance.is_null())
            .then(prompts.reasons.fill_null("too_few"))
            .alias("prompt_knn_reason")
        )
    )


def _lists(prompts: Prompts, neighbours: Matches) -> pl.DataFrame:
    """Return the lists of all prompts; places are positions among all prompts."""
    embedded, present = prompts.embedded, neighbours.indices >= 0
    sizes = np.zeros(len(prompts.ids), np.int64)
    sizes[embedded] = present.sum(axis=1)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    places: Indices = (
        embedded[neighbours.indices[present]] if len(embedded) else np.empty(0, np.int64)
    )
    return prompts.frame().with_columns(
        places=_list_series(offsets, places.astype(np.int32)),
        similarities=_list_series(offsets, neighbours.similarities[present].astype(np.float32)),
        is_blank=prompts.reasons.is_not_null(),
    )


def _list_series(starts: Indices, values: npt.NDArray[np.generic]) -> pl.Series:
    """Split values into lists; list i is ``values[starts[i]:starts[i + 1]]``."""
    offsets: Any = pa.array(starts)
    return pl.Series(cast("Any", pa.LargeListArray.from_arrays(offsets, pa.array(values))))
