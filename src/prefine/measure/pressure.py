"""Displacement pressure: what training on other pairs does to a pair's chosen response.

What comes in: the stored sums of a CHES measure. What goes out: for each pair, how hard its nearest
rejected responses of other prompts push its chosen response down. What never happens: pressure from
the pair itself, which is CHES, or from another pair of its prompt.

With S the sum of the hidden states that predict a response's tokens, n their number, m = S / n, and
N(i) the k pairs j of other prompts whose rejected responses have the largest <m(i+), m(j-)>:

    pressure(i) = sum over j in N(i) of <m(i+), m(j-)> - <m(i+), m(j+)>

The evidence is told where the setting is (``DisplacementPressure``) and made in
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
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import polars as pl

from prefine.measure.index import Index, built, ranked
from prefine.measure.rows import Places, Vectors
from prefine.recipe import DisplacementPressure
from prefine.step import Counts, Work

_MORE = 16
"""Neighbours looked at beyond those wanted, for those of the same prompt."""
_DEEPEST = 8
_BLOCK = 256

Values = npt.NDArray[np.float64]
Sums = tuple[dict[str, int], Vectors]
"""The place of each response, and mean states."""


def measure(work: Work, config: DisplacementPressure, seed: int) -> Counts:
    """Measure the pressure on all pairs of all shards, and on the same pairs swapped."""
    columns = ["pair_id", "prompt_id", "chosen_id", "rejected_id"]
    parts = [work.read("pairs", columns, part=part) for part in work.parts("pairs")]
    read = [_with_sums(work, config, pairs, part) for part, pairs in enumerate(parts)]
    ids, places = ranked(pairs["pair_id"].to_list() for pairs in read)
    prompts = pl.concat(read).sort("pair_id")["prompt_id"].rank("dense").to_numpy()

    def blocks() -> Iterator[tuple[Places, Vectors]]:
        for part, (pairs, at) in enumerate(zip(read, places, strict=True)):
            yield at, _means(_sums(work, config, part), pairs, "rejected")

    count, search, runtime = config.neighbours, config.search, work.runtime
    with built(ids, blocks, count=count, config=search, runtime=runtime, seed=seed) as (
        index,
        notes,
    ):
        work.notes.update(notes)
        apart = _apart(work, config, read, places, len(ids))
        for part, (pairs, at) in enumerate(zip(read, places, strict=True)):
            found = {
                f"{config.name}{end}": pressures(
                    index,
                    _means(_sums(work, config, part), pairs, side),
                    apart,
                    own=prompts[at],
                    prompts=prompts,
                    count=count,
                )
                for side, end in (("chosen", ""), ("rejected", "_reversed"))
            }
            work.emit(f"measure_{config.name}", _table(parts[part], pairs, found), part=part)
            work.progress(pairs.height)
    num_pairs = sum(pairs.height for pairs in parts)
    return Counts(num_pairs, num_pairs)


def _sums(work: Work, config: DisplacementPressure, part: int) -> Sums:
    arrow = work.read_arrow(f"sums_{config.ches}", part=part)
    names = cast("list[str]", arrow["response_id"].to_pylist())
    flat: Any = arrow["mean"].combine_chunks()
    means = flat.flatten().to_numpy(zero_copy_only=False).astype(np.float32)
    shape = (len(names), -1) if names else (0, 1)
    return {name: at for at, name in enumerate(names)}, means.reshape(shape)


def _with_sums(
    work: Work, config: DisplacementPressure, pairs: pl.DataFrame, part: int
) -> pl.DataFrame:
    """Return the pairs of a part of which both responses were read."""
    known = pl.Series(list(_sums(work, config, part)[0]), dtype=pl.String).implode()
    return pairs.filter(pl.col("chosen_id").is_in(known) & pl.col("rejected_id").is_in(known))


def _means(sums: Sums, pairs: pl.DataFrame, side: str) -> Vectors:
    return sums[1][[sums[0][name] for name in pairs[f"{side}_id"]]]


def _apart(
    work: Work,
    config: DisplacementPressure,
    read: list[pl.DataFrame],
    places: list[Places],
    count: int,
) -> Vectors:
    """Return m(j-) - m(j+) of every pair by place, shape (pairs, dimensions)."""
    found: Vectors | None = None
    for part, (pairs, at) in enumerate(zip(read, places, strict=True)):
        if pairs.is_empty():
            continue
        sums = _sums(work, config, part)
        if found is None:
            found = np.zeros((count, sums[1].shape[1]), np.float32)
        found[at] = _means(sums, pairs, "rejected") - _means(sums, pairs, "chosen")
    return np.zeros((0, 1), np.float32) if found is None else found


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
