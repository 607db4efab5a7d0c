"""Diversity of prompts: the k-nearest-neighbour entropy of their embeddings.

It is computed for all prompts, for the kept ones, and for a random sample of the same size.

    H = psi(N) - psi(k) + log V_D + D * mean of log d_k

with N points in D dimensions, d_k the Euclidean distance to the k-th nearest other point, V_D the
volume of the D-dimensional unit ball and psi the digamma function, in nats. Distances are those of
unit vectors and D is the dimension of the vectors. The feedback-filtering method FiFA sums log d_k;
with N, k and D fixed this is the only term that varies.

Source: Kozachenko and Leonenko 1987, in the form of Kraskov, Stoegbauer and Grassberger 2004.

The estimate assumes that the vectors fill their D dimensions. Prompt embeddings have a much lower
intrinsic dimension, so distances in a smaller set are larger than the formula accounts for and a
smaller set looks more diverse. Therefore compare the kept prompts with the random sample, which has
the same N.
"""

import numpy as np
import numpy.typing as npt

from prefine.schema import hash_unit
from prefine.search.index import drop_neighbours
from prefine.search.nearest import find_nearest
from prefine.search.storage import Vectors
from prefine.settings.json import Json
from prefine.step import Counts, Work
from prefine.tables.prompts import read_prompts

RESOLUTION = 1e-3
"""Minimum distance; smaller ones are raised to it, because vectors are stored as float16 and equal
ones have a distance of 0."""
_QUERIES = 2_000
"""Maximum number of points of a set over which the mean of log d_k is taken."""

Distances = npt.NDArray[np.float64]


def run_diversity(work: Work, kth: int) -> Counts:
    """Compute the entropies of all, kept and random prompts; record them in the manifest.

    Args:
        work: Reads ``facts``, ``decisions`` and the prompt vectors; writes no table.
        kth: The k of the k-th nearest neighbour.
    """
    paired, kept = _prompts_of_pairs(work)
    prompts = read_prompts(work)
    row_of: dict[str, int] = {prompts.ids[i]: i for i in prompts.embedded.tolist()}
    paired, kept = ([name for name in names if name in row_of] for names in (paired, kept))
    drawn = sorted(paired, key=lambda name: (hash_unit(work.seed, "entropy", name), name))
    sets = {"all": paired, "kept": kept, "random": sorted(drawn[: len(kept)])}
    work.notes["k"], work.notes["dimensions"] = kth, prompts.vectors.shape[1]
    for name, ids in sets.items():
        work.notes[name] = entropy_of(prompts.vectors[[row_of[prompt] for prompt in ids]], kth)
    return Counts(len(paired), len(kept), {"not_kept": len(paired) - len(kept)})


def _prompts_of_pairs(work: Work) -> tuple[list[str], list[str]]:
    """Return the prompts of all pairs and those of kept pairs, sorted by id."""
    paired: set[str] = set()
    kept: set[str] = set()
    for part in work.parts("decisions"):
        prompts = work.read("facts", ["prompt_id"], part=part)["prompt_id"]
        verdicts = work.read("decisions", ["verdict"], part=part)["verdict"]
        paired.update(prompts)
        kept.update(prompts.filter(verdicts.is_in(["keep", "flip"])))
    return sorted(paired), sorted(kept)


def entropy_of(vectors: Vectors, k: int) -> Json:
    """Compute the entropy of a set of unit vectors.

    Args:
        vectors: Shape (points, dimensions).
        k: The k of the k-th nearest neighbour, from 1.

    Returns:
        ``num_prompts``; ``entropy`` in nats and ``mean_log_distance``, both null for ``k`` points
        or fewer; ``num_measured``, the number of points in the mean; and ``num_at_resolution``, the
        number of these whose k-th neighbour is at most ``RESOLUTION`` away.
    """
    count, width = vectors.shape
    if count <= k:
        return {"num_prompts": count, "entropy": None, "mean_log_distance": None}
    distances = _distances(vectors, k)
    floored = np.maximum(distances, RESOLUTION)
    return {
        "num_prompts": count,
        "entropy": round(knn_entropy(floored, count, width, k), 4),
        "mean_log_distance": round(float(np.log(floored).mean()), 6),
        "num_measured": len(distances),
        "num_at_resolution": int((distances <= RESOLUTION).sum()),
    }


def _distances(vectors: Vectors, k: int) -> Distances:
    """Return the distance to the k-th nearest other point, of all points or of a sample."""
    count = len(vectors)
    queries = np.unique(np.linspace(0, count - 1, min(count, _QUERIES)).astype(np.int64))
    neighbours = find_nearest(vectors[queries], vectors, k + 1)
    others = drop_neighbours(neighbours, neighbours.indices == queries[:, None], k)
    return euclidean(others.similarities[:, -1])


def knn_entropy(distances: Distances, count: int, dimensions: int, k: int) -> float:
    """Return the Kozachenko-Leonenko estimate of a differential entropy, in nats.

    Args:
        distances: Euclidean distances to the k-th nearest other point, above 0, of all points or of
            a sample, shape (sampled,).
        count: Number of points in the set.
        dimensions: Dimension of the space.
        k: The k of the k-th nearest neighbour, from 1.

    Source:
        Kozachenko and Leonenko 1987, in the form of Kraskov, Stoegbauer and Grassberger 2004.
    """
    from scipy.special import digamma, gammaln

    log_volume = dimensions / 2 * np.log(np.pi) - gammaln(dimensions / 2 + 1)
    constant = float(digamma(count) - digamma(k) + log_volume)
    return constant + dimensions * float(np.log(distances).mean())


def euclidean(cosine: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the Euclidean distance of unit vectors with a given cosine: sqrt(2 - 2 cosine)."""
    return np.sqrt(2 - 2 * np.clip(cosine, -1.0, 1.0))
