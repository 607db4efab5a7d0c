"""The registry of measure kinds.

It is separate from the package so that a plug-in can import ``prefine.measure.base`` without it.
"""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from prefine.measure.base import Measure
from prefine.measure.ches.transformers import TransformersChes
from prefine.measure.ches.vllm import VllmChes
from prefine.measure.contamination import Contamination
from prefine.measure.cosine import Cosine
from prefine.measure.equal_after_truncation import EqualAfterTruncation
from prefine.measure.judge.vllm import VllmJudge
from prefine.measure.label_consistency import LabelConsistency
from prefine.measure.lengths import Lengths
from prefine.measure.near_duplicates import NearDuplicates
from prefine.measure.policy.transformers import PolicyLikelihood
from prefine.measure.pressure import DisplacementPressure
from prefine.measure.prompt_neighbours import PromptNeighbours
from prefine.measure.prompt_topics import PromptTopics
from prefine.measure.reward.agreement import RewardAgreement
from prefine.measure.reward.bootstrap import BootstrapReward
from prefine.measure.reward.transformers import TransformersReward
from prefine.measure.reward.vllm import VllmReward
from prefine.measure.shared_chars import SharedChars
from prefine.measure.table import JoinedTable
from prefine.measure.target_similarity import TargetSimilarity
from prefine.settings.registry import registered, union_of

MEASURES: tuple[type[Measure], ...] = registered(
    "prefine.measures",
    Measure,
    (
        Lengths,
        Cosine,
        NearDuplicates,
        Contamination,
        PromptTopics,
        PromptNeighbours,
        TargetSimilarity,
        LabelConsistency,
        DisplacementPressure,
        BootstrapReward,
        TransformersReward,
        VllmReward,
        RewardAgreement,
        TransformersChes,
        VllmChes,
        PolicyLikelihood,
        VllmJudge,
        JoinedTable,
        SharedChars,
        EqualAfterTruncation,
    ),
    lambda measure: measure.kind_name(),
)
"""All kinds of measures, including those of plug-ins."""

if TYPE_CHECKING:
    AnyMeasure = Measure
else:
    AnyMeasure = Annotated[union_of(MEASURES), Field(discriminator="kind")]
"""A measure in a recipe; ``kind`` selects its class."""
