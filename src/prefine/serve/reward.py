"""Reward models: conversations in, raw logits out.

What comes in: token ids of whole conversations. What goes out: float32 of shape (rows, heads),
before any activation. What never happens: a cut conversation, a sigmoid, a score that depends on
its neighbours in a batch.
"""

import threading
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
import transformers

from prefine.errors import RecipeError
from prefine.recipe import Runtime, TransformersReward, Weights
from prefine.serve.batches import by_length
from prefine.serve.scores import Conversation, OnBatch, Rewards, finite
from prefine.serve.weights import located, unloadable


class InProcessReward:
    """A sequence classifier loaded with transformers: the reference.

    Only sequences of equal length share a batch, so there is no padding, and every row gets what
    it would get alone. Where the model has no padding id, its last token is pooled, as at batch 1.
    """

    def __init__(self, config: TransformersReward, runtime: Runtime) -> None:
        self._model = load_model(
            "AutoModelForSequenceClassification", config.weights, config.dtype, runtime.device
        )
        if self._model.config.pad_token_id is None:
            self._model.config.pad_token_id = -1
        if self._model.config.num_labels != max(1, len(config.heads)):
            raise RecipeError(
                f"{config.weights.model} has {self._model.config.num_labels} heads, the recipe "
                f"names {len(config.heads) or 'none'}; `heads` of the measure gives each a name"
            )
        self._max_tokens = runtime.token_budget

    def score(
        self, conversations: Sequence[Conversation], on_batch: OnBatch | None = None
    ) -> Rewards:
        """Return raw logits, shape (rows, heads)."""
        lengths = [len(ids) for ids in conversations]
        rewards = np.empty((len(lengths), self._model.config.num_labels), dtype=np.float32)
        with torch.inference_mode():
            for batch in by_length(lengths, self._max_tokens):
                stacked = np.stack([conversations[i] for i in batch]).astype(np.int64)
                ids = torch.from_numpy(stacked).to(self._model.device)
                logits = self._model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
                rewards[batch] = finite(logits.float().cpu().numpy())
                if on_batch is not None:
                    on_batch(batch, rewards[batch])
        return rewards


_LOCK = threading.Lock()


def load_model(kind: str, weights: Weights, dtype: str, device: str) -> Any:
    """Load a model once a process, ready for inference.

    Args:
        kind: The name of an ``AutoModel`` class of transformers.
        weights: A folder, a package or a hub name.
        dtype: ``float32``, ``bfloat16`` or ``float16``; of the forward pass, not of sums.
        device: As torch names it.

    Raises:
        RecipeError: The folder holds no such model, weights are missing, there is no such device.
        ServiceError: The hub cannot be reached, or does not have it.
    """
    with _LOCK:
        return _load(kind, weights, dtype, device)


@lru_cache(maxsize=2)
def _load(kind: str, weights: Weights, dtype: str, device: str) -> Any:
    transformers.utils.logging.disable_progress_bar()
    loader = getattr(transformers, kind)
    try:
        loaded, info = loader.from_pretrained(
            located(weights),
            revision=weights.revision,
            dtype=getattr(torch, dtype),
            output_loading_info=True,
        )
    except (OSError, ValueError) as error:
        raise unloadable(weights, error) from error
    made_up = sorted({str(key) for key in (*info["missing_keys"], *info["mismatched_keys"])})
    if made_up:
        raise RecipeError(
            f"{weights.model} is no whole {kind.removeprefix('AutoModel').removeprefix('For')} "
            f"model: it lacks {', '.join(made_up[:5])}, which would be made up at random"
        )
    try:
        return loaded.to(device).eval()
    except (AssertionError, RuntimeError) as error:
        raise RecipeError(f"the device `{device}` cannot be used: {error}") from error
