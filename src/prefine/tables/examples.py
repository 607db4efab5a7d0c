"""Examples: files of texts, such as benchmarks, that prompts are compared with, and their vectors.

Examples are not added to the data.
"""

from collections import Counter
from typing import Annotated, ClassVar, Self

import numpy as np
import pyarrow as pa
from pydantic import Field

from prefine.errors import DataError
from prefine.serve.embedded import UNKNOWN_WORDS, Embedded
from prefine.settings import Encoder, FileSet, Inputs, Name, Part, Where
from prefine.settings.json import Json
from prefine.step import Counts, StepSpec, Work, manifests_of
from prefine.tables.embeddings import embedder, embedder_needs, encoder_tables, server_of
from prefine.tables.vectors import VECTOR, Centre, Vectors, centred, to_arrow_vectors

EXAMPLES = pa.schema(
    [
        pa.field("example_id", pa.large_string(), False),
        pa.field("text", pa.large_string(), False),
        pa.field("answer", pa.large_string()),
        pa.field("file", pa.large_string(), False),
        pa.field("row", pa.int64(), False),
    ]
)
"""One row per example in the files; equal texts have equal ids regardless of their answers."""

VECTORS = pa.schema(
    [pa.field("example_id", pa.large_string(), False), pa.field("vector", VECTOR, False)]
)
"""One row per distinct example."""

_EMBED_VERSION = 3


class Examples(Part):
    """Files of example texts."""

    owner: ClassVar[str] = "examples"
    """The name of this kind of files in messages."""

    name: Name
    """Name of the benchmark or set of examples."""
    files: Annotated[tuple[str, ...], Where] = Field(min_length=1)
    """The files: paths or globs relative to the data folder, fsspec URLs, or ``hf://``."""
    sha256: Annotated[tuple[str, ...], Where] = ()
    """Required SHA-256 hashes of the files, in any order; empty accepts any content."""
    text: str = "prompt"
    """Dotted path of the text in a row: a text, a list of texts, or messages; ``turns[].content``
    reads a field of each list item."""
    max_row_bytes: int = Field(default=32 * 2**20, ge=1024)
    """Maximum size of a row in bytes; a larger one is quarantined without being parsed."""

    @property
    def answer_path(self) -> str | None:
        """Dotted path of the answer in a row; None if answers are not read."""
        return None

    @property
    def file_set(self) -> FileSet:
        """The files, to be resolved with the recipe."""
        return FileSet(f"{self.owner} {self.name}", self.files, sha256=self.sha256)

    @property
    def table(self) -> str:
        """The table of the texts."""
        return f"examples_{self.name}"

    @property
    def vectors(self) -> str:
        """The table of the distinct texts' embeddings."""
        return f"example_vectors_{self.name}"

    def identity(self, inputs: Inputs | None = None) -> Json:
        """Return the settings and what identifies the files."""
        files = () if inputs is None else inputs.files.get(self.file_set.key, ())
        return super().identity(inputs) | {"resolved": [file.identity() for file in files]}

    def pinned(self, inputs: Inputs) -> Self:
        """Return the same settings with the hashes of the files."""
        hashes = tuple(file.sha256 for file in inputs.files.get(self.file_set.key, ()))
        return self.model_copy(update={"sha256": hashes})

    def embedded(self, encoder: Encoder, inputs: Inputs) -> StepSpec:
        """Return the step that embeds the examples.

        Args:
            encoder: The encoder of the prompts.
            inputs: The resolved files and models.
        """
        return StepSpec(
            name=self.vectors,
            version=_EMBED_VERSION,
            run=lambda work: _run_embeddings(work, self, encoder),
            reads=(self.table, *encoder_tables(encoder)),
            writes={self.vectors: VECTORS},
            config=encoder.embedding(inputs),
            num_parts=1,
            scope="corpus",
            uses="model",
            server=server_of(encoder),
            needs=embedder_needs(encoder),
        )


def _run_embeddings(work: Work, examples: Examples, encoder: Encoder) -> Counts:
    """Embed the distinct examples of all files.

    Raises:
        DataError: No example has an embedding.
    """
    rows = work.read_all(examples.table, ["example_id", "text"])
    distinct = rows.unique("example_id").sort("example_id")
    encoded = Embedded(np.empty((0, 1), np.float32), [], [])
    if distinct.height:
        encoded = embedder(work, encoder).embed(distinct["text"].to_list(), work.progress)
    vectors, reasons = to_arrow_vectors(encoded)
    without = Counter(reason for reason in reasons if reason is not None)
    if without.total() == len(reasons):
        counts = ", ".join(f"{reason} {n}" for reason, n in sorted(without.items())) or "none"
        raise DataError(
            f"{examples.owner} {examples.name}: no example has a text at `{examples.text}` with an "
            f"embedding (without an embedding: {counts}); set `text` to the column of the text; "
            "rows without a text are in the quarantine table"
        )
    ids = pa.array(distinct["example_id"].to_list(), pa.large_string())
    table = pa.table({"example_id": ids, "vector": vectors})
    rows_out = table.filter(vectors.is_valid())
    work.emit(examples.vectors, rows_out, part=0)
    work.notes["num_examples"] = rows_out.num_rows
    if count := without[UNKNOWN_WORDS]:
        remark = (
            f"{count:,} of {len(reasons):,} examples of {examples.name} have no embedding, because "
            "the encoder does not know enough of their words (reason `unknown_words`)"
        )
        work.notes["remarks"] = [remark]
    quarantined = Counter[str]()
    for manifest in manifests_of(work, examples.table):
        quarantined.update(manifest.dropped)
    work.notes["quarantined"] = dict(sorted(quarantined.items()))
    dropped = {"repeated": rows.height - distinct.height, **without}
    by_reason = {reason: n for reason, n in dropped.items() if n}
    return Counts(rows.height, rows_out.num_rows, by_reason)


def example_vectors(table: pa.Table, centre: Centre) -> Vectors:
    """Return the unit vectors of examples, centred like the vectors that they are compared with.

    Args:
        table: The table of example vectors.
        centre: The centre of the vectors to compare with (``read_centre``); empty if there are no
            such vectors.

    Returns:
        Shape (examples, dimensions).
    """
    if not len(centre):
        return np.zeros((table.num_rows, 1), np.float32)
    return centred(table, centre)
