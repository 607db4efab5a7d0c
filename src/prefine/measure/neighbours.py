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
from prefine.measure.embeddings import Vectors
from prefine.measure.nearest import Nearest, Places, nearest, recall
from prefine.recipe import PromptNeighbours
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

_SAMPLED = 200
"""Prompts whose neighbours are compared with the true ones, where the search is not exact."""


def measure(work: Work, config: PromptNeighbours) -> Counts:
    """List the neighbours of the prompts of all shards.

    Args:
        work: Reads ``prompt_vectors``; writes ``measure_prompt_neighbours`` and
            ``neighbour_lists``.
        config: How many, and how they are searched for.
    """
    prompts = read_prompts(work)
    solid = prompts.solid
    vectors = prompts.vectors if len(solid) == len(prompts.ids) else prompts.vectors[solid]
    complete = len(vectors) <= config.complete_up_to
    count = len(vectors) - 1 if complete else config.neighbours
    found = others(nearest(vectors, vectors, count + 1, config.exact_up_to))
    exact = len(vectors) <= config.exact_up_to
    work.notes["search"] = "exact" if exact else "inverted file"
    work.notes["lists"] = "complete" if complete else f"{count} of {max(len(vectors) - 1, 0)}"
    if not exact:
        work.notes["recall"] = round(_recall(found, vectors), 4)
    emit_parts(work, "measure_prompt_neighbours", _column(prompts, found, config.kth))
    emit_parts(work, "neighbour_lists", _lists(prompts, found))
    return Counts(len(prompts.ids), len(prompts.ids))


def others(found: Nearest) -> Nearest:
    """Take the query itself out of its neighbours, or the last one where it was not found.

    Args:
        found: What is nearest to each vector among all vectors, itself included.

    Returns:
        The same with one column less.
    """
    own = np.arange(len(found.places))[:, None]
    keep = found.places != own
    if keep.shape[1]:
        keep[keep.all(axis=1), -1] = False
    shape = (len(keep), max(keep.shape[1] - 1, 0))
    return Nearest(found.places[keep].reshape(shape), found.similarities[keep].reshape(shape))


def _recall(found: Nearest, vectors: Vectors) -> float:
    """Return the share of the true neighbours that were found, for prompts all over the corpus."""
    queries = np.linspace(0, len(vectors) - 1, _SAMPLED).astype(np.int64)
    own = np.ones(len(queries))[:, None]
    places = np.concatenate([queries[:, None], found.places[queries]], axis=1)
    similarities = np.concatenate([own, found.similarities[queries]], axis=1)
    return recall(Nearest(places, similarities), vectors, queries)


def _column(prompts: Prompts, found: Nearest, kth: int) -> pl.DataFrame:
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


def _lists(prompts: Prompts, found: Nearest) -> pl.DataFrame:
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
