"""The LM head of a causal language model: log-probabilities and entropies from hidden states.

Logits are computed for a few hundred states at a time, to limit memory.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch

from prefine.errors import RecipeError
from prefine.serve.states import Values

_ENTRIES = 2**24
"""Maximum logits in memory at once: 64 MB in float32."""

Transform = Callable[[torch.Tensor], torch.Tensor]
"""Turns output projections into logits, shape (..., vocabulary)."""


class Head:
    """The LM head of a model: output projection and the transform of its logits.

    Args:
        model: A causal language model of transformers.

    Raises:
        RecipeError: No known transform reproduces the model's logits.
    """

    def __init__(self, model: Any) -> None:
        self._project: Any = model.get_output_embeddings()
        self._transform = self._find_transform(model)
        self._rows = max(1, _ENTRIES // model.config.vocab_size)

    def _find_transform(self, model: Any) -> Transform:
        """Return the transform that reproduces the model's logits for a short input.

        Raises:
            RecipeError: No known transform does.
        """
        ids = torch.arange(1, 9, device=model.device)[None] % model.config.vocab_size
        with torch.inference_mode():
            logits = model(input_ids=ids, use_cache=False).logits.float()
            projected = self._project(
                model.base_model(input_ids=ids, use_cache=False).last_hidden_state
            ).float()
        tolerance = 1e-4 if model.dtype == torch.float32 else 0.05
        for transform in _transforms(model.config):
            if torch.allclose(transform(projected), logits, rtol=tolerance, atol=tolerance):
                return transform
        raise RecipeError(f"unsupported LM head for log-probabilities: {model.config.model_type}")

    def likelihoods(self, states_ND: torch.Tensor, tokens: Sequence[int]) -> tuple[Values, Values]:
        """Compute log-probabilities and entropies from hidden states.

        Args:
            states_ND: Last-layer states after the final norm.
            tokens: Id of the token that follows each state, length N.

        Returns:
            Log-probability of each token and entropy of the distribution that predicts it, in nats,
            shape (N,); computed from float32 logits.
        """
        logps: list[Values] = []
        entropies: list[Values] = []
        targets = torch.tensor(list(tokens), device=states_ND.device)
        for start in range(0, len(tokens), self._rows):
            part = slice(start, start + self._rows)
            logits_NV = self._transform(self._project(states_ND[part]).float())
            logp_NV = torch.log_softmax(logits_NV, dim=-1)
            chosen = logp_NV.gather(1, targets[part, None])[:, 0]
            logps.append(chosen.cpu().numpy().astype(np.float64))
            entropy = -(logp_NV.exp() * logp_NV).nan_to_num(nan=0.0).sum(dim=-1)
            entropies.append(entropy.cpu().numpy().astype(np.float64))
        return np.concatenate(logps), np.concatenate(entropies)


def _transforms(config: Any) -> Iterator[Transform]:
    """Yield the known transforms of projections into logits: identity, soft cap, scale."""
    yield lambda logits: logits
    cap = getattr(config, "final_logit_softcapping", None)
    if cap:
        yield lambda logits: cap * torch.tanh(logits / cap)
    factor = getattr(config, "logit_scale", None)
    if factor:
        yield lambda logits: logits * factor
    divisor = getattr(config, "logits_scaling", None)
    if divisor:
        yield lambda logits: logits / divisor
