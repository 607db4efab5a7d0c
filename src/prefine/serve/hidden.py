"""Hidden states of the policy, summed over each response: what CHES is made of.

What comes in: prompt and response ids. What goes out: one vector and one length a response. What
never happens: logits, a pad token in a sum, sums in less than float32.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from prefine.recipe import Ches, Runtime
from prefine.serve.batches import by_budget
from prefine.serve.chat import PromptResponse
from prefine.serve.reward import finite, load_model

Sums = npt.NDArray[np.float32]


def masked_sums(hidden_BTD: torch.Tensor, mask_BT: torch.Tensor) -> torch.Tensor:
    """Sum hidden states where the mask is set, in float32.

    Args:
        hidden_BTD: Last-layer states after the final norm, any float type.
        mask_BT: True at the positions that count; pads and prompt are false.

    Returns:
        Shape (B, D), float32.
    """
    return torch.einsum("bt,btd->bd", mask_BT.float(), hidden_BTD.float())


class HiddenStates:
    """The backbone of a causal language model, without its head."""

    def __init__(self, config: Ches, runtime: Runtime) -> None:
        self._model: Any = load_model("AutoModel", config.weights, config.dtype, runtime.device)
        self._max_tokens = runtime.batch_tokens

    def response_sums(self, sequences: Sequence[PromptResponse]) -> Sums:
        """Return the sum of the states that predict each response's tokens.

        The state at the last prompt token predicts the first response token, and the state at the
        last token but one predicts the last; so ``n`` states are summed for ``n`` response tokens,
        and the last token itself is never fed.

        Args:
            sequences: Non-empty prompts and responses.

        Returns:
            Shape (rows, D), float32, in the order of the sequences.

        Raises:
            IntegrityError: The policy's states are not finite numbers.

        Source:
            Razin et al. 2024, Unintentional Unalignment, Definition 2.
        """
        inputs = [[*ids.prompt, *ids.response[:-1]] for ids in sequences]
        found: dict[int, npt.NDArray[np.float32]] = {}
        with torch.inference_mode():
            for batch in by_budget([len(ids) for ids in inputs], self._max_tokens):
                longest = max(len(inputs[i]) for i in batch)
                ids_BT = torch.zeros((len(batch), longest), dtype=torch.long)
                real_BT = torch.zeros((len(batch), longest), dtype=torch.long)
                mask_BT = torch.zeros((len(batch), longest), dtype=torch.bool)
                for place, index in enumerate(batch):
                    length = len(inputs[index])
                    ids_BT[place, :length] = torch.tensor(inputs[index])
                    real_BT[place, :length] = 1
                    mask_BT[place, len(sequences[index].prompt) - 1 : length] = True
                found.update(zip(batch, self._sums(ids_BT, real_BT, mask_BT), strict=True))
        sums = np.stack([found[index] for index in range(len(inputs))])
        return finite(sums, "sums of hidden states")

    def _sums(self, ids_BT: torch.Tensor, real_BT: torch.Tensor, mask_BT: torch.Tensor) -> Sums:
        device = self._model.device
        states = self._model(
            input_ids=ids_BT.to(device), attention_mask=real_BT.to(device), use_cache=False
        )
        return masked_sums(states.last_hidden_state, mask_BT.to(device)).cpu().numpy()
