"""Types of a policy's outputs: sums of hidden states, log-probabilities and entropies."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from prefine.serve.chat import PromptResponse

Sums = npt.NDArray[np.float32]
"""Sums of hidden states, shape (sums, width)."""
Values = npt.NDArray[np.float64]
"""Values per response or token."""


class Beginning(NamedTuple):
    """A request for the sum of the first states of a response."""

    sequence: int
    """Index of the response in the list of sequences."""
    num_states: int
    """Number of states, from the one that predicts the first response token."""


class Reading(NamedTuple):
    """Outputs in the order of the input: S responses, F beginnings, width D."""

    sums: Sums
    """Sum of the states that predict each response's tokens, shape (S, D)."""
    firsts: Sums
    """Sums of the states of the beginnings, shape (F, D)."""
    logps: Values
    """Sum of the log-probabilities of each response's tokens in nats, shape (S,); NaN if the
    reader does not compute likelihoods."""
    entropies: Values
    """Mean entropy of the next-token distributions along each response in nats, shape (S,); NaN
    if the reader does not compute likelihoods."""


class StateReader(Protocol):
    """Computes sums of a policy's hidden states, in process or with a server."""

    def read(
        self, sequences: Sequence[PromptResponse], beginnings: Sequence[Beginning] = ()
    ) -> Reading:
        """Sum the states that predict each response's tokens, and those of some beginnings.

        The state at the last prompt token predicts the first response token, and the state at the
        second to last response token predicts the last one. So ``n`` states are summed for ``n``
        response tokens, and the last token is not an input of the model.

        Args:
            sequences: Non-empty prompts and responses.
            beginnings: Further sums, each over the first states of one response.

        Source:
            Razin et al. 2024, Unintentional Unalignment, Definition 2.
        """
        ...
