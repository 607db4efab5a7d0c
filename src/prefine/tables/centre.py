"""The step that computes the mean of a table of vectors, which is subtracted on reading."""

from collections import Counter
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from prefine.serve.embedded import UNKNOWN_WORDS
from prefine.step import Counts, StepSpec, Work
from prefine.tables.vectors import VectorTable, stored_vectors

_VERSION = 1
_PRIOR = 10
"""Weight, in texts, with which the mean is shrunk towards zero. The median cosine of two prompts of
HH-RLHF is 0.07 with 100 prompts, 0.00 with all 2,310, and 0.80 without centering."""
_DIGEST_SEED = 0


def centre_spec(vector_table: VectorTable, *, center: bool) -> StepSpec:
    """Return the step that computes the centre of a table of vectors.

    Args:
        vector_table: The table of vectors.
        center: Whether vectors are centred; if not, the centre is zero.
    """
    return StepSpec(
        name=vector_table.centre,
        version=_VERSION,
        run=partial(_run_centre, vector_table=vector_table, center=center),
        reads=(vector_table.table,),
        writes={
            vector_table.centre: pa.schema([pa.field("vector", pa.large_list(pa.float64()), False)])
        },
        config={"center": center},
        num_parts=1,
        scope="corpus",
    )


def _run_centre(work: Work, vector_table: VectorTable, *, center: bool) -> Counts:
    """Average the distinct vectors of all shards.

    The sum is exact in any order: float16 values in [-1, 1] are multiples of 2**-24, and float64
    represents the sum of half a billion of them without rounding.
    """
    total = np.zeros(0)
    seen = np.empty(0, np.uint64)
    reasons = Counter[str]()
    num_rows = 0
    for part in work.parts(vector_table.table):
        table = work.read_arrow(vector_table.table, ["vector", "reason"], part=part)
        num_rows += table.num_rows
        reasons.update(reason for reason in table["reason"].to_pylist() if reason is not None)
        vectors = stored_vectors(table)[1]
        if not len(vectors):
            continue
        digests, first = np.unique(_digests(vectors), return_index=True)
        new = ~np.isin(digests, seen)
        seen = np.concatenate([seen, digests[new]])
        part_sum = vectors[first[new]].astype(np.float64).sum(axis=0)
        total = part_sum if not len(total) else total + part_sum
    factor = 1 / (len(seen) + _PRIOR) if center else 0.0
    row = pa.array([(total * factor).tolist()], pa.large_list(pa.float64()))
    work.emit(vector_table.centre, pa.table({"vector": row}), part=0)
    _note_reasons(work, vector_table.texts, num_rows, reasons)
    dropped = {**reasons, "repeated": num_rows - reasons.total() - len(seen)}
    return Counts(num_rows, len(seen), {reason: n for reason, n in dropped.items() if n})


def _note_reasons(work: Work, texts: str, num_rows: int, reasons: Counter[str]) -> None:
    work.notes["without_vector"] = dict(sorted(reasons.items()))
    if count := reasons[UNKNOWN_WORDS]:
        remark = (
            f"{count:,} of {num_rows:,} {texts} ({count / num_rows:.1%}) have no embedding, "
            "because the encoder does not know enough of their words (reason `unknown_words`); use "
            "another model in `encoder` (docs/encoders.md), or set `missing: keep` in rules on "
            "columns that need embeddings"
        )
        work.notes.setdefault("remarks", []).append(remark)


def _digests(vectors: npt.NDArray[np.float16]) -> npt.NDArray[np.uint64]:
    """Return a hash of the bits of each vector, shape (vectors,)."""
    generator: Any = np.random.default_rng(_DIGEST_SEED)
    odd: npt.NDArray[np.uint64] = (
        generator.integers(0, 2**63, vectors.shape[1], np.int64).astype(np.uint64) * np.uint64(2)
        + 1
    )
    bits = np.ascontiguousarray(vectors).view(np.uint16)
    result: npt.NDArray[np.uint64] = np.zeros(len(vectors), np.uint64)
    for column in range(vectors.shape[1]):
        result += bits[:, column] * odd[column]
    return result
