"""Raw rewards of a sequence classifier that runs in process with transformers."""

from typing import TYPE_CHECKING, Literal

from prefine.measure.reward.scored import ScoredReward
from prefine.settings import Need
from prefine.step import Work

if TYPE_CHECKING:
    from prefine.serve.scores import RewardModel


class TransformersReward(ScoredReward):
    """Raw rewards of both responses, and their margin, from a reward model in process.

    Use it for small models and few pairs, or as the reference for ``reward/vllm``. Needs the
    weights of a sequence-classification reward model.
    """

    kind: Literal["reward/transformers"]
    """Selects this measure."""

    def model_needs(self) -> tuple[Need, ...]:
        """Return the extras that scoring needs."""
        return (Need("local", self.kind_name()),)

    def open(self, work: Work) -> "RewardModel":
        """Load the model."""
        from prefine.serve.local.reward import LocalReward

        model = work.model(self.weights)
        return LocalReward(model, work.runtime, dtype=self.dtype, num_heads=self.num_heads)
