"""What there is much of and what there is little of: topics, neighbours, likeness to examples.

What comes in: entries of a recipe's ``measures``. What goes out: frozen settings and their columns.
What never happens: a choice of pairs; budgets, caps and their orders live in rules.
"""

from typing import Annotated, Literal, Self

import pyarrow as pa
from pydantic import Field, model_validator

from prefine.recipe.base import Name, Part, Where
from prefine.recipe.neighbours import Search
from prefine.recipe.sources import File
from prefine.schema import Column

_F64 = pa.float64()
_TEXT = pa.large_string()


class PromptTopics(Part):
    """K-means clusters of the prompts' embeddings: what the prompts are about.

    A prompt of which only the beginning was embedded belongs where its beginning does.
    """

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
            Column("prompt_topic", _TEXT, "the topic, named by the id of its most central prompt"),
            Column("prompt_topic_size", pa.int64(), "how many prompts are about the topic"),
            Column("prompt_topic_similarity", _F64, "cosine to the topic's centre, in [-1, 1]"),
            Column("prompt_topic_reason", _TEXT, "why there is no topic: blank; else null"),
        )


class PromptNeighbours(Part):
    """The nearest other prompts of each prompt: what ``diverse`` rules and the entropy read."""

    kind: Literal["prompt_neighbours"]
    neighbours: int = Field(default=32, ge=1, le=1024)
    """How many are listed for each prompt."""
    complete_up_to: int = Field(default=1_000, ge=1, le=10_000)
    """With up to this many prompts every other one is listed, so that ``diverse`` rules see all."""
    search: Search = Search()
    kth: int = Field(default=5, ge=1)
    """The neighbour whose distance is written down, and behind the entropy of the selection."""

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
                _F64,
                f"Euclidean distance to the prompt's {self.kth}. neighbour, in [0, 2]",
            ),
            Column("prompt_knn_reason", _TEXT, "why there is none: blank, too_few; else null"),
        )


class TargetSimilarity(Part):
    """How near each prompt is to examples of what the model is to be good at.

    Measure it after decontamination: what is nearest to a benchmark may be the benchmark itself.
    """

    kind: Literal["target_similarity"]
    name: Name = "target"
    files: Annotated[tuple[str, ...], Where] = Field(min_length=1)
    """Examples: paths or globs relative to the data folder, fsspec URLs, or ``hf://``."""
    sha256: Annotated[tuple[str, ...], Where] = ()
    """What the files must hash to, in any order; empty accepts any bytes."""
    text: str = "prompt"
    """Dotted path of an example's text in its row: a text, a list of texts, or messages;
    ``turns[].content`` walks a list."""
    max_row_bytes: int = Field(default=32 * 2**20, ge=1024)
    """A longer raw row goes to quarantine without being parsed."""
    resolved: tuple[File, ...] = ()
    """Filled in when the recipe is resolved."""

    def columns(self) -> tuple[Column, ...]:
        """Return the columns of this measure."""
        name = self.name
        return (
            Column(f"{name}_similarity", _F64, "cosine to the nearest example, in [-1, 1]"),
            Column(
                f"{name}_best_rank",
                pa.int64(),
                "best place of the prompt in any example's list of nearest prompts, from 1",
            ),
            Column(f"{name}_score", _F64, "mean of log2(1 / place) over all examples, at most 0"),
            Column(f"{name}_reason", _TEXT, "why there is none: blank; else null"),
        )
