"""Near duplicates of prompts, responses and pairs: settings, and clusters laid beside a pair."""

from collections.abc import Iterator
from functools import partial
from typing import ClassVar, Literal

import polars as pl
from pydantic import Field

from prefine.measure.base import Measure, RecipeView
from prefine.measure.near_duplicates.columns import (
    pair_columns,
    prompt_columns,
    response_columns,
)
from prefine.measure.near_duplicates.edges import Bounds
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
    Texts,
    run_text_clusters,
)
from prefine.schema import Column
from prefine.search.settings import Search
from prefine.settings.json import Json
from prefine.step import Counts, StepSpec, Work
from prefine.tables.texts import beside
from prefine.tables.texts import texts as read_texts
from prefine.text.differences import TRAITS, Apart, differences

_TEXTS_VERSION = 3
_PAIRS_VERSION = 3
_RESPONSE = ("cluster", "cluster_size", "cluster_prompts", "text_prompts", "cluster_by", "apart")


class NearDuplicates(Measure):
    """Clusters of prompts, responses and pairs that say the same in nearly the same words."""

    version: ClassVar[int] = 3

    kind: Literal["near_duplicates"]
    of: tuple[Literal["prompts", "responses", "pairs"], ...] = Field(("prompts",), min_length=1)
    """What is clustered; ``pairs`` clusters prompts and responses first."""
    by: tuple[Literal["lexical", "semantic"], ...] = Field(("lexical",), min_length=1)
    """``lexical`` finds candidates by MinHash and compares their whole texts; ``semantic`` takes
    the nearest embeddings, of texts with words in common. Texts of the same words are one cluster
    always."""
    jaccard: float = Field(default=0.8, gt=0, le=1)
    """Least overlap of their word shingles to be one cluster."""
    shingle_words: int = Field(default=3, ge=1, le=10)
    """Texts of fewer words are duplicates by their words only when these are equal."""
    character_jaccard: float | None = Field(default=0.7, gt=0, le=1)
    """Least overlap of character shingles that does as well, where the words that differ are slips
    of each other but for 1 in 28. It needs no word boundaries, and so holds in any language. Texts
    of more than 256 Latin letters are looked at where their words came near. Null leaves it out."""
    shingle_characters: int = Field(default=3, ge=1, le=50)
    """Characters in a shingle; a space stands between two words, and a Chinese character is one."""
    apart: tuple[Apart, ...] = TRAITS
    """Near copies that differ in one of these are not one cluster, by whatever method they were
    found; an empty list keeps none apart. They still share a side of the split."""
    chained: float = Field(default=0.5, gt=0, le=1)
    """Least overlap of word shingles between a cluster's centre and each member that is no near
    duplicate of it itself; members below are clustered anew."""
    similarity: float = Field(default=0.9, gt=0, le=1)
    """Least cosine of two embeddings; only for ``semantic``."""
    semantic_jaccard: float = Field(default=0.5, ge=0, le=1)
    """Least overlap of word shingles of two texts whose embeddings are that near; only for
    ``semantic``. Of 172 pairs of rm_bench's responses 24 lie below 0.5: paraphrases, and other
    facts (how to cut and how to gut a fish). With 0 any wording counts: for an encoder that
    reads sentences."""
    neighbours: int = Field(default=16, ge=1, le=256)
    """How many neighbours of each text are looked at first; a text whose neighbours are all near
    duplicates is looked at again with four times as many, up to 256. Only for ``semantic``."""
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
        texts = (RESPONSES.table,) if RESPONSE_CLUSTERS in self.clustered else ()
        return ("pairs", *texts, *self.clustered)

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
        vectors = texts.vectors.tables if self.semantic else ()
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
            rows = _with_responses(work, rows)
        if PAIR_CLUSTERS in self.clustered:
            pairs = work.read(PAIR_CLUSTERS)
            rows = rows.join(pairs, on="pair_id", how="left", maintain_order="left", validate="1:1")
        work.emit(self.table, rows)
        return Counts(rows.height, rows.height)


def _with_responses(work: Work, rows: pl.DataFrame) -> pl.DataFrame:
    """Add what the clusters of responses say of both sides, and how the two differ."""
    rows = beside(rows, work.read(RESPONSE_CLUSTERS), *_RESPONSE, "text", "component")
    rows = rows.with_columns(
        (pl.col("chosen_text") == pl.col("rejected_text")).alias("responses_alike")
    )
    near = rows.filter(pl.col("chosen_component") == pl.col("rejected_component"))
    texts = dict(zip(*read_texts(work, RESPONSES.table, RESPONSES.key), strict=True))
    sides = ([texts[name] for name in near[side]] for side in ("chosen_id", "rejected_id"))
    differ = near.select("pair_id", differences(*sides).alias("responses_differ"))
    return rows.join(differ, on="pair_id", how="left", maintain_order="left", validate="1:1")
