"""What is read of a policy: sums of hidden states, and how likely it finds responses."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from prefine.serve.chat import PromptResponse

Sums = npt.NDArray[np.float32]
Values = npt.NDArray[np.float64]


class Beginning(NamedTuple):
    """The first states of a response."""

    sequence: int
    """Which response, as a place in the list of sequences."""
    num_states: int


class Reading(NamedTuple):
    """What was read, in the order of what was asked: S responses, F beginnings, width D."""

    sums: Sums
    """Sum of the states that predict each response's tokens, shape (S, D)."""
    firsts: Sums
    """The same for the beginnings, shape (F, D)."""
    logps: Values
    """Sum of the log-probabilities of each response's tokens in nats, shape (S,); NaN if the
    reader was not asked for them."""
    entropies: Values
    """Mean entropy of the next-token distributions along each response in nats, shape (S,);
    likewise."""


class StateReader(Protocol):
    """Anything that reads a policy's states."""

    def read(
        self, sequences: Sequence[PromptResponse], beginnings: Sequence[Beginning] = ()
    ) -> Reading:
        """Read each response, and the beginnings of some.

        The state at the last prompt token predicts the first response token, and the state at the
        last token but one predicts the last; so ``n`` states are summed for ``n`` response tokens,
        and the last token itself is never fed.

        Args:
            sequences: Non-empty prompts and responses.
            beginnings: Further sums: of the first states of a response.

        Source:
            Razin et al. 2024, Unintentional Unalignment, Definition 2.
        """
        ...
