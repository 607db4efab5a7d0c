"""Settings of the step that builds pairs from judgements."""

from collections.abc import Mapping
from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator, Field

from prefine.settings import Name, Part


def _require_nonzero(weight: float) -> float:
    if weight == 0:
        raise ValueError("a weight of 0 has no effect; leave the aspect out")
    return weight


Weight = Annotated[float, Field(allow_inf_nan=False), AfterValidator(_require_nonzero)]
"""Weight of an aspect in the mean of ratings."""


class SourceWeight(NamedTuple):
    """Priority and weight of the labels and ratings of a source."""

    priority: int = 0
    """Priority of the source's labels: only those with the highest priority on a pair are used."""
    weight: float = 1.0
    """Weight of each label among the labels of the same priority."""
    merit: Mapping[str, float] = {}
    """Published weights of the source's rating aspects."""
    anonymous: Literal["one", "several"] = "one"
    """Whether labels and ratings without an annotator are by one or by several annotators."""


class Pairs(Part):
    """How judgements become pairs."""

    use: tuple[Literal["label", "rank", "rating", "reward"], ...] = ("label", "rank", "rating")
    """Kinds of judgements in order of preference: each prompt of a source uses the first kind that
    it has. ``reward`` is used for prompts without a judgement of an earlier kind, and then no
    judgement of that prompt is used."""
    select: Literal["best_vs_worst", "best_vs_random", "adjacent", "all"] = "best_vs_worst"
    """Which pairs of rated, ranked or rewarded responses are built; labelled pairs always are. If
    some annotators did not rate all responses, the list is ordered by those who did; without such
    annotators, the pair with the widest gap is taken as best versus worst."""
    minimum_gap: float = Field(default=0.0, ge=0)
    """Minimum difference of two ratings, rewards or ranks, as exact decimals: 3.4 and 3.2 differ by
    0.2. Ratings of responses that it leaves without a pair are counted as ``too_narrow``."""
    per_prompt: int | None = Field(default=None, ge=1)
    """Maximum number of selected pairs per prompt, those with the widest gaps; null means no
    limit."""
    aspect: str | None = None
    """Aspect of the labels, ranks and ratings that are used, if a prompt of a source is judged
    on several. If it has none on this aspect, those without an aspect and on ``overall`` are used.
    Ratings on one of ``aspects`` are not affected."""
    aspects: dict[str, Weight] = Field(default_factory=dict)
    """Weights of rating aspects, negative if more is worse. If empty, each prompt of a source uses
    ``overall`` if it is rated, otherwise the published weights of the layout, otherwise its only
    aspect; several aspects without weights are an error. Two responses are compared by the
    annotators who rated both."""
    identical: Literal["normalized", "exact"] = "normalized"
    """When two sides are ``is_identical``: ``exact`` compares the messages unchanged,
    ``normalized`` after trimming, Unicode normalization (NFC) and conversion of line ends."""
    reward: Name | None = None
    """Name of the reward measure for ``use: [reward]``."""
