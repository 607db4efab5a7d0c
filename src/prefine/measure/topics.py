"""Topics: k-means clusters of prompt vectors.

What comes in: prompt vectors of the whole corpus. What goes out: a topic for every prompt that has
a direction. What never happens: a topic that changes its name because rows came in another order;
prompts are taken in the order of their ids, and a topic is named by the prompt nearest its centre.
"""

import math
from typing import Any

import faiss
import numpy as np
import polars as pl

from prefine.measure.corpus import emit_parts, read_prompts, scattered
from prefine.measure.embeddings import Vectors
from prefine.measure.lists import pooled
from prefine.measure.nearest import nearest
from prefine.recipe import PromptTopics
from prefine.step import Counts, Work

_TRAINED_ON = 256
"""Prompts a topic that the centres are fitted on, where there are more: the library's default."""


def measure(work: Work, config: PromptTopics, seed: int) -> Counts:
    """Find the topics of the prompts of all shards.

    Args:
        work: Reads ``prompt_vectors``; writes ``measure_prompt_topics``.
        config: How many topics, how many rounds.
        seed: Draws the prompts that the centres start from.
    """
    prompts = read_prompts(work)
    solid = prompts.solid
    vectors = prompts.vectors if len(solid) == len(prompts.ids) else prompts.vectors[solid]
    centres = fit(vectors, config, seed)
    near = nearest(vectors, centres, 1)
    label = np.full(len(prompts.ids), -1)
    label[solid] = near.places.ravel()
    found = prompts.frame().with_columns(
        pl.Series("label", label, pl.Int64),
        scattered(prompts, near.similarities.ravel()).alias("prompt_topic_similarity"),
    )
    emit_parts(work, "measure_prompt_topics", named(found))
    work.notes["num_topics"] = found.filter(pl.col("label") >= 0)["label"].n_unique()
    work.notes["num_without_topic"] = len(prompts.ids) - len(solid)
    return Counts(len(prompts.ids), found.height)


def fit(vectors: Vectors, config: PromptTopics, seed: int) -> Vectors:
    """Fit unit centres to unit vectors.

    Args:
        vectors: In the order of the prompts' ids, shape (prompts, dimensions).
        config: Names the number of topics; there are no more than vectors.
        seed: Draws the first centres.

    Returns:
        Shape (topics, dimensions).

    Source:
        Dhillon and Modha 2001, spherical k-means: centres are scaled to length one each round;
        Arthur and Vassilvitskii 2007, k-means++: the first centres are drawn far from each other.
    """
    wanted = config.topics or round(math.sqrt(len(vectors)))
    topics = min(wanted, len(vectors))
    if topics == len(vectors):
        return vectors
    step = max(1, len(vectors) // (_TRAINED_ON * topics))
    model: Any = faiss.Kmeans(
        vectors.shape[1],
        topics,
        niter=config.iterations,
        nredo=config.starts,
        seed=seed % 2**31,
        spherical=True,
        min_points_per_centroid=1,
        max_points_per_centroid=len(vectors),
    )
    model.cp.init_method = faiss.ClusteringInitMethod_KMEANS_PLUS_PLUS
    sample = np.ascontiguousarray(vectors[::step])
    with pooled() as pool:  # one thread learns, for sums are rounded differently by several
        pool.each(lambda _: model.train(sample), 1)
    return model.centroids


def named(found: pl.DataFrame) -> pl.DataFrame:
    """Name each topic after its most central prompt, the smallest id of several.

    Args:
        found: ``prompt_id``, ``label`` (below 0 for none) and ``prompt_topic_similarity``.

    Returns:
        The same without ``label``, with the columns of the measure.
    """
    inside = pl.col("label") >= 0
    central = pl.struct(-pl.col("prompt_topic_similarity"), pl.col("prompt_id"))
    name = pl.col("prompt_id").sort_by(central).first().over("label")
    return found.with_columns(
        pl.when(inside).then(name).alias("prompt_topic"),
        pl.when(inside).then(pl.len().over("label")).cast(pl.Int64).alias("prompt_topic_size"),
        pl.when(~inside).then(pl.lit("blank")).alias("prompt_topic_reason"),
    ).drop("label")
