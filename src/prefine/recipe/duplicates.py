"""Near duplicates of prompts, responses and pairs.

What comes in: an entry of a recipe's ``measures``. What goes out: frozen settings and their
columns. What never happens: a threshold that keeps or drops; those live in rules.
"""

from typing import Literal

import pyarrow as pa
from pydantic import Field

from prefine.recipe.base import Part
from prefine.recipe.neighbours import Search
from prefine.schema import Column, Flip
from prefine.schema.columns import sides

_F64 = pa.float64()
_I64 = pa.int64()
_TEXT = pa.large_string()
_BOOL = pa.bool_()


class NearDuplicates(Part):
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
    def tables(self) -> tuple[str, ...]:
        """The tables of clusters that are made, in this order."""
        if "pairs" in self.of:
            return ("prompt_clusters", "response_clusters", "pair_clusters")
        names = {"prompts": "prompt_clusters", "responses": "response_clusters"}
        return tuple(table for kind, table in names.items() if kind in self.of)

    def columns(self) -> tuple[Column, ...]:
        """Return the columns of this measure."""
        found: tuple[Column, ...] = ()
        if "prompt_clusters" in self.tables:
            found += _prompt_columns(self)
        if "response_clusters" in self.tables:
            found += _response_columns()
        return found + (_pair_columns() if "pair_clusters" in self.tables else ())


def _prompt_columns(config: NearDuplicates) -> tuple[Column, ...]:
    found = (
        Column("prompt_cluster", _TEXT, "id of the representative of the prompt's cluster"),
        Column("prompt_cluster_size", _I64, "how many prompts are in the cluster"),
        Column("prompt_is_representative", _BOOL, "the prompt stands for its cluster"),
        Column("prompt_cluster_by", _TEXT, "how it joined: exact, words, characters, semantic"),
        Column("prompt_overlap", _F64, "its largest overlap with another prompt, in that way"),
        Column("prompt_component", _TEXT, "the clusters of one component stay in one split"),
    )
    nearest = "cosine to the nearest prompt of other words that was looked at, in [-1, 1]"
    return found + ((Column("prompt_similarity", _F64, nearest),) if config.semantic else ())


def _response_columns() -> tuple[Column, ...]:
    return (
        *sides("cluster", _TEXT, "id of the representative of the cluster"),
        *sides("cluster_size", _I64, "number of responses in the cluster"),
        *sides("cluster_prompts", _I64, "number of prompts that the cluster answers"),
        *sides("text_prompts", _I64, "number of prompts answered in the very same words"),
        *sides("cluster_by", _TEXT, "how it joined: exact, words, characters, semantic;"),
        Column("responses_alike", _BOOL, "chosen and rejected are in one cluster"),
    )


def _pair_columns() -> tuple[Column, ...]:
    agreeing, opposed = "pair_cluster_agreeing", "pair_cluster_opposed"
    return (
        Column("pair_cluster", _TEXT, "id of the representative of the pair's cluster"),
        Column("pair_cluster_size", _I64, "pairs whose prompts and both responses are alike"),
        Column("pair_is_representative", _BOOL, "the pair stands for its cluster"),
        Column("pair_cluster_sources", _I64, "distinct sources that hold a pair of the cluster"),
        Column(agreeing, _I64, "other pairs of the cluster with this label", Flip.SWAP, opposed),
        Column(opposed, _I64, "pairs of the cluster with the label reversed", Flip.SWAP, agreeing),
    )
