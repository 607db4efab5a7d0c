"""Near duplicates of prompts, responses and pairs: settings, and clusters laid beside a pair."""

from collections.abc import Iterator
from functools import partial
from typing import Literal

import polars as pl
from pydantic import Field

from prefine.measure.base import Measure, RecipeView
from prefine.measure.near_duplicates.columns import (
    pair_columns,
    prompt_columns,
    response_columns,
)
from prefine.measure.near_duplicates.pairs import run_pair_clusters
from prefine.measure.near_duplicates.tables import (
    PAIR_CLUSTERS,
    PROMPT_CLUSTERS,
    RESPONSE_CLUSTERS,
    SCHEMAS,
)
from prefine.measure.near_duplicates.texts import (
    PROMPTS,
    RESPONSES,
    Bounds,
    Texts,
    run_text_clusters,
)
from prefine.schema import Column
from prefine.search.settings import Search
from prefine.settings.json import Json
from prefine.step import Counts, StepSpec, Work
from prefine.tables.texts import beside

_TEXTS_VERSION = 2
_PAIRS_VERSION = 2
_RESPONSE = ("cluster", "cluster_size", "cluster_prompts", "text_prompts", "cluster_by")


class NearDuplicates(Measure):
    """Clusters of prompts, responses and pairs that say the same in nearly the same words."""

    kind: Literal["near_duplicates"]
    of: tuple[Literal["prompts", "responses", "pairs"], ...] = Field(("prompts",), min_length=1)
    """What is clustered; ``pairs`` clusters prompts and responses first."""
    by: tuple[Literal["lexical", "semantic"], ...] = ("lexical",)
    """``lexical`` finds candidates by MinHash and compares their whole texts; ``semantic`` takes
    the nearest embeddings, whatever the words. Texts of the same words are one cluster always."""
    jaccard: float = Field(default=0.8, gt=0, le=1)
    """Least overlap of their word shingles to be one cluster."""
    shingle_words: int = Field(default=3, ge=1, le=10)
    """Texts of fewer words are duplicates only when their words are equal."""
    character_jaccard: float | None = Field(default=0.9, gt=0, le=1)
    """Least overlap of character shingles that does as well, for texts with many small slips;
    looked at where the word shingles were near enough to be compared. Null leaves it out."""
    shingle_characters: int = Field(default=5, ge=1, le=50)
    chained: float = Field(default=0.5, gt=0, le=1)
    """Least overlap of word shingles between a cluster's centre and each member that is no near
    duplicate of it itself; members below are clustered anew."""
    similarity: float = Field(default=0.95, gt=0, le=1)
    """Least cosine of two embeddings; only for ``semantic``."""
    neighbours: int = Field(default=16, ge=1, le=256)
    """How many neighbours of each text are looked at; only for ``semantic``."""
    search: Search = Search()
    """How neighbours are searched; only for ``semantic``."""

    @property
    def semantic(self) -> bool:
        """Whether embeddings are needed."""
        return "semantic" in self.by

    @property
    def clustered(self) -> tuple[str, ...]:
        """The tables of clusters that are made, in this order."""
        if "pairs" in self.of:
            return (PROMPT_CLUSTERS, RESPONSE_CLUSTERS, PAIR_CLUSTERS)
        names = {"prompts": PROMPT_CLUSTERS, "responses": RESPONSE_CLUSTERS}
        return tuple(table for kind, table in names.items() if kind in self.of)

    def columns(self) -> tuple[Column, ...]:
        """Return the columns of this measure."""
        columns: tuple[Column, ...] = ()
        if PROMPT_CLUSTERS in self.clustered:
            columns += prompt_columns(semantic=self.semantic)
        if RESPONSE_CLUSTERS in self.clustered:
            columns += response_columns()
        return columns + (pair_columns() if PAIR_CLUSTERS in self.clustered else ())

    def reads(self, recipe: RecipeView) -> tuple[str, ...]:
        """Return the tables that are read."""
        return ("pairs", *self.clustered)

    def helpers(self, recipe: RecipeView) -> Iterator[StepSpec]:
        """Yield the steps that cluster prompts, responses and pairs."""
        settings = {key: value for key, value in self.identity().items() if key != "of"}
        seed = {"seed": recipe.seed} if self.semantic else {}
        for texts in (PROMPTS, RESPONSES):
            yield self._clusters(texts, settings | seed)
        yield StepSpec(
            name=PAIR_CLUSTERS,
            version=_PAIRS_VERSION,
            run=run_pair_clusters,
            reads=("pairs", "judgements", PROMPT_CLUSTERS, RESPONSE_CLUSTERS),
            writes={PAIR_CLUSTERS: SCHEMAS[PAIR_CLUSTERS]},
            config={},
            scope="corpus",
            rows_of="pairs",
            rows_to=PAIR_CLUSTERS,
        )

    def _clusters(self, texts: Texts, config: Json) -> StepSpec:
        bounds = Bounds(**{name: getattr(self, name) for name in Bounds._fields})
        vectors = (texts.vectors.table,) if self.semantic else ()
        return StepSpec(
            name=texts.clusters,
            version=_TEXTS_VERSION,
            run=partial(run_text_clusters, bounds=bounds, texts=texts),
            reads=("pairs", texts.table, *vectors),
            writes={texts.clusters: SCHEMAS[texts.clusters]},
            config=config,
            scope="corpus",
            rows_of=texts.table,
            rows_to=texts.clusters,
        )

    def run(self, work: Work) -> Counts:
        """Lay the clusters of prompt, responses and pair beside the pairs of a shard."""
        rows = work.read("pairs", ["pair_id", "prompt_id", "chosen_id", "rejected_id"])
        if PROMPT_CLUSTERS in self.clustered:
            prompts = work.read(PROMPT_CLUSTERS)
            rows = rows.join(
                prompts, on="prompt_id", how="left", maintain_order="left", validate="m:1"
            )
        if RESPONSE_CLUSTERS in self.clustered:
            rows = beside(rows, work.read(RESPONSE_CLUSTERS), *_RESPONSE).with_columns(
                (pl.col("chosen_cluster") == pl.col("rejected_cluster")).alias("responses_alike")
            )
        if PAIR_CLUSTERS in self.clustered:
            pairs = work.read(PAIR_CLUSTERS)
            rows = rows.join(pairs, on="pair_id", how="left", maintain_order="left", validate="1:1")
        work.emit(self.table, rows)
        return Counts(rows.height, rows.height)
