"""Topics: spherical k-means clusters of the prompts' embeddings.

Prompts are taken in the order of their ids, and a topic is named after the prompt nearest to its
centre, so that no order of rows changes a name.
"""

import math
from typing import ClassVar, Literal

import numpy as np
import polars as pl
import pyarrow as pa
from pydantic import Field

from prefine.measure.base import Measure
from prefine.schema import COUNT, Column
from prefine.search.kmeans import spherical_kmeans
from prefine.search.nearest import nearest
from prefine.search.storage import Vectors
from prefine.step import Counts, Work
from prefine.tables.prompts import emit_parts, read_prompts, scattered
from prefine.tables.vectors import PROMPT_VECTORS


class PromptTopics(Measure):
    """K-means clusters of the prompts' embeddings: what the prompts are about.

    A prompt of which only the beginning was embedded belongs where its beginning does.
    """

    tables: ClassVar = ("prompts", *PROMPT_VECTORS.tables)
    id_column: ClassVar = "prompt_id"
    scope: ClassVar = "corpus"
    seeded: ClassVar = True
    version: ClassVar = 3

    kind: Literal["prompt_topics"]
    topics: int | None = Field(default=None, ge=1)
    """How many; null takes the square root of the number of prompts."""
    iterations: int = Field(default=20, ge=1, le=1000)
    starts: int = Field(default=3, ge=1, le=100)
    """Begin so many times from other centres, and take the best. Of 90 times (6 planted groups),
    one start found all groups 79 times, the best of three 88 times, one drawn at random 13."""

    def columns(self) -> tuple[Column, ...]:
        """Return the columns of this measure."""
        return (
            Column(
                "prompt_topic",
                pa.large_string(),
                "the topic, named by the id of its most central prompt",
            ),
            Column(
                "prompt_topic_size", pa.int64(), "how many prompts are about the topic", range=COUNT
            ),
            Column(
                "prompt_topic_similarity", pa.float64(), "cosine to the topic's centre, in [-1, 1]"
            ),
            Column(
                "prompt_topic_reason",
                pa.large_string(),
                "why there is no topic: blank, unknown_words; else null",
            ),
        )

    def run(self, work: Work) -> Counts:
        """Find the topics of the prompts of all shards."""
        prompts = read_prompts(work)
        solid = prompts.solid
        vectors = prompts.vectors if len(solid) == len(prompts.ids) else prompts.vectors[solid]
        near = nearest(vectors, self.centres(vectors, work.seed), 1)
        label = np.full(len(prompts.ids), -1)
        label[solid] = near.places.ravel()
        topics = prompts.frame().with_columns(
            pl.Series("label", label, pl.Int64),
            scattered(prompts, near.similarities.ravel()).alias("prompt_topic_similarity"),
            prompts.reasons.alias("prompt_topic_reason"),
        )
        emit_parts(work, self.table, with_names(topics))
        work.notes["num_topics"] = topics.filter(pl.col("label") >= 0)["label"].n_unique()
        work.notes["num_without_topic"] = len(prompts.ids) - len(solid)
        return Counts(len(prompts.ids), topics.height)

    def centres(self, vectors: Vectors, seed: int) -> Vectors:
        """Fit unit centres to unit vectors.

        Args:
            vectors: In the order of the prompts' ids, shape (prompts, dimensions).
            seed: Draws the first centres.

        Returns:
            Shape (topics, dimensions); there are no more topics than vectors.
        """
        topics = min(self.topics or round(math.sqrt(len(vectors))), len(vectors))
        if topics == len(vectors):
            return vectors
        return spherical_kmeans(
            vectors, topics, rounds=self.iterations, starts=self.starts, seed=seed
        )


def with_names(topics: pl.DataFrame) -> pl.DataFrame:
    """Name each topic after its most central prompt, the smallest id of several.

    Args:
        topics: ``prompt_id``, ``label`` (below 0 for none), ``prompt_topic_similarity`` and
            ``prompt_topic_reason``.

    Returns:
        The same without ``label``, with the columns of the measure.
    """
    inside = pl.col("label") >= 0
    central = pl.struct(-pl.col("prompt_topic_similarity"), pl.col("prompt_id"))
    name = pl.col("prompt_id").sort_by(central).first().over("label")
    return topics.with_columns(
        pl.when(inside).then(name).alias("prompt_topic"),
        pl.when(inside).then(pl.len().over("label")).cast(pl.Int64).alias("prompt_topic_size"),
    ).drop("label")
