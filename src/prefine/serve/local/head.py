"""The head of a causal language model: log-probabilities and entropies from hidden states.

Logits are made for a few hundred states at a time, never for a whole batch.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch

from prefine.errors import RecipeError
from prefine.serve.states import Values

_ENTRIES = 2**24
"""Logits that are in memory at once: 64 MB in float32."""

Change = Callable[[torch.Tensor], torch.Tensor]


class Head:
    """What a model does with its last states; found out by asking the model itself."""

    def __init__(self, model: Any) -> None:
        self._project: Any = model.get_output_embeddings()
        self._change = self._found(model)
        self._rows = max(1, _ENTRIES // model.config.vocab_size)

    def _found(self, model: Any) -> Change:
        """Return what turns projections into logits, by comparison with the whole model.

        Raises:
            RecipeError: None of the known ways gives the model's logits.
        """
        ids = torch.arange(1, 9, device=model.device)[None] % model.config.vocab_size
        with torch.inference_mode():
            logits = model(input_ids=ids, use_cache=False).logits.float()
            projected = self._project(
                model.base_model(input_ids=ids, use_cache=False).last_hidden_state
            ).float()
        tolerance = 1e-4 if model.dtype == torch.float32 else 0.05
        for change in _changes(model.config):
            if torch.allclose(change(projected), logits, rtol=tolerance, atol=tolerance):
                return change
        raise RecipeError(f"unsupported LM head for log-probabilities: {model.config.model_type}")

    def likelihoods(self, states_ND: torch.Tensor, said: Sequence[int]) -> tuple[Values, Values]:
        """Return how likely the tokens are that follow some states.

        Args:
            states_ND: Last-layer states after the final norm.
            said: The token after each, shape (N,).

        Returns:
            Log-probability of each token, and entropy of its distribution, in nats, shape (N,);
            from logits in float32.
        """
        logps: list[Values] = []
        entropies: list[Values] = []
        targets = torch.tensor(list(said), device=states_ND.device)
        for start in range(0, len(said), self._rows):
            part = slice(start, start + self._rows)
            logits_NV = self._change(self._project(states_ND[part]).float())
            logp_NV = torch.log_softmax(logits_NV, dim=-1)
            chosen = logp_NV.gather(1, targets[part, None])[:, 0]
            logps.append(chosen.cpu().numpy().astype(np.float64))
            entropy = -(logp_NV.exp() * logp_NV).nan_to_num(nan=0.0).sum(dim=-1)
            entropies.append(entropy.cpu().numpy().astype(np.float64))
        return np.concatenate(logps), np.concatenate(entropies)


def _changes(config: Any) -> Iterator[Change]:
    """Yield the known ways from projections to logits: none, a soft cap, a factor."""
    yield lambda found: found
    cap = getattr(config, "final_logit_softcapping", None)
    if cap:
        yield lambda found: cap * torch.tanh(found / cap)
    factor = getattr(config, "logit_scale", None)
    if factor:
        yield lambda found: found * factor
    divisor = getattr(config, "logits_scaling", None)
    if divisor:
        yield lambda found: found / divisor
