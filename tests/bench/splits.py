"""Share of the test split, and number of prompts that leave it when data are added.

Run: python -m tests.bench.splits
"""

import sys
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from prefine.export.splits import with_splits

Numbers = npt.NDArray[np.float64]
Rng = np.random.Generator


class Corpus(NamedTuple):
    """Prompts in a random order: their groups, pairs, draws, and ids as numbers."""

    group: npt.NDArray[np.int64]
    pairs: npt.NDArray[np.int64]
    draw: Numbers
    name: Numbers

    def grown(self, rng: Rng, share: float) -> "Corpus":
        """Return the same prompts and further ones, every other a copy of one that is there."""
        count = max(1, round(share * len(self.draw)))
        like = rng.integers(0, len(self.draw), count)
        fresh = self.group.max() + 1 + np.arange(count)
        group = np.where(rng.random(count) < 0.5, self.group[like], fresh)
        more = (group, self.pairs[like], rng.random(count), rng.random(count))
        both = zip(self, more, strict=True)
        return Corpus(*(np.concatenate([old, new]) for old, new in both))


def corpus(rng: Rng, count: int, *, copies: bool, uneven: bool) -> Corpus:
    """Make prompts; of those with copies two fifths are in clusters of Zipf's sizes."""
    group, pairs = np.arange(count), np.ones(count, np.int64)
    start = count * 3 // 5 if copies else count
    while start < count:
        size = min(int(rng.zipf(1.8)) + 1, count - start, count // 5)
        group[start : start + size] = start
        start += size
    if uneven:
        pairs = np.ceil(rng.lognormal(0.5, 1.2, count)).astype(np.int64)
    return Corpus(group, pairs, rng.random(count), rng.random(count))


def by_first(data: Corpus, ratio: float) -> npt.NDArray[np.bool_]:
    """Draw a group by the prompt with the least id."""
    order = np.lexsort((data.name, data.group))
    _, first, inverse = np.unique(data.group[order], return_index=True, return_inverse=True)
    result = np.empty(len(order), np.bool_)
    result[order] = (data.draw[order][first] < ratio)[inverse]
    return result


def least(data: Corpus) -> tuple[Numbers, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the smallest draw of each group, its pairs, and the group of each prompt."""
    names, inverse = np.unique(data.group, return_inverse=True)
    draws = np.ones(len(names))
    np.minimum.at(draws, inverse, data.draw)
    return draws, np.bincount(inverse, data.pairs).astype(np.int64), inverse


def fixed(data: Corpus, ratio: float) -> npt.NDArray[np.bool_]:
    """Take groups whose smallest draw is below the ratio."""
    draws, _, inverse = least(data)
    return (draws < ratio)[inverse]


def by_size(data: Corpus, ratio: float) -> npt.NDArray[np.bool_]:
    """Take groups whose smallest draw is below a limit that makes all sizes equally likely."""
    draws, _, inverse = least(data)
    sizes = np.bincount(inverse)
    return (draws < 1 - (1 - ratio) ** (1 / sizes))[inverse]


def nearest(data: Corpus, ratio: float) -> npt.NDArray[np.bool_]:
    """Take groups by their smallest draw until the share is as near as it gets."""
    draws, pairs, inverse = least(data)
    wanted = ratio * pairs.sum()
    order = np.argsort(draws)
    order = order[pairs[order] <= np.ceil(wanted)]
    count = np.argmin(np.abs(np.cumsum(pairs[order]) - wanted)) + 1
    return np.isin(inverse, order[:count])


def chosen(data: Corpus, ratio: float) -> npt.NDArray[np.bool_]:
    """Return the split of the step."""
    names = pl.Series([f"{name:.17f}" for name in data.name])
    prompts = pl.DataFrame(
        {"prompt_id": names, "num_pairs": data.pairs, "draw": data.draw, "group": data.group}
    )
    return (with_splits(prompts, ratio)["split"] == "test").to_numpy()


RULES: dict[str, Callable[[Corpus, float], npt.NDArray[np.bool_]]] = {
    "draw of the first prompt": by_first,
    "smallest draw, fixed limit": fixed,
    "smallest draw, limit by size": by_size,
    "smallest draw, nearest share": nearest,
    "as the step does": chosen,
}


def report(count: int, ratio: float, repeats: int, *, copies: bool, uneven: bool) -> None:
    """Print a line for each rule."""
    rng = np.random.default_rng(0)
    made = [corpus(rng, count, copies=copies, uneven=uneven) for _ in range(repeats)]
    grown = {share: [one.grown(rng, share) for one in made] for share in (0.01, 0.1)}
    sys.stdout.write(f"{count} prompts, {copies=}, {uneven=}, wanted {ratio}\n")
    for name, rule in RULES.items():
        sides = [rule(one, ratio) for one in made]
        shares = np.array(
            [o.pairs[s].sum() / o.pairs.sum() for o, s in zip(made, sides, strict=True)]
        )
        error = np.abs(shares / ratio - 1)
        left = {
            share: np.mean(
                [
                    (side & ~rule(more, ratio)[:count]).sum() / max(side.sum(), 1)
                    for side, more in zip(sides, grown[share], strict=True)
                ]
            )
            for share in grown
        }
        sys.stdout.write(
            f"  {name:29} share {shares.mean():.3f}  error {error.mean():.3f}  "
            f"off by a quarter {np.mean(error > 0.25 + 1e-9):.3f}  "
            f"left at +1% {left[0.01]:.4f}  at +10% {left[0.1]:.4f}\n"
        )


if __name__ == "__main__":
    for copies, uneven in ((False, False), (True, False), (False, True), (True, True)):
        report(400, 0.1, 200, copies=copies, uneven=uneven)
        report(10_000, 0.05, 30, copies=copies, uneven=uneven)
