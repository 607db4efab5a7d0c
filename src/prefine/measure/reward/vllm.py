"""Raw rewards from vLLM servers, some of them compared with transformers in process."""

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from prefine.errors import RecipeError
from prefine.measure.reward.scored import ScoredReward
from prefine.measure.reward.scoring import Conversations, TokenIds
from prefine.schema import hash_unit
from prefine.serve.vllm.served import Served
from prefine.settings import FloatType, Inputs, Need
from prefine.step import ValueJournal, Work, remove_journals

if TYPE_CHECKING:
    from prefine.serve.scores import RewardModel


class VllmReward(ScoredReward):
    """Raw rewards from vLLM servers; ``weights`` names the tokenizer, the server has the model."""

    rows_per_piece: ClassVar[int] = 1

    kind: Literal["reward/vllm"]
    served_model: str
    """The name under which the server serves the model; another answer is an error."""
    dtype: FloatType = "bfloat16"
    """The type in which the server computes; margins within one step of it are ties."""
    canaries: int = Field(default=0, ge=0)
    """So many responses of each shard, chosen by their ids, are scored again in process by
    transformers in float32; the largest difference is in the manifest."""
    canary_limit: float | None = Field(default=None, gt=0)
    """A larger difference than this is an error."""

    def server(self, inputs: Inputs) -> Served:
        """Return what the servers must serve."""
        return Served(
            name=self.name,
            served_model=self.served_model,
            model=self.weights.resolved(inputs),
            task="reward",
            dtype=self.dtype,
            max_tokens=self.max_tokens,
        )

    def model_needs(self) -> tuple[Need, ...]:
        """Return the extras that scoring needs; ``canaries`` also needs transformers with torch."""
        checked = (Need("local", "`canaries` of reward/vllm"),) if self.canaries else ()
        return (*super().model_needs(), *checked)

    def open(self, work: Work) -> "RewardModel":
        """Check the servers."""
        from prefine.serve.vllm.reward import RewardClient

        served = self.server(work.step.inputs)
        client = RewardClient(served, work.runtime, num_heads=self.num_heads)
        work.notes["servers"] = client.check()
        return client

    def check(self, conversations: Conversations, journal: ValueJournal) -> None:
        """Score some responses again in process, and note the largest difference.

        Raises:
            RecipeError: It is larger than the recipe allows: the server has another model, and its
                scores are forgotten.
        """
        canaries = self._canaries(conversations)
        if not canaries:
            return
        from prefine.serve.local.reward import LocalReward

        work = journal.work
        model = work.model(self.weights)
        reference = LocalReward(model, work.runtime, dtype="float32", num_heads=self.num_heads)
        expected = reference.score([one.ids for one in canaries.values()])
        served = np.array([journal.values[name] for name in canaries])
        largest = float(np.abs(served - expected).max())
        work.notes["canaries"] = len(canaries)
        work.notes["canary_largest_difference"] = round(largest, 6)
        if self.canary_limit is not None and largest > self.canary_limit:
            remove_journals(work)
            raise RecipeError(
                f"reward `{self.name}`: server and transformers differ by {largest:.4g} on one of "
                f"{len(canaries)} responses, and {self.canary_limit:g} is allowed; is it the same "
                "model, in a type that is precise enough?"
            )

    def keeps(self, conversations: Conversations) -> Conversations:
        """Return the conversations that ``check`` will read."""
        return {**self._canaries(conversations)}

    def _canaries(self, conversations: Conversations) -> dict[str, TokenIds]:
        """Return the responses that are scored again: whole ones, by a draw over their ids."""
        whole = {
            name: one
            for name, one in conversations.items()
            if one is not None and one.num_tokens <= self.max_tokens
        }
        drawn = sorted(whole, key=lambda name: hash_unit(0, "canary", name))[: self.canaries]
        return {name: whole[name] for name in drawn}
