"""Rewards of a sequence classifier, computed in process: the reference for servers."""

from collections.abc import Sequence

import numpy as np
import torch

from prefine.errors import RecipeError
from prefine.serve.local.batches import group_by_length
from prefine.serve.local.load import load_model
from prefine.serve.scores import Conversation, OnBatch, Rewards, require_finite
from prefine.settings import Model, Runtime


class LocalReward:
    """A sequence classifier loaded with transformers.

    A batch contains sequences of equal length only, so there is no padding and rewards do not
    depend on the batch. A model without a padding id pools the last token, as with batch size 1.
    """

    def __init__(self, model: Model, runtime: Runtime, *, dtype: str, num_heads: int) -> None:
        self._model = load_model("AutoModelForSequenceClassification", model, dtype, runtime.device)
        if self._model.config.pad_token_id is None:
            self._model.config.pad_token_id = -1
        if self._model.config.num_labels != num_heads:
            raise RecipeError(
                f"{model.model} has {self._model.config.num_labels} heads, the recipe "
                f"names {num_heads}; name each head in `heads` of the measure"
            )
        self._max_tokens = runtime.token_budget

    def score(
        self, conversations: Sequence[Conversation], on_batch: OnBatch | None = None
    ) -> Rewards:
        """Return raw logits, shape (conversations, heads), in the order of the conversations.

        Args:
            conversations: Token ids.
            on_batch: Called after each batch with its indices and rewards.

        Raises:
            IntegrityError: A reward is NaN or infinite.
        """
        lengths = [len(ids) for ids in conversations]
        rewards = np.empty((len(lengths), self._model.config.num_labels), dtype=np.float32)
        with torch.inference_mode():
            for batch in group_by_length(lengths, self._max_tokens):
                stacked = np.stack([conversations[i] for i in batch]).astype(np.int64)
                ids = torch.from_numpy(stacked).to(self._model.device)
                logits = self._model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
                rewards[batch] = require_finite(logits.float().cpu().numpy())
                if on_batch is not None:
                    on_batch(batch, rewards[batch])
        return rewards
