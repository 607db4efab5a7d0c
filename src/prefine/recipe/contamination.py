"""Which prompts stand in a benchmark.

What comes in: an entry of a recipe's ``measures``. What goes out: frozen settings and their
columns. What never happens: a threshold that keeps or drops; those live in rules.
"""

from typing import Annotated, Literal

import pyarrow as pa
from pydantic import Field

from prefine.recipe.base import Name, Part, Where
from prefine.recipe.sources import File
from prefine.schema import Column

_F64 = pa.float64()
_TEXT = pa.large_string()


class Benchmark(Part):
    """Files of texts that a model will be tested on."""

    name: Name
    files: Annotated[tuple[str, ...], Where] = Field(min_length=1)
    """Paths or globs relative to the data folder, fsspec URLs, or ``hf://``."""
    sha256: Annotated[tuple[str, ...], Where] = ()
    """What the files must hash to, in any order; empty accepts any bytes."""
    text: str = "prompt"
    """Dotted path of the text in its row: a text, a list of texts, or messages."""
    max_row_bytes: int = Field(default=32 * 2**20, ge=1024)
    """A longer raw row goes to quarantine without being parsed."""
    resolved: tuple[File, ...] = ()
    """Filled in when the recipe is resolved."""


class Contamination(Part):
    """How much of a benchmark's texts stands in each prompt."""

    kind: Literal["contamination"]
    benchmarks: tuple[Benchmark, ...] = Field(min_length=1)
    ngram_words: int = Field(default=8, ge=1, le=50)
    """Words in a run; benchmark texts of fewer words are found only where they are all of a turn or
    of a prompt."""
    semantic: bool = False
    """Also compare embeddings."""
    counted_overlap: float = Field(default=0.5, gt=0, le=1)
    """From which overlap on the manifest counts a prompt; rules have thresholds of their own."""
    counted_similarity: float = Field(default=0.95, gt=0, le=1)
    """From which cosine on the manifest counts a prompt; only with ``semantic``."""

    def columns(self) -> tuple[Column, ...]:
        """Return the columns of this measure."""
        words = (
            Column(
                "contamination_overlap",
                _F64,
                f"largest share of a benchmark text's runs of {self.ngram_words} words that stand "
                "in the prompt, in [0, 1]; 1 where a turn has the very same words",
            ),
            Column("contamination_by", _TEXT, "how they match: exact, ngrams; else null"),
            Column("contamination_benchmark", _TEXT, "the benchmark of that text, or null"),
            Column("contamination_example", _TEXT, "id of that text, or null"),
        )
        if not self.semantic:
            return words
        return (
            *words,
            Column("contamination_similarity", _F64, "cosine to the nearest benchmark text"),
            Column("contamination_nearest", _TEXT, "id of that text; null for a blank prompt"),
        )
