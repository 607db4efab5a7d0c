"""CHES with a policy that runs in process with transformers."""

from typing import TYPE_CHECKING, Literal

from prefine.measure.base import ForwardPass
from prefine.measure.ches.ches import Ches
from prefine.settings import FloatType, Need
from prefine.step import Work

if TYPE_CHECKING:
    from prefine.serve.states import StateReader


class TransformersChes(Ches):
    """CHES of each pair: similarity of both responses in the hidden space of the policy.

    Use it to find pairs that cause likelihood displacement in DPO. Needs the policy's weights,
    which run in process with transformers.
    """

    kind: Literal["ches/transformers"]
    """Selects this measure."""
    dtype: FloatType = "float32"
    """The floating-point type in which the model computes."""

    def offers_pass(self) -> ForwardPass | None:
        """Return the forward pass of the policy, which can also compute log-probabilities."""
        return ForwardPass(self.weights.key, self.template, self.dtype, self.max_tokens)

    def needs(self) -> tuple[Need, ...]:
        """Return the extras that ``run`` needs."""
        return (Need("local", self.kind_name()),)

    def open(self, work: Work, *, likelihoods: bool) -> "StateReader":
        """Load the policy."""
        from prefine.serve.local.hidden import LocalHiddenStates

        model = work.model(self.weights)
        reader = LocalHiddenStates(model, work.runtime, dtype=self.dtype, likelihoods=likelihoods)
        work.notes["packed"] = reader.packs
        return reader
