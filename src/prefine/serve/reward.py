"""Reward models: conversations in, raw logits out.

What comes in: token ids of whole conversations. What goes out: float32 of shape (rows, heads),
before any activation. What never happens: a cut conversation, a sigmoid, a score that depends on
its neighbours in a batch.
"""

import threading
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
import transformers

from prefine.errors import IntegrityError, ServiceError
from prefine.recipe import Runtime, TransformersReward, Weights
from prefine.serve.batches import by_length
from prefine.serve.weights import locate

Rewards = npt.NDArray[np.float32]


class RewardModel(Protocol):
    """Anything that scores conversations."""

    def score(self, conversations: Sequence[Sequence[int]]) -> Rewards:
        """Return raw logits, shape (rows, heads), in the order of the conversations."""
        ...


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
        self._max_tokens = runtime.batch_tokens

    def score(self, conversations: Sequence[Sequence[int]]) -> Rewards:
        """Return raw logits, shape (rows, heads)."""
        lengths = [len(ids) for ids in conversations]
        rewards = np.empty((len(lengths), self._model.config.num_labels), dtype=np.float32)
        with torch.inference_mode():
            for batch in by_length(lengths, self._max_tokens):
                ids = torch.tensor([conversations[i] for i in batch], device=self._model.device)
                logits = self._model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
                rewards[batch] = logits.float().cpu().numpy()
        return finite(rewards)


def finite(rewards: Rewards) -> Rewards:
    """Return the rewards, all of which must be numbers.

    Raises:
        IntegrityError: A reward is NaN or infinite; that is a broken model, not a fact.
    """
    bad = int((~np.isfinite(rewards)).sum())
    if bad:
        raise IntegrityError(f"{bad} of {rewards.size} rewards are not finite numbers")
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
        ServiceError: The hub cannot be reached, or does not have it.
    """
    with _LOCK:
        return _load(kind, locate(weights), weights.revision, dtype, device)


@lru_cache(maxsize=2)
def _load(kind: str, model: str, revision: str | None, dtype: str, device: str) -> Any:
    transformers.utils.logging.disable_progress_bar()
    loader = getattr(transformers, kind)
    try:
        loaded = loader.from_pretrained(model, revision=revision, dtype=getattr(torch, dtype))
    except OSError as error:
        raise ServiceError(f"cannot load the model {model}: {str(error)[:200]}") from error
    return loaded.to(device).eval()
