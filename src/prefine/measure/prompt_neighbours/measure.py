"""The nearest other prompts of each prompt: a list that ``diverse`` rules read.

A place is a number in the list of all prompts sorted by id, which the table itself holds.
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
from prefine.search.index import Found, built, without
from prefine.search.nearest import nearest
from prefine.search.settings import Search
from prefine.search.storage import Places
from prefine.settings.json import Json
from prefine.step import Counts, StepSpec, Work
from prefine.tables.prompts import Prompts, emit_parts, read_prompts, scattered
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
"""One row a prompt: its neighbours, the most similar first; one without an embedding has none,
whatever the reason."""
_DIVERSITY = "diversity"
_DIVERSITY_VERSION = 3


class PromptNeighbours(Measure):
    """The nearest other prompts of each prompt: what ``diverse`` rules and the entropy read."""

    tables: ClassVar = ("prompts", *PROMPT_VECTORS.tables)
    id_column: ClassVar = "prompt_id"
    scope: ClassVar = "corpus"
    seeded: ClassVar = True
    version: ClassVar = 3

    kind: Literal["prompt_neighbours"]
    neighbours: int = Field(default=32, ge=1, le=1024)
    """How many are listed for each prompt."""
    complete_up_to: int = Field(default=1_000, ge=1, le=10_000)
    """With up to this many prompts every other one is listed, so that ``diverse`` rules see all."""
    search: Search = Search()
    kth: int = Field(default=5, ge=1)
    """Which neighbour's distance is the column, and behind the entropy of the selection."""

    @model_validator(mode="after")
    def _listed(self) -> Self:
        if self.kth > self.neighbours:
            raise ValueError("`kth` is one of the `neighbours`, so it is at most their number")
        return self

    def columns(self) -> tuple[Column, ...]:
        """Return the columns of this measure."""
        return (
            Column(
                "prompt_knn_distance",
                pa.float64(),
                f"Euclidean distance to the {ordinal(self.kth)} nearest prompt, in [0, 2]",
            ),
            Column(
                "prompt_knn_reason",
                pa.large_string(),
                "why there is none: blank, unknown_words, too_few; else null",
            ),
        )

    def writes(self, recipe: RecipeView) -> Mapping[str, pa.Schema]:
        """Return the table of the lists."""
        return {LISTS: _LISTS}

    def reports(self, recipe: RecipeView) -> Iterator[StepSpec]:
        """Yield the step that finds out how diverse the kept prompts are."""
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
        """List the neighbours of the prompts of all shards."""
        prompts = read_prompts(work)
        num_others = max(len(prompts.solid) - 1, 0)
        complete = num_others < self.complete_up_to
        count = num_others if complete else min(self.neighbours, num_others)
        found = _search(work, prompts, count, self.search, work.seed)
        work.notes["listed"] = "all others" if complete else count
        emit_parts(work, self.table, _column(prompts, found, self.kth))
        emit_parts(work, LISTS, _lists(prompts, found))
        return Counts(len(prompts.ids), len(prompts.ids))


def ordinal(number: int) -> str:
    """Return 1st, 2nd, 3rd, 4th, ..."""
    teens = 10 < number % 100 < 20  # noqa: PLR2004 - 11th to 13th
    return f"{number}{'th' if teens else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def _search(work: Work, prompts: Prompts, count: int, config: Search, seed: int) -> Found:
    """Find the neighbours of the prompts that are not blank, in the order of their ids."""
    solid = prompts.solid
    vectors = prompts.vectors if len(solid) == len(prompts.ids) else prompts.vectors[solid]
    if count >= len(solid) - 1:
        work.notes.update({"index": "none", "vectors": len(solid), "recall": 1.0})
        found = nearest(vectors, vectors, count + 1)
        return without(found, found.places == np.arange(len(solid))[:, None], count)
    ids: list[str] = [prompts.ids[place] for place in solid.tolist()]
    everything = [(np.arange(len(ids)), vectors)]
    places = np.full((len(solid), count), -1, np.int64)
    similarities = np.full((len(solid), count), -np.inf)
    with built(
        ids, lambda: everything, count=count, config=config, runtime=work.runtime, seed=seed
    ) as (index, notes):
        for mine, found in index.knn_self_join(count):
            places[mine], similarities[mine] = found.places, found.similarities
            work.progress(len(mine))
    work.notes.update(notes)
    return Found(places, similarities)


def _column(prompts: Prompts, found: Found, kth: int) -> pl.DataFrame:
    distances = np.full(len(found.places), np.nan)
    if found.places.shape[1] >= kth:
        cosine = found.similarities[:, kth - 1]
        distances = np.where(np.isfinite(cosine), euclidean(cosine), np.nan)
    distance = pl.col("prompt_knn_distance")
    return (
        prompts.frame()
        .with_columns(
            scattered(prompts, distances).alias("prompt_knn_distance"),
        )
        .with_columns(
            pl.when(distance.is_null())
            .then(prompts.reasons.fill_null("too_few"))
            .alias("prompt_knn_reason")
        )
    )


def _lists(prompts: Prompts, found: Found) -> pl.DataFrame:
    """Return the lists of all prompts; places count in all prompts, blank ones included."""
    solid, known = prompts.solid, found.places >= 0
    sizes = np.zeros(len(prompts.ids), np.int64)
    sizes[solid] = known.sum(axis=1)
    ends = np.concatenate([[0], np.cumsum(sizes)])
    places: Places = solid[found.places[known]] if len(solid) else np.empty(0, np.int64)
    return prompts.frame().with_columns(
        places=_listed(ends, places.astype(np.int32)),
        similarities=_listed(ends, found.similarities[known].astype(np.float32)),
        is_blank=prompts.reasons.is_not_null(),
    )


def _listed(ends: Places, values: npt.NDArray[np.generic]) -> pl.Series:
    """Cut values into lists that end at ``ends``, of which the first is 0."""
    offsets: Any = pa.array(ends)
    return pl.Series(cast("Any", pa.LargeListArray.from_arrays(offsets, pa.array(values))))
