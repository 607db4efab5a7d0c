"""CHES with a policy that transformers runs in process."""

from typing import TYPE_CHECKING, Literal

from prefine.measure.base import ForwardPass
from prefine.measure.ches.ches import Ches
from prefine.settings import FloatType, Need
from prefine.step import Work

if TYPE_CHECKING:
    from prefine.serve.states import StateReader


class TransformersChes(Ches):
    """CHES of each pair in the hidden space of the policy, which transformers runs in process."""

    kind: Literal["ches/transformers"]
    dtype: FloatType = "float32"

    def offers_pass(self) -> ForwardPass | None:
        """Return the pass of the policy, in which likelihoods can be read too."""
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
