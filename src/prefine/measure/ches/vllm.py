"""CHES with a policy served by vLLM."""

from typing import TYPE_CHECKING, Literal

from prefine.measure.ches.ches import Ches
from prefine.serve.vllm.served import Served
from prefine.settings import FloatType, Inputs, Need
from prefine.step import Work

if TYPE_CHECKING:
    from prefine.serve.states import StateReader


class VllmChes(Ches):
    """CHES of each pair from vLLM servers that return the hidden states of all tokens.

    Use it instead of ``ches/transformers`` for large policies or many pairs. Needs running vLLM
    servers of the policy.
    """

    kind: Literal["ches/vllm"]
    """Selects this measure."""
    served_model: str
    """Name of the model on the server; a server with another model is an error."""
    dtype: FloatType = "bfloat16"
    """The floating-point type in which the server computes."""

    def server(self, inputs: Inputs) -> Served:
        """Return what the servers must serve."""
        return Served(
            name=self.name,
            served_model=self.served_model,
            model=self.weights.resolved(inputs),
            task="hidden",
            dtype=self.dtype,
            max_tokens=self.max_tokens,
        )

    def needs(self) -> tuple[Need, ...]:
        """Return the extras that ``run`` needs."""
        return (Need("tokenizer", self.kind_name()),)

    def open(self, work: Work, *, likelihoods: bool) -> "StateReader":
        """Check the servers and return their client."""
        from prefine.serve.vllm.hidden import HiddenStatesClient

        assert not likelihoods, "servers return hidden states, not log-probabilities"
        client = HiddenStatesClient(self.server(work.step.inputs), work.runtime)
        work.notes["servers"] = client.check()
        return client
