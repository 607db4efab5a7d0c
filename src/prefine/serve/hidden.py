"""Hidden states of the policy, summed over each response: what CHES is made of.

What comes in: prompt and response ids. What goes out: one vector a response, and one for each
beginning that is asked for. What never happens: logits, a pad token in a sum, sums in less than
float32, memory that grows with the number of responses in a batch's tokens.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from prefine.recipe import Ches, Runtime
from prefine.serve.chat import PromptResponse
from prefine.serve.packed import PACKABLE, Batch, batches_of, rows_of
from prefine.serve.reward import finite, load_model

Sums = npt.NDArray[np.float32]


class Beginning(NamedTuple):
    """The first states of a response."""

    sequence: int
    """Which response, as a place in the list of sequences."""
    num_states: int


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


class HiddenStates:
    """The backbone of a causal language model, without its head."""

    def __init__(self, config: Ches, runtime: Runtime) -> None:
        self._model: Any = load_model("AutoModel", config.weights, config.dtype, runtime.device)
        self._max_tokens = runtime.token_budget
        self.packs = packable(self._model.config)

    def response_sums(
        self, sequences: Sequence[PromptResponse], beginnings: Sequence[Beginning] = ()
    ) -> tuple[Sums, Sums]:
        """Return the sum of the states that predict each response's tokens.

        The state at the last prompt token predicts the first response token, and the state at the
        last token but one predicts the last; so ``n`` states are summed for ``n`` response tokens,
        and the last token itself is never fed.

        Args:
            sequences: Non-empty prompts and responses; responses to one prompt share a row.
            beginnings: Further sums: of the first states of a response.

        Returns:
            Shape (sequences, D) and (beginnings, D), float32, in the order of the arguments.

        Raises:
            IntegrityError: The policy's states are not finite numbers.

        Source:
            Razin et al. 2024, Unintentional Unalignment, Definition 2.
        """
        asked: dict[int, list[tuple[int, int]]] = {}
        for place, (index, count) in enumerate(beginnings):
            asked.setdefault(index, []).append((place, count))
        width: int = self._model.config.hidden_size
        sums = np.empty((len(sequences), width), np.float32)
        firsts = np.empty((len(beginnings), width), np.float32)
        rows = rows_of(sequences, pack=self.packs, max_tokens=self._max_tokens)
        with torch.inference_mode():
            for batch in batches_of(rows, self._max_tokens):
                for row, hidden_TD in zip(batch.rows, self._states(batch), strict=True):
                    wanted: list[tuple[Sums, int, list[int]]] = []
                    for index, places in row.states():
                        wanted.append((sums, index, places))
                        wanted += [(firsts, at, places[:n]) for at, n in asked.get(index, [])]
                    mask_RT = torch.zeros((len(wanted), hidden_TD.shape[0]), dtype=torch.bool)
                    for number, (_, _, places) in enumerate(wanted):
                        mask_RT[number, places] = True
                    found = masked_sums(hidden_TD, mask_RT.to(hidden_TD.device)).cpu().numpy()
                    for (target, at, _), total in zip(wanted, found, strict=True):
                        target[at] = total
        return finite(sums, "sums of hidden states"), finite(firsts, "sums of hidden states")

    def _states(self, batch: Batch) -> torch.Tensor:
        device = self._model.device
        return self._model(
            input_ids=batch.ids.to(device),
            position_ids=batch.positions.to(device),
            attention_mask=batch.mask(self._model.dtype).to(device),
            use_cache=False,
        ).last_hidden_state
