"""Displacement pressure: how training on other pairs lowers the likelihood of a chosen response.

For each pair, the effect of the nearest rejected responses of other prompts on its chosen response.
The pair itself (measured by CHES) and other pairs of its prompt are excluded.

With S the sum of the hidden states that predict a response's tokens, n their number, m = S / n, and
N(i) the k pairs j of other prompts whose rejected responses have the largest <m(i+), m(j-)>:

    pressure(i) = sum over j in N(i) of <m(i+), m(j-)> - <m(i+), m(j+)>

The docstring of ``DisplacementPressure`` states the evidence; ``tests/bench/pressure.py`` measured
it.
"""

# Derivation: DPO moves the weights of the head along c(j) [G(j+) - G(j-)], where c(j) > 0 and G(y),
# the gradient of log p(y), is the sum over the tokens t of y of (e_t - p_t) h_t^T. To first order
# the step of pair j changes log p(i+) by c(j) <G(i+), G(j+) - G(j-)>, and <G(a), G(b)> is the sum
# over tokens s of a and t of b of <e_s - p_s, e_t - p_t> <h_s, h_t>. CHES (j = i) replaces each
# coefficient <e_s - p_s, e_t - p_t> by 1, which leaves <S(a), S(b)>; across pairs the same leaves
# <S(i+), S(j+)> - <S(i+), S(j-)>, whose negative divided by the length of i+ is the decrease per
# token. Only near pairs are summed, because the coefficients of dissimilar contexts are about 0.
# Means of j are used and not sums: all states have a large common component, so
# <m(i+), S(j-) - S(j+)> is mostly n(j-) - n(j+), which depends on the lengths of j and hardly on i;
# means also correlated better when measured.

from collections.abc import Iterator
from typing import Any, ClassVar, Literal, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
from pydantic import Field

from prefine.measure.base import Measure, RecipeView, mean_states_table
from prefine.schema import Column, Flip
from prefine.search.index import Index, build_index, sort_ids
from prefine.search.settings import Search
from prefine.search.storage import Indices, Vectors
from prefine.settings import Name, Problem
from prefine.step import Counts, Work

_EXTRA_NEIGHBOURS = 16
"""Neighbours retrieved in addition to ``neighbours``, because some have the same prompt."""
_MAX_FACTOR = 8
"""Maximum number of neighbours retrieved for a pair with too few, over ``neighbours``."""
_BLOCK = 256
"""Pairs whose neighbours' vectors are in memory at once."""

Values = npt.NDArray[np.float64]


class DisplacementPressure(Measure):
    """Displacement pressure: how much training on other pairs lowers log p(chosen) of a pair.

    Use it with CHES to find pairs prone to likelihood displacement. Needs a CHES measure with
    ``store``. On a small policy tuned by DPO its rank correlation with the decrease of
    log p(chosen) per token was 0.36 over the seven seeds used to choose the formula (CHES 0.31,
    normalized CHES -0.22) and 0.27 over three others (0.23, -0.22); with the response's length
    partialled out, 0.20 (0.10, 0.01) and 0.15 (0.07, -0.07). On a policy with little training the
    correlation was weak (``tests/bench/pressure.py``).
    """

    version: ClassVar = 3
    scope: ClassVar = "corpus"
    seeded: ClassVar = True

    kind: Literal["pressure"]
    """Selects this measure."""
    name: Name = "pressure"
    """Name of the measure, and prefix of its columns."""
    ches: Name = "ches"
    """Name of the CHES measure whose stored mean states are read; it must set ``store``."""
    neighbours: int = Field(default=64, ge=1, le=1024)
    """Number of nearest rejected responses of other prompts that are summed; 4, 16 and 64 gave a
    correlation of 0.30, 0.32 and 0.33 over ten seeds."""
    search: Search = Search()
    """How nearest neighbours are searched."""

    def columns(self) -> tuple[Column, ...]:
        """Return the columns of this measure."""
        name, reverse = self.name, f"{self.name}_reversed"
        about = (
            "displacement pressure of other pairs, a sum of dot products of mean hidden states; "
            "higher lowers log p(chosen) more"
        )
        return (
            Column(name, pa.float64(), about, Flip.SWAP, reverse),
            Column(
                reverse,
                pa.float64(),
                f"{name} with chosen and rejected swapped",
                Flip.SWAP,
                name,
            ),
            Column(
                f"{name}_reason",
                pa.large_string(),
                "why there is no value: no_sums (CHES has no states of a response), alone (no pair "
                "of another prompt); else null",
            ),
        )

    def reads(self, recipe: RecipeView) -> tuple[str, ...]:
        """Return the tables that are read."""
        return ("pairs", mean_states_table(self.ches))

    def problems(self, recipe: RecipeView) -> Iterator[Problem]:
        """Yield an error if no CHES measure of this name stores its states."""
        stored = [m.label for m in recipe.measures if m.mean_states() is not None]
        if self.ches not in stored:
            known = ", ".join(stored) or "none"
            yield (
                ("ches",),
                (
                    f"no CHES measure `{self.ches}` with `store`; CHES measures with `store`: "
                    f"{known}; set `store: float16` in the CHES measure"
                ),
            )

    def run(self, work: Work) -> Counts:
        """Compute the pressure on all pairs of the corpus, and on the same pairs swapped."""
        columns = ["pair_id", "prompt_id", "chosen_id", "rejected_id"]
        parts = [work.read("pairs", columns, part=part) for part in work.parts("pairs")]
        means = _Means(work, mean_states_table(self.ches))
        known = [means.known(pairs, part) for part, pairs in enumerate(parts)]
        ids, positions = sort_ids(pairs["pair_id"].to_list() for pairs in known)
        prompts = pl.concat(known).sort("pair_id")["prompt_id"].rank("dense").to_numpy()

        def blocks() -> Iterator[tuple[Indices, Vectors]]:
            for part, (pairs, rows) in enumerate(zip(known, positions, strict=True)):
                yield rows, means.read(part).of(pairs, "rejected")

        count, search, runtime = self.neighbours, self.search, work.runtime
        with build_index(
            ids, blocks, count=count, config=search, runtime=runtime, seed=work.seed
        ) as (
            index,
            notes,
        ):
            work.notes.update(notes)
            differences = _differences(means, known, positions, len(ids))
            for part, (pairs, rows) in enumerate(zip(known, positions, strict=True)):
                values = {
                    f"{self.name}{suffix}": pressures(
                        index,
                        means.read(part).of(pairs, side),
                        differences,
                        own=prompts[rows],
                        prompts=prompts,
                        count=count,
                    )
                    for side, suffix in (("chosen", ""), ("rejected", "_reversed"))
                }
                work.emit(self.table, _table(parts[part], pairs, values), part=part)
                work.progress(pairs.height)
        num_pairs = sum(pairs.height for pairs in parts)
        return Counts(num_pairs, num_pairs)


class _PartMeans(NamedTuple):
    """Mean states of the responses of one part."""

    row_of: dict[str, int]
    """The row of each response id."""
    vectors: Vectors
    """Shape (responses, dimensions)."""

    def of(self, pairs: pl.DataFrame, side: str) -> Vectors:
        """Return the mean state of one side of each pair, shape (pairs, dimensions)."""
        return self.vectors[[self.row_of[name] for name in pairs[f"{side}_id"]]]


class _Means:
    """Stored mean states, read part by part."""

    def __init__(self, work: Work, table: str) -> None:
        self._work, self._table = work, table

    def read(self, part: int) -> _PartMeans:
        """Read the mean states of one part."""
        arrow = self._work.read_arrow(self._table, part=part)
        names = cast("list[str]", arrow["response_id"].to_pylist())
        column: Any = arrow["mean"].combine_chunks()
        values = column.flatten().to_numpy(zero_copy_only=False).astype(np.float32)
        shape = (len(names), -1) if names else (0, 1)
        return _PartMeans({name: row for row, name in enumerate(names)}, values.reshape(shape))

    def known(self, pairs: pl.DataFrame, part: int) -> pl.DataFrame:
        """Return the pairs of a part whose responses both have a mean state."""
        known = pl.Series(list(self.read(part).row_of), dtype=pl.String).implode()
        return pairs.filter(pl.col("chosen_id").is_in(known) & pl.col("rejected_id").is_in(known))


def _differences(
    means: _Means, known: list[pl.DataFrame], positions: list[Indices], count: int
) -> Vectors:
    """Return m(j-) - m(j+) of every pair of the index, shape (pairs, dimensions)."""
    result: Vectors | None = None
    for part, (pairs, rows) in enumerate(zip(known, positions, strict=True)):
        if pairs.is_empty():
            continue
        of_part = means.read(part)
        if result is None:
            result = np.zeros((count, of_part.vectors.shape[1]), np.float32)
        result[rows] = of_part.of(pairs, "rejected") - of_part.of(pairs, "chosen")
    return np.zeros((0, 1), np.float32) if result is None else result


def pressures(
    index: Index,
    means: Vectors,
    differences: Vectors,
    *,
    own: npt.NDArray[Any],
    prompts: npt.NDArray[Any],
    count: int,
) -> Values:
    """Sum the pressure of the nearest rejected responses of other prompts.

    Args:
        index: The mean states of rejected responses, m(j-).
        means: The mean states of the affected responses, shape (queries, dimensions).
        differences: m(j-) - m(j+) of every pair of the index, shape (pairs, dimensions).
        own: The prompt of each query, shape (queries,).
        prompts: The prompt of each pair of the index, shape (pairs,).
        count: Maximum number of neighbours.

    Returns:
        The pressure, shape (queries,); NaN if no other prompt has a pair.
    """
    result = np.full(len(means), np.nan)
    pending, num_searched = np.arange(len(means)), count
    while len(pending):
        near = index.search(means[pending], num_searched + _EXTRA_NEIGHBOURS).indices
        eligible = (near >= 0) & (prompts[near] != own[pending][:, None])
        for start in range(0, len(pending), _BLOCK):
            queries, block = pending[start : start + _BLOCK], slice(start, start + _BLOCK)
            dots: Values = np.einsum(
                "qkd,qd->qk",
                differences[near[block]].astype(np.float64),
                means[queries].astype(np.float64),
            )
            used = eligible[block] & (np.cumsum(eligible[block], axis=1) <= count)
            total = np.where(used, dots, 0.0).sum(axis=1)
            result[queries] = np.where(used.any(axis=1), total, np.nan)
        num_searched *= 2
        last = num_searched > min(count * _MAX_FACTOR, 2 * len(prompts))
        pending = pending[:0] if last else pending[eligible.sum(axis=1) < count]
    return result


def _table(pairs: pl.DataFrame, known: pl.DataFrame, values: dict[str, Values]) -> pl.DataFrame:
    """Return the columns of one part, in the order of its pairs."""
    columns = [pl.Series(name, of_name, nan_to_null=True) for name, of_name in values.items()]
    name = columns[0].name
    both = known.select("pair_id", *columns, pl.lit(value=True).alias("_read"))
    joined = pairs.join(both, on="pair_id", how="left", maintain_order="left")
    reason = (
        pl.when(pl.col("_read").is_null())
        .then(pl.lit("no_sums"))
        .when(pl.col(name).is_null())
        .then(pl.lit("alone"))
    )
    return joined.with_columns(reason.alias(f"{name}_reason"))
