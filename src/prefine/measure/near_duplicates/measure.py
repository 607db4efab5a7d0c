"""The measure of near duplicates: settings, steps, and the join of clusters to pairs."""

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
from prefine.tables.texts import join_sides
from prefine.tables.texts import texts as read_texts
from prefine.text.differences import TRAITS, Apart, differences

_TEXTS_VERSION = 3
_PAIRS_VERSION = 3
_RESPONSE = ("cluster", "cluster_size", "cluster_prompts", "text_prompts", "cluster_by", "apart")


class NearDuplicates(Measure):
    """Clusters of near-duplicate prompts, responses and pairs.

    Use it for deduplication and for splits without leakage. Only ``by: [semantic]`` needs
    embeddings.
    """

    version: ClassVar[int] = 3

    kind: Literal["near_duplicates"]
    """Selects this measure."""
    of: tuple[Literal["prompts", "responses", "pairs"], ...] = Field(("prompts",), min_length=1)
    """What to cluster: ``prompts``, ``responses`` or ``pairs``; ``pairs`` includes both others."""
    by: tuple[Literal["lexical", "semantic"], ...] = Field(("lexical",), min_length=1)
    """Methods: ``lexical`` finds candidates with MinHash and compares their full texts;
    ``semantic`` compares the embeddings of texts with words in common. Texts with the same words
    are always in one cluster."""
    jaccard: float = Field(default=0.8, gt=0, le=1)
    """Minimum Jaccard overlap of word shingles of near duplicates."""
    shingle_words: int = Field(default=3, ge=1, le=10)
    """Number of words in a shingle; texts with fewer words are near duplicates by words only if
    they have the same words."""
    character_jaccard: float | None = Field(default=0.7, gt=0, le=1)
    """Minimum Jaccard overlap of character shingles of near duplicates; all but 1 in 28 of their
    differing words must be typos of each other. It works for languages without word boundaries.
    Texts with more than 256 Latin letters are only compared if their word shingles overlap. Null
    disables it."""
    shingle_characters: int = Field(default=3, ge=1, le=50)
    """Number of characters in a shingle; words are separated by one space."""
    apart: tuple[Apart, ...] = TRAITS
    """Differences that put near duplicates into different clusters, for all methods; an empty list
    ignores them. Such texts still stay in the same split."""
    chained: float = Field(default=0.5, gt=0, le=1)
    """Minimum Jaccard overlap of word shingles between the centre of a cluster and a member that is
    connected to it only through other members; members below are clustered again."""
    similarity: float = Field(default=0.9, gt=0, le=1)
    """Minimum cosine of the embeddings of near duplicates; only for ``semantic``."""
    semantic_jaccard: float = Field(default=0.5, ge=0, le=1)
    """Minimum Jaccard overlap of word shingles of texts with similar embeddings; only for
    ``semantic``. Of 172 pairs of RM-Bench responses 24 are below 0.5: paraphrases, and texts with
    other facts. Use 0 with a sentence encoder to accept any wording."""
    neighbours: int = Field(default=16, ge=1, le=256)
    """Number of nearest neighbours that are compared; a text whose neighbours are all near
    duplicates is searched again with four times as many, up to 256. Only for ``semantic``."""
    search: Search = Search()
    """How nearest neighbours are searched; only for ``semantic``."""

    @property
    def semantic(self) -> bool:
        """Whether embeddings are needed."""
        return "semantic" in self.by

    @property
    def clustered(self) -> tuple[str, ...]:
        """The tables of clusters that are needed, in the order of the steps."""
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
        """Join the clusters of prompt, responses and pair to the pairs of a shard."""
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
    """Join the response clusters to both sides, and add how the two responses differ."""
    rows = join_sides(rows, work.read(RESPONSE_CLUSTERS), *_RESPONSE, "text", "component")
    rows = rows.with_columns(
        (pl.col("chosen_text") == pl.col("rejected_text")).alias("responses_alike")
    )
    near = rows.filter(pl.col("chosen_component") == pl.col("rejected_component"))
    texts = dict(zip(*read_texts(work, RESPONSES.table, RESPONSES.key), strict=True))
    sides = ([texts[name] for name in near[side]] for side in ("chosen_id", "rejected_id"))
    differ = near.select("pair_id", differences(*sides).alias("responses_differ"))
    return rows.join(differ, on="pair_id", how="left", maintain_order="left", validate="1:1")
