"""Raw rewards from vLLM servers, with an optional comparison with transformers in process."""

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
    """Raw rewards of both responses, and their margin, from a reward model served by vLLM.

    Use it for large reward models or many pairs. Needs running vLLM servers of the model;
    ``weights`` provides the tokenizer and chat template.
    """

    rows_per_piece: ClassVar[int] = 1

    kind: Literal["reward/vllm"]
    """Selects this measure."""
    served_model: str
    """Name of the model on the server; a server with another model is an error."""
    dtype: FloatType = "bfloat16"
    """The floating-point type in which the server computes; margins of at most one of its rounding
    steps count as ties in ``reward/agreement``."""
    canaries: int = Field(default=0, ge=0)
    """Number of responses per shard that are scored again in process with transformers in float32;
    the manifest records the largest difference."""
    canary_limit: float | None = Field(default=None, gt=0)
    """Maximum difference of the two scores; a larger one is an error. Null means no limit."""

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
        """Check the servers and return their client."""
        from prefine.serve.vllm.reward import RewardClient

        served = self.server(work.step.inputs)
        client = RewardClient(served, work.runtime, num_heads=self.num_heads)
        work.notes["servers"] = client.check()
        return client

    def check(self, conversations: Conversations, journal: ValueJournal) -> None:
        """Score some responses again in process, and record the largest difference.

        Raises:
            RecipeError: The difference is larger than ``canary_limit``; the scores of the shard are
                deleted.
        """
        canaries = self._canaries(conversations)
        if not canaries:
            return
        from prefine.serve.local.reward import LocalReward

        work = journal.work
        model = work.model(self.weights)
        reference = LocalReward(model, work.runtime, dtype="float32", num_heads=self.num_heads)
        expected = reference.score([tokens.ids for tokens in canaries.values()])
        served = np.array([journal.values[name] for name in canaries])
        largest = float(np.abs(served - expected).max())
        work.notes["canaries"] = len(canaries)
        work.notes["canary_largest_difference"] = round(largest, 6)
        if self.canary_limit is not None and largest > self.canary_limit:
            remove_journals(work)
            raise RecipeError(
                f"reward `{self.name}`: the scores of the server and of transformers differ by up "
                f"to {largest:.4g} over {len(canaries)} responses; `canary_limit` allows "
                f"{self.canary_limit:g}; check that the server has the model in `weights` and a "
                "precise enough `dtype`, or raise `canary_limit`"
            )

    def select_checked(self, conversations: Conversations) -> Conversations:
        """Return the conversations that ``check`` scores again."""
        return {**self._canaries(conversations)}

    def _canaries(self, conversations: Conversations) -> dict[str, TokenIds]:
        """Draw the responses to score again from those that are not truncated."""
        whole = {
            name: tokens
            for name, tokens in conversations.items()
            if tokens is not None and tokens.num_tokens <= self.max_tokens
        }
        drawn = sorted(whole, key=lambda name: hash_unit(0, "canary", name))[: self.canaries]
        return {name: whole[name] for name in drawn}
