"""Sums of a policy's hidden states, computed in process, optionally with likelihoods.

Sums are float32 and exclude padding. Memory does not grow with the number of responses. Logits are
computed only for likelihoods.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from prefine.serve.chat import PromptResponse
from prefine.serve.local.head import Head
from prefine.serve.local.load import load_model
from prefine.serve.local.packed import PACKABLE, Batch, batches_of, rows_of
from prefine.serve.scores import require_finite
from prefine.serve.states import Beginning, Reading, Sums
from prefine.settings import Model, Runtime


def masked_sums(hidden_TD: torch.Tensor, mask_RT: torch.Tensor) -> torch.Tensor:
    """Sum hidden states under masks, in float32.

    Args:
        hidden_TD: Last-layer states of a row after the final norm, any float type.
        mask_RT: One mask per sum, true at the states to add.

    Returns:
        Shape (R, D), float32.
    """
    return mask_RT.float() @ hidden_TD.float()


def packable(config: Any) -> bool:
    """Return whether responses of this architecture may share a row.

    A sliding window counts tokens of the row, so packing would change the window of a response.
    """
    layers = set(getattr(config, "layer_types", None) or ["full_attention"])
    windowed = getattr(config, "sliding_window", None) and getattr(
        config, "use_sliding_window", True
    )
    return config.model_type in PACKABLE and layers == {"full_attention"} and not windowed


class LocalHiddenStates:
    """Computes sums of hidden states with the backbone of a causal language model.

    Args:
        model: The policy.
        runtime: Device and token budget.
        dtype: Type of the forward pass: ``float32``, ``bfloat16`` or ``float16``.
        likelihoods: Whether to load the LM head and compute likelihoods.
    """

    def __init__(
        self, model: Model, runtime: Runtime, *, dtype: str, likelihoods: bool = False
    ) -> None:
        kind = "AutoModelForCausalLM" if likelihoods else "AutoModel"
        loaded: Any = load_model(kind, model, dtype, runtime.device)
        self._head = Head(loaded) if likelihoods else None
        self._model: Any = loaded.base_model if likelihoods else loaded
        self._max_tokens = runtime.token_budget
        self.packs = packable(self._model.config)

    def read(
        self, sequences: Sequence[PromptResponse], beginnings: Sequence[Beginning] = ()
    ) -> Reading:
        """Compute the outputs of each response; see ``StateReader``.

        Raises:
            IntegrityError: A sum is NaN or infinite.
        """
        requested: dict[int, list[tuple[int, int]]] = {}
        for position, (index, count) in enumerate(beginnings):
            requested.setdefault(index, []).append((position, count))
        width: int = self._model.config.hidden_size
        reading = Reading(
            np.empty((len(sequences), width), np.float32),
            np.empty((len(beginnings), width), np.float32),
            np.full(len(sequences), np.nan),
            np.full(len(sequences), np.nan),
        )
        rows = rows_of(sequences, pack=self.packs, max_tokens=self._max_tokens)
        with torch.inference_mode():
            for batch in batches_of(rows, self._max_tokens):
                states_BTD = self._states(batch)
                _fill_sums(batch, states_BTD, requested, reading)
                if self._head is not None:
                    _fill_likelihoods(batch, states_BTD, sequences, self._head, reading)
        require_finite(reading.sums, "sums of hidden states")
        require_finite(reading.firsts, "sums of hidden states")
        return reading

    def _states(self, batch: Batch) -> torch.Tensor:
        device = self._model.device
        return self._model(
            input_ids=batch.ids.to(device),
            position_ids=batch.positions.to(device),
            attention_mask=batch.mask(self._model.dtype).to(device),
            use_cache=False,
        ).last_hidden_state


def _fill_sums(
    batch: Batch,
    states_BTD: torch.Tensor,
    requested: dict[int, list[tuple[int, int]]],
    reading: Reading,
) -> None:
    """Fill in the sums of a batch's responses and of their beginnings."""
    for row, hidden_TD in zip(batch.rows, states_BTD, strict=True):
        parts: list[tuple[Sums, int, list[int]]] = []
        for index, positions in row.states():
            parts.append((reading.sums, index, positions))
            parts += [(reading.firsts, at, positions[:n]) for at, n in requested.get(index, [])]
        mask_RT = torch.zeros((len(parts), hidden_TD.shape[0]), dtype=torch.bool)
        for number, (_, _, positions) in enumerate(parts):
            mask_RT[number, positions] = True
        totals = masked_sums(hidden_TD, mask_RT.to(hidden_TD.device)).cpu().numpy()
        for (target, at, _), total in zip(parts, totals, strict=True):
            target[at] = total


def _fill_likelihoods(
    batch: Batch,
    states_BTD: torch.Tensor,
    sequences: Sequence[PromptResponse],
    head: Head,
    reading: Reading,
) -> None:
    """Fill in the log-probabilities and entropies of a batch's responses."""
    for row, hidden_TD in zip(batch.rows, states_BTD, strict=True):
        indices: list[int] = []
        positions: list[int] = []
        tokens: list[int] = []
        for index, predicting in row.states():
            indices.append(index)
            positions += predicting
            tokens += sequences[index].response
        logps_N, entropies_N = head.likelihoods(hidden_TD[positions], tokens)
        start = 0
        for index in indices:
            end = start + len(sequences[index].response)
            reading.logps[index] = logps_N[start:end].sum()
            reading.entropies[index] = entropies_N[start:end].mean()
            start = end
