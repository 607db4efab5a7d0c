"""Displacement pressure: what training on other pairs does to a pair's chosen response.

For each pair, how hard its nearest rejected responses of other prompts push its chosen response
down. The pair itself, which is CHES, and other pairs of its prompt do not count.

With S the sum of the hidden states that predict a response's tokens, n their number, m = S / n, and
N(i) the k pairs j of other prompts whose rejected responses have the largest <m(i+), m(j-)>:

    pressure(i) = sum over j in N(i) of <m(i+), m(j-)> - <m(i+), m(j+)>

The evidence is in the docstring of ``DisplacementPressure``, and made by
``tests/bench/pressure.py``.
"""

# Why: DPO moves the weights of the head along c(j) [G(j+) - G(j-)], where c(j) > 0 and G(y), the
# gradient of log p(y), is the sum over the tokens t of y of (e_t - p_t) h_t^T. To first order the
# step of pair j changes log p(i+) by c(j) <G(i+), G(j+) - G(j-)>, and <G(a), G(b)> is the sum over
# tokens s of a and t of b of <e_s - p_s, e_t - p_t> <h_s, h_t>. CHES (j = i) puts 1 in place of
# each coefficient <e_s - p_s, e_t - p_t>, which leaves <S(a), S(b)>; across pairs the same leaves
# <S(i+), S(j+)> - <S(i+), S(j-)>, whose negative over the length of i+ is the fall per token. It is
# summed over near pairs alone, for the coefficients of unlike contexts are about 0 and not 1.
# Why means and not sums of j: all states share a large part, so <m(i+), S(j-) - S(j+)> is mostly
# n(j-) - n(j+), which tells who of j is longer and little of i; and means did better when measured.

from collections.abc import Iterator
from typing import Any, ClassVar, Literal, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
from pydantic import Field

from prefine.measure.base import Measure, RecipeView, mean_states_table
from prefine.schema import Column, Flip
from prefine.search.index import Index, built, ranked
from prefine.search.settings import Search
from prefine.search.storage import Places, Vectors
from prefine.settings import Name, Problem
from prefine.step import Counts, Work

_MORE = 16
"""Neighbours looked at beyond those wanted, for those of the same prompt."""
_DEEPEST = 8
_BLOCK = 256

Values = npt.NDArray[np.float64]


class DisplacementPressure(Measure):
    """How hard other pairs' rejected responses push a pair's chosen response down.

    On a small policy tuned by DPO its rank correlation with the fall of log p(chosen) per token was
    0.36 over the seven seeds on which the form was chosen (CHES 0.31, normalised CHES -0.22) and
    0.27 on three others (0.23, -0.22); once the response's length is taken out, 0.20 (0.10, 0.01)
    and 0.15 (0.07, -0.07). On a policy that was hardly trained it told little
    (``tests/bench/pressure.py``).
    """

    version: ClassVar = 3
    scope: ClassVar = "corpus"
    seeded: ClassVar = True

    kind: Literal["pressure"]
    name: Name = "pressure"
    ches: Name = "ches"
    """The CHES measure whose stored states are read; it must set ``store``."""
    neighbours: int = Field(default=64, ge=1, le=1024)
    """How many rejected responses of other prompts press; over ten seeds 4, 16 and 64 correlated
    with 0.30, 0.32 and 0.33."""
    search: Search = Search()

    def columns(self) -> tuple[Column, ...]:
        """Return the columns of this measure."""
        name, reverse = self.name, f"{self.name}_reversed"
        about = "displacement pressure of other pairs; higher pushes chosen down more"
        return (
            Column(name, pa.float64(), about, Flip.SWAP, reverse),
            Column(reverse, pa.float64(), f"{name} of the swapped pair", Flip.SWAP, name),
            Column(
                f"{name}_reason", pa.large_string(), "why there is none: no_sums, alone; else null"
            ),
        )

    def reads(self, recipe: RecipeView) -> tuple[str, ...]:
        """Return the tables that are read."""
        return ("pairs", mean_states_table(self.ches))

    def problems(self, recipe: RecipeView) -> Iterator[Problem]:
        """Yield that no CHES measure of this name stores its states."""
        stored = [m.label for m in recipe.measures if m.mean_states() is not None]
        if self.ches not in stored:
            known = ", ".join(stored) or "none"
            text = f"no CHES measure `{self.ches}` with `store`; those with it are: {known}"
            yield ("ches",), text

    def run(self, work: Work) -> Counts:
        """Measure the pressure on all pairs of all shards, and on the same pairs swapped."""
        columns = ["pair_id", "prompt_id", "chosen_id", "rejected_id"]
        parts = [work.read("pairs", columns, part=part) for part in work.parts("pairs")]
        means = _Means(work, mean_states_table(self.ches))
        known = [means.known(pairs, part) for part, pairs in enumerate(parts)]
        ids, places = ranked(pairs["pair_id"].to_list() for pairs in known)
        prompts = pl.concat(known).sort("pair_id")["prompt_id"].rank("dense").to_numpy()

        def blocks() -> Iterator[tuple[Places, Vectors]]:
            for part, (pairs, at) in enumerate(zip(known, places, strict=True)):
                yield at, means.of(part).of(pairs, "rejected")

        count, search, runtime = self.neighbours, self.search, work.runtime
        with built(ids, blocks, count=count, config=search, runtime=runtime, seed=work.seed) as (
            index,
            notes,
        ):
            work.notes.update(notes)
            apart = _apart(means, known, places, len(ids))
            for part, (pairs, at) in enumerate(zip(known, places, strict=True)):
                pushed = {
                    f"{self.name}{end}": pressures(
                        index,
                        means.of(part).of(pairs, side),
                        apart,
                        own=prompts[at],
                        prompts=prompts,
                        count=count,
                    )
                    for side, end in (("chosen", ""), ("rejected", "_reversed"))
                }
                work.emit(self.table, _table(parts[part], pairs, pushed), part=part)
                work.progress(pairs.height)
        num_pairs = sum(pairs.height for pairs in parts)
        return Counts(num_pairs, num_pairs)


class _PartMeans(NamedTuple):
    """Mean states of the responses of one part."""

    place: dict[str, int]
    """Of each response, by id."""
    vectors: Vectors

    def of(self, pairs: pl.DataFrame, side: str) -> Vectors:
        """Return the mean state of one side of each pair, shape (pairs, dimensions)."""
        return self.vectors[[self.place[name] for name in pairs[f"{side}_id"]]]


class _Means:
    """Stored mean states, read part by part."""

    def __init__(self, work: Work, table: str) -> None:
        self._work, self._table = work, table

    def of(self, part: int) -> _PartMeans:
        """Read one part."""
        arrow = self._work.read_arrow(self._table, part=part)
        names = cast("list[str]", arrow["response_id"].to_pylist())
        column: Any = arrow["mean"].combine_chunks()
        values = column.flatten().to_numpy(zero_copy_only=False).astype(np.float32)
        shape = (len(names), -1) if names else (0, 1)
        return _PartMeans({name: at for at, name in enumerate(names)}, values.reshape(shape))

    def known(self, pairs: pl.DataFrame, part: int) -> pl.DataFrame:
        """Return the pairs of a part of which both responses were read."""
        known = pl.Series(list(self.of(part).place), dtype=pl.String).implode()
        return pairs.filter(pl.col("chosen_id").is_in(known) & pl.col("rejected_id").is_in(known))


def _apart(means: _Means, known: list[pl.DataFrame], places: list[Places], count: int) -> Vectors:
    """Return m(j-) - m(j+) of every pair by place, shape (pairs, dimensions)."""
    result: Vectors | None = None
    for part, (pairs, at) in enumerate(zip(known, places, strict=True)):
        if pairs.is_empty():
            continue
        of_part = means.of(part)
        if result is None:
            result = np.zeros((count, of_part.vectors.shape[1]), np.float32)
        result[at] = of_part.of(pairs, "rejected") - of_part.of(pairs, "chosen")
    return np.zeros((0, 1), np.float32) if result is None else result


def pressures(
    index: Index,
    means: Vectors,
    apart: Vectors,
    *,
    own: npt.NDArray[Any],
    prompts: npt.NDArray[Any],
    count: int,
) -> Values:
    """Sum the pressure of the nearest rejected responses of other prompts.

    Args:
        index: The mean states of rejected responses, m(j-).
        means: The mean states of the responses that are pressed, shape (queries, dimensions).
        apart: m(j-) - m(j+) of every pair of the index, shape (pairs, dimensions).
        own: The prompt of each query, shape (queries,).
        prompts: The prompt of each pair of the index, shape (pairs,).
        count: How many neighbours; fewer where there are fewer.

    Returns:
        Shape (queries,), NaN where no other prompt has a pair.
    """
    found = np.full(len(means), np.nan)
    left, wanted = np.arange(len(means)), count
    while len(left):
        near = index.search(means[left], wanted + _MORE).places
        voters = (near >= 0) & (prompts[near] != own[left][:, None])
        for start in range(0, len(left), _BLOCK):
            mine, block = left[start : start + _BLOCK], slice(start, start + _BLOCK)
            pushes: Values = np.einsum(
                "qkd,qd->qk", apart[near[block]].astype(np.float64), means[mine].astype(np.float64)
            )
            used = voters[block] & (np.cumsum(voters[block], axis=1) <= count)
            total = np.where(used, pushes, 0.0).sum(axis=1)
            found[mine] = np.where(used.any(axis=1), total, np.nan)
        wanted *= 2
        last = wanted > min(count * _DEEPEST, 2 * len(prompts))
        left = left[:0] if last else left[voters.sum(axis=1) < count]
    return found


def _table(pairs: pl.DataFrame, read: pl.DataFrame, found: dict[str, Values]) -> pl.DataFrame:
    """Return the columns of one part, in the order of its pairs."""
    columns = [pl.Series(name, values, nan_to_null=True) for name, values in found.items()]
    name = columns[0].name
    both = read.select("pair_id", *columns, pl.lit(value=True).alias("_read"))
    joined = pairs.join(both, on="pair_id", how="left", maintain_order="left")
    reason = (
        pl.when(pl.col("_read").is_null())
        .then(pl.lit("no_sums"))
        .when(pl.col(name).is_null())
        .then(pl.lit("alone"))
    )
    return joined.with_columns(reason.alias(f"{name}_reason"))
