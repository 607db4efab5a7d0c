"""What reward models return, in process and behind servers alike."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from prefine.errors import IntegrityError

Rewards = npt.NDArray[np.float32]

Vectors = npt.NDArray[np.float32]
"""Unit vectors of texts, shape (texts, dimensions)."""


Conversation = npt.NDArray[np.int32]
"""Token ids, shape (tokens,)."""

OnBatch = Callable[[list[int], Rewards], None]
"""Told of each batch as it is scored: places in the list of conversations, and rewards."""


class RewardModel(Protocol):
    """Anything that scores conversations."""

    def score(
        self, conversations: Sequence[Conversation], on_batch: OnBatch | None = None
    ) -> Rewards:
        """Return raw logits, shape (rows, heads), in the order of the conversations."""
        ...


def require_finite(values: Rewards, what: str = "rewards") -> Rewards:
    """Return what a model computed, all of which must be numbers.

    Raises:
        IntegrityError: A value is NaN or infinite; that is a broken model, not a fact.
    """
    bad = int((~np.isfinite(values)).sum())
    if bad:
        raise IntegrityError(
            f"{bad} of {values.size} {what} are not finite numbers; try `dtype: float32`"
        )
    return values
