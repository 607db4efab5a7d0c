"""How diverse the prompts of a selection are: their k-nearest-neighbour entropy.

The entropy of all prompts, of those that were kept, and of as many drawn at random.

    H = psi(N) - psi(k) + log V_D + D * mean of log d_k

with N points in D dimensions, d_k the Euclidean distance to the k-th nearest other point, V_D the
volume of the D-dimensional unit ball and psi the digamma function, in nats. Distances are those of
unit vectors and D is the number of the vectors' dimensions. The mean of log d_k is what the
feedback-filtering method FiFA adds up: with N, k and D fixed, nothing else moves.

Source: Kozachenko and Leonenko 1987, in the form of Kraskov, Stoegbauer and Grassberger 2004.

The estimate is unbiased only where the vectors fill their dimensions. Prompts do not: they lie on
something of far fewer dimensions, where fewer points are farther apart than the formula allows for,
so that a smaller set looks more diverse than a larger one. So the kept prompts are to be compared
with the random draw, which has the same N; the entropy of all is there for its d_k.
"""

import numpy as np
import numpy.typing as npt
from scipy.special import digamma, gammaln

from prefine.schema import hash_unit
from prefine.search.index import without
from prefine.search.nearest import nearest
from prefine.search.storage import Vectors
from prefine.settings.json import Json
from prefine.step import Counts, Work
from prefine.tables.prompts import read_prompts

RESOLUTION = 1e-3
"""Smaller distances count as this one: vectors are stored as float16, and equal ones are at 0."""
_QUERIES = 2_000
"""Points whose neighbours are looked for, among all of a set; the mean is taken over them."""

Distances = npt.NDArray[np.float64]


def run_diversity(work: Work, kth: int) -> Counts:
    """Write the entropies of all, kept and random prompts into the notes of the manifest.

    Args:
        work: Reads ``facts``, ``decisions`` and the prompts' vectors; writes no table.
        kth: Which neighbour the distances are to.
    """
    paired, kept = _decided(work)
    prompts = read_prompts(work)
    place: dict[str, int] = {prompts.ids[i]: i for i in prompts.solid.tolist()}
    paired, kept = ([name for name in names if name in place] for names in (paired, kept))
    drawn = sorted(paired, key=lambda name: (hash_unit(work.seed, "entropy", name), name))
    sets = {"all": paired, "kept": kept, "random": sorted(drawn[: len(kept)])}
    work.notes["k"], work.notes["dimensions"] = kth, prompts.vectors.shape[1]
    for name, ids in sets.items():
        work.notes[name] = entropy_of(prompts.vectors[[place[one] for one in ids]], kth)
    return Counts(len(paired), len(kept), {"not_kept": len(paired) - len(kept)})


def _decided(work: Work) -> tuple[list[str], list[str]]:
    """Return the prompts that have pairs and those that have kept ones, sorted by id."""
    paired: set[str] = set()
    kept: set[str] = set()
    for part in work.parts("decisions"):
        prompts = work.read("facts", ["prompt_id"], part=part)["prompt_id"]
        verdicts = work.read("decisions", ["verdict"], part=part)["verdict"]
        paired.update(prompts)
        kept.update(prompts.filter(verdicts.is_in(["keep", "flip"])))
    return sorted(paired), sorted(kept)


def entropy_of(vectors: Vectors, k: int) -> Json:
    """Return the entropy of a set of unit vectors.

    Args:
        vectors: Shape (points, dimensions).
        k: Which neighbour.

    Returns:
        ``num_prompts``; ``entropy`` in nats and ``mean_log_distance``, null where there are not
        more than ``k`` points; ``num_measured``, over how many points the mean is taken; and
        ``num_at_resolution``, how many of them have ``k`` neighbours that are as good as equal.
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
    """Return the distance of each point, or of a sample of them, to its k-th nearest other one."""
    count = len(vectors)
    queries = np.unique(np.linspace(0, count - 1, min(count, _QUERIES)).astype(np.int64))
    found = nearest(vectors[queries], vectors, k + 1)
    return euclidean(without(found, found.places == queries[:, None], k).similarities[:, -1])


def knn_entropy(distances: Distances, count: int, dimensions: int, k: int) -> float:
    """Return the Kozachenko-Leonenko estimate of a differential entropy, in nats.

    Args:
        distances: Euclidean distance to the k-th nearest other point, above 0; of all points or of
            a sample of them, shape (sampled,).
        count: How many points there are, themselves included.
        dimensions: Of the space.
        k: Which neighbour the distances are to.
    """
    log_volume = dimensions / 2 * np.log(np.pi) - gammaln(dimensions / 2 + 1)
    constant = float(digamma(count) - digamma(k) + log_volume)
    return constant + dimensions * float(np.log(distances).mean())


def euclidean(cosine: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return how far apart unit vectors of a cosine are: sqrt(2 - 2 cosine)."""
    return np.sqrt(2 - 2 * np.clip(cosine, -1.0, 1.0))
