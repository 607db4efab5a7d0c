"""CHES with a policy behind vLLM servers."""

from typing import TYPE_CHECKING, Literal

from prefine.measure.ches.ches import Ches
from prefine.serve.vllm.served import Served
from prefine.settings import FloatType, Inputs, Need
from prefine.step import Work

if TYPE_CHECKING:
    from prefine.serve.states import StateReader


class VllmChes(Ches):
    """The same from vLLM servers that give the hidden states of all tokens."""

    kind: Literal["ches/vllm"]
    served_model: str
    """The name under which the server serves the model; another answer is an error."""
    dtype: FloatType = "bfloat16"
    """The type in which the server computes."""

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
        """Check the servers."""
        from prefine.serve.vllm.hidden import HiddenStatesClient

        assert not likelihoods, "servers give states, not likelihoods"
        client = HiddenStatesClient(self.server(work.step.inputs), work.runtime)
        work.notes["servers"] = client.check()
        return client
