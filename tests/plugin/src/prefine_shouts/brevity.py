"""A reward backend from outside the package: the fewer tokens, the better."""

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np

from prefine.measure.reward.scored import ScoredReward
from prefine.serve.scores import Conversation, OnBatch, RewardModel, Rewards
from prefine.step import Work


class _Brevity:
    def score(
        self, conversations: Sequence[Conversation], on_batch: OnBatch | None = None
    ) -> Rewards:
        rewards = np.array([[-len(ids)] for ids in conversations], np.float32).reshape(-1, 1)
        if on_batch is not None and len(rewards):
            on_batch(list(range(len(rewards))), rewards)
        return rewards


class BrevityReward(ScoredReward):
    """Minus the number of tokens of a conversation."""

    version: ClassVar[int] = 1

    kind: Literal["reward/brevity"]

    def open(self, work: Work) -> RewardModel:
        return _Brevity()
