"""Types of reward models and embeddings, and the check that values are finite."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from prefine.errors import IntegrityError

Rewards = npt.NDArray[np.float32]
"""Raw logits, shape (conversations, heads)."""

Vectors = npt.NDArray[np.float32]
"""Unit vectors of texts, shape (texts, dimensions)."""

Conversation = npt.NDArray[np.int32]
"""Token ids, shape (tokens,)."""

OnBatch = Callable[[list[int], Rewards], None]
"""Called after each batch with the indices of its conversations and their rewards."""


class RewardModel(Protocol):
    """Scores conversations, in process or with a server."""

    def score(
        self, conversations: Sequence[Conversation], on_batch: OnBatch | None = None
    ) -> Rewards:
        """Return raw logits, shape (conversations, heads), in the order of the input."""
        ...


def require_finite(values: Rewards, what: str = "rewards") -> Rewards:
    """Return the values of a model unchanged if all are finite.

    Args:
        values: Output of the model, any shape.
        what: Noun for the values in the error message.

    Raises:
        IntegrityError: A value is NaN or infinite.
    """
    bad = int((~np.isfinite(values)).sum())
    if bad:
        raise IntegrityError(
            f"{bad} of {values.size} {what} are not finite numbers; try `dtype: float32`"
        )
    return values
