"""How judgements become pairs."""

from collections.abc import Mapping
from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator, Field

from prefine.settings import Name, Part


def _counts(weight: float) -> float:
    if weight == 0:
        raise ValueError("a weight of 0 does nothing; leave the aspect out")
    return weight


Weight = Annotated[float, Field(allow_inf_nan=False), AfterValidator(_counts)]
"""What an aspect counts in the mean of the ratings."""


class SourceWeight(NamedTuple):
    """What the labels and ratings of a source count."""

    priority: int = 0
    """Where labels of several sources disagree, only those of the highest priority direct."""
    weight: float = 1.0
    """Among the labels of one priority."""
    merit: Mapping[str, float] = {}
    """The published weights of its rating aspects."""
    anonymous: Literal["one", "several"] = "one"
    """Who gave the labels and ratings that have no annotator."""


class Pairs(Part):
    """How judgements become pairs."""

    use: tuple[Literal["label", "rank", "rating", "reward"], ...] = ("label", "rank", "rating")
    """Each prompt of a source uses the first kind of judgement in this list that it has. A reward
    belongs to no source: it is used for prompts that have no judgement of a kind before it, and no
    judgement of such a prompt is."""
    select: Literal["best_vs_worst", "best_vs_random", "adjacent", "all"] = "best_vs_worst"
    """Which couples of rated, ranked or rewarded responses become pairs; labels all do. Where some
    raters left responses out, those who rated all put the list in order; where nobody did, the
    couple that is widest apart stands for best against worst."""
    minimum_gap: float = Field(default=0.0, ge=0)
    """Least difference of two ratings or rewards; ranks count places. Numbers are decimals: 3.4 and
    3.2 differ by 0.2. A response that it leaves without a couple is ``too_narrow``."""
    per_prompt: int | None = Field(default=None, ge=1)
    """Maximum number of selected couples per prompt: the widest gaps first."""
    aspect: str | None = None
    """The aspect whose labels, ranks and ratings direct the pairs, where a prompt of a source is
    judged on several. Where it has none of this aspect, those without aspect count, and those of
    the aspect ``overall``. Ratings that have one of ``aspects`` are left to these."""
    aspects: dict[str, Weight] = Field(default_factory=dict)
    """Weight of each rating aspect, negative where more is worse. Empty takes ``overall`` where a
    prompt of a source has it, then the weights that the layout publishes, then a single aspect;
    several aspects are refused. Two responses are compared by the raters who rated both."""
    identical: Literal["normalized", "exact"] = "normalized"
    """When the two sides of a pair are ``is_identical``: ``normalized`` also where each message is
    equal after trimming, Unicode normalisation (NFC) and with all line ends alike."""
    reward: Name | None = None
    """The reward measure behind ``use: [reward]``."""
