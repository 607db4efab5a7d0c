"""The nearest other prompts of each prompt: a list that decisions read.

What comes in: prompt vectors of the whole corpus. What goes out: for every prompt the places and
cosines of its neighbours, and one distance as a column. What never happens: a prompt that is its
own neighbour.

A place is a number in the list of all prompts sorted by id, which the table itself holds.
"""

from typing import Any, cast

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from prefine.measure.corpus import Prompts, emit_parts, read_prompts, scattered
from prefine.measure.index import Found, built, without
from prefine.measure.nearest import nearest
from prefine.measure.rows import Places
from prefine.recipe import PromptNeighbours, Search
from prefine.step import Counts, Work

LISTS = pa.schema(
    [
        pa.field("prompt_id", pa.large_string(), False),
        pa.field("places", pa.large_list(pa.int32()), False),
        pa.field("similarities", pa.large_list(pa.float32()), False),
        pa.field("is_blank", pa.bool_(), False),
    ]
)
"""One row a prompt: its neighbours, the most similar first; a blank prompt has none."""


def measure(work: Work, config: PromptNeighbours, seed: int) -> Counts:
    """List the neighbours of the prompts of all shards.

    Args:
        work: Reads ``prompt_vectors``; writes ``measure_prompt_neighbours`` and
            ``neighbour_lists``.
        config: How many, and how they are searched for.
        seed: Draws what the index learns from, and what recall is measured on.
    """
    prompts = read_prompts(work)
    num_others = max(len(prompts.solid) - 1, 0)
    complete = num_others < config.complete_up_to
    count = num_others if complete else min(config.neighbours, num_others)
    found = _search(work, prompts, count, config.search, seed)
    work.notes["listed"] = "all others" if complete else count
    emit_parts(work, "measure_prompt_neighbours", _column(prompts, found, config.kth))
    emit_parts(work, "neighbour_lists", _lists(prompts, found))
    return Counts(len(prompts.ids), len(prompts.ids))


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
        for mine, found in index.join(count):
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
    return prompts.frame().with_columns(
        scattered(prompts, distances).alias("prompt_knn_distance"),
    ).with_columns(
        pl.when(_blank(prompts))
        .then(pl.lit("blank"))
        .when(distance.is_null())
        .then(pl.lit("too_few"))
        .alias("prompt_knn_reason"),
    )  # fmt: skip


def euclidean(cosine: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return how far apart unit vectors of a cosine are: sqrt(2 - 2 cosine)."""
    return np.sqrt(2 - 2 * np.clip(cosine, -1.0, 1.0))


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
        is_blank=_blank(prompts),
    )


def _listed(ends: Places, values: npt.NDArray[np.generic]) -> pl.Series:
    """Cut values into lists that end at ``ends``, of which the first is 0."""
    offsets: Any = pa.array(ends)
    return pl.Series(cast("Any", pa.LargeListArray.from_arrays(offsets, pa.array(values))))


def _blank(prompts: Prompts) -> pl.Series:
    blank = np.ones(len(prompts.ids), bool)
    blank[prompts.solid] = False
    return pl.Series(blank)
