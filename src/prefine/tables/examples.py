"""Examples: files of texts that prompts are compared with, a benchmark for one; and their vectors.

An example never becomes a prompt of the data.
"""

from collections import Counter
from typing import Annotated, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
from pydantic import Field

from prefine.errors import DataError
from prefine.settings import Encoder, FileSet, Inputs, Name, Part, Where
from prefine.settings.json import Json
from prefine.step import Counts, StepSpec, Work, manifests_of
from prefine.tables.embeddings import VECTOR, Vectors, embedder, encoder_tables, server_of

EXAMPLES = pa.schema(
    [
        pa.field("example_id", pa.large_string(), False),
        pa.field("text", pa.large_string(), False),
        pa.field("answer", pa.large_string()),
        pa.field("file", pa.large_string(), False),
        pa.field("row", pa.int64(), False),
    ]
)
"""One row an example as found; equal texts have equal ids, whatever their answers."""

VECTORS = pa.schema(
    [pa.field("example_id", pa.large_string(), False), pa.field("vector", VECTOR, False)]
)
"""One row a distinct example."""

_EMBED_VERSION = 2


class Examples(Part):
    """Files of texts, and where in a row the text is."""

    owner: ClassVar[str] = "examples"
    """What the files belong to, in messages."""

    name: Name
    files: Annotated[tuple[str, ...], Where] = Field(min_length=1)
    """Paths or globs relative to the data folder, fsspec URLs, or ``hf://``."""
    sha256: Annotated[tuple[str, ...], Where] = ()
    """What the files must hash to, in any order; empty accepts any bytes."""
    text: str = "prompt"
    """Dotted path of the text in its row: a text, a list of texts, or messages;
    ``turns[].content`` walks a list."""
    max_row_bytes: int = Field(default=32 * 2**20, ge=1024)
    """A longer raw row goes to quarantine without being parsed."""

    @property
    def answer_path(self) -> str | None:
        """Dotted path of the answer in its row, where answers are read."""
        return None

    @property
    def file_set(self) -> FileSet:
        """The files, as they are looked up when the recipe is resolved."""
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
            encoder: The one that embeds the prompts.
            inputs: What the encoder's name stands for.
        """
        return StepSpec(
            name=self.vectors,
            version=_EMBED_VERSION,
            run=lambda work: _run_embeddings(work, self, encoder),
            reads=(self.table, *encoder_tables(encoder)),
            writes={self.vectors: VECTORS},
            config=encoder.identity(inputs),
            num_parts=1,
            scope="corpus",
            uses="model",
            server=server_of(encoder),
        )


def _run_embeddings(work: Work, examples: Examples, encoder: Encoder) -> Counts:
    """Encode the distinct examples of all files.

    Raises:
        DataError: There is no example.
    """
    rows = work.read_all(examples.table, ["example_id", "text"])
    distinct = rows.unique("example_id").sort("example_id")
    vectors = np.empty((0, 1), np.float16)
    if distinct.height:
        texts = distinct["text"].to_list()
        vectors = embedder(work, encoder).encode(texts, work.progress).astype(np.float16)
    solid: npt.NDArray[np.bool_] = (vectors != 0).max(axis=1, initial=False)
    if not solid.any():
        raise DataError(
            f"{examples.name}: no example could be read at `{examples.text}` and embedded; "
            "quarantine holds the rows that could not be read"
        )
    series: Any = pl.Series("vector", vectors[solid].astype(np.float32))
    ids = distinct["example_id"].filter(pl.Series(solid)).to_list()
    columns = [pa.array(ids, pa.large_string()), series.to_arrow().cast(VECTOR)]
    work.emit(examples.vectors, pa.Table.from_arrays(columns, names=VECTORS.names), part=0)
    work.notes["num_examples"] = len(ids)
    refused = Counter[str]()
    for manifest in manifests_of(work, examples.table):
        refused.update(manifest.dropped)
    work.notes["quarantined"] = dict(sorted(refused.items()))
    dropped = {"repeated": rows.height - distinct.height, "blank": distinct.height - len(ids)}
    return Counts(rows.height, len(ids), {reason: n for reason, n in dropped.items() if n})


def example_vectors(table: pa.Table) -> Vectors:
    """Return the stored vectors with the norms that rounding took from them."""
    column: Any = table["vector"].combine_chunks()
    flat: npt.NDArray[np.float16] = column.flatten().to_numpy(zero_copy_only=False)
    vectors = flat.astype(np.float32).reshape(table.num_rows, -1)
    norms = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))[:, None]
    return np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)
