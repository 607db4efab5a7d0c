"""Sums of the policy's hidden states in process, and on request the likelihood of responses.

Sums are float32, leave pads out, and memory does not grow with the number of responses; logits are
made only where likelihoods are wanted.
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
    """Sum hidden states where masks are set, in float32.

    Args:
        hidden_TD: Last-layer states of a row after the final norm, any float type.
        mask_RT: One mask a sum, true at the states that count; pads and prompt are false.

    Returns:
        Shape (R, D), float32.
    """
    return mask_RT.float() @ hidden_TD.float()


def packable(config: Any) -> bool:
    """Tell whether responses of this architecture may share a row.

    A sliding window is counted in tokens of the row, so a packed row would see another window.
    """
    layers = set(getattr(config, "layer_types", None) or ["full_attention"])
    windowed = getattr(config, "sliding_window", None) and getattr(
        config, "use_sliding_window", True
    )
    return config.model_type in PACKABLE and layers == {"full_attention"} and not windowed


class LocalHiddenStates:
    """The backbone of a causal language model, with its head only where likelihoods are wanted."""

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
        """Read each response; those to one prompt share a row. See ``StateReader``.

        Raises:
            IntegrityError: The policy's states are not finite numbers.
        """
        asked: dict[int, list[tuple[int, int]]] = {}
        for place, (index, count) in enumerate(beginnings):
            asked.setdefault(index, []).append((place, count))
        width: int = self._model.config.hidden_size
        found = Reading(
            np.empty((len(sequences), width), np.float32),
            np.empty((len(beginnings), width), np.float32),
            np.full(len(sequences), np.nan),
            np.full(len(sequences), np.nan),
        )
        rows = rows_of(sequences, pack=self.packs, max_tokens=self._max_tokens)
        with torch.inference_mode():
            for batch in batches_of(rows, self._max_tokens):
                states_BTD = self._states(batch)
                _fill_sums(batch, states_BTD, asked, found)
                if self._head is not None:
                    _fill_likelihoods(batch, states_BTD, sequences, self._head, found)
        require_finite(found.sums, "sums of hidden states")
        require_finite(found.firsts, "sums of hidden states")
        return found

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
    asked: dict[int, list[tuple[int, int]]],
    found: Reading,
) -> None:
    """Fill in the sums of the responses of a batch, and those of their beginnings."""
    for row, hidden_TD in zip(batch.rows, states_BTD, strict=True):
        wanted: list[tuple[Sums, int, list[int]]] = []
        for index, places in row.states():
            wanted.append((found.sums, index, places))
            wanted += [(found.firsts, at, places[:n]) for at, n in asked.get(index, [])]
        mask_RT = torch.zeros((len(wanted), hidden_TD.shape[0]), dtype=torch.bool)
        for number, (_, _, places) in enumerate(wanted):
            mask_RT[number, places] = True
        totals = masked_sums(hidden_TD, mask_RT.to(hidden_TD.device)).cpu().numpy()
        for (target, at, _), total in zip(wanted, totals, strict=True):
            target[at] = total


def _fill_likelihoods(
    batch: Batch,
    states_BTD: torch.Tensor,
    sequences: Sequence[PromptResponse],
    head: Head,
    found: Reading,
) -> None:
    """Fill in how likely the responses of a batch are."""
    for row, hidden_TD in zip(batch.rows, states_BTD, strict=True):
        indices: list[int] = []
        places: list[int] = []
        said: list[int] = []
        for index, predicting in row.states():
            indices.append(index)
            places += predicting
            said += sequences[index].response
        logps_N, entropies_N = head.likelihoods(hidden_TD[places], said)
        start = 0
        for index in indices:
            end = start + len(sequences[index].response)
            found.logps[index] = logps_N[start:end].sum()
            found.entropies[index] = entropies_N[start:end].mean()
            start = end
