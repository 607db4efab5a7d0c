"""Load a model with transformers, once a process."""

import threading
from functools import lru_cache
from typing import Any

import torch
import transformers

from prefine.errors import RecipeError
from prefine.serve.weights import located, unloadable
from prefine.settings import Model

_LOCK = threading.Lock()


def load_model(kind: str, model: Model, dtype: str, device: str) -> Any:
    """Load a model once a process, ready for inference.

    Args:
        kind: The name of an ``AutoModel`` class of transformers.
        model: A folder, a package or a hub name.
        dtype: ``float32``, ``bfloat16`` or ``float16``; of the forward pass, not of sums.
        device: As torch names it.

    Raises:
        RecipeError: The folder holds no such model, weights are missing, there is no such device.
        ServiceError: The hub cannot be reached, or does not have it.
    """
    with _LOCK:
        return _load(kind, model, dtype, device)


@lru_cache(maxsize=2)
def _load(kind: str, model: Model, dtype: str, device: str) -> Any:
    transformers.utils.logging.disable_progress_bar()
    loader = getattr(transformers, kind)
    try:
        loaded, info = loader.from_pretrained(
            located(model),
            revision=model.revision,
            dtype=getattr(torch, dtype),
            output_loading_info=True,
        )
    except (OSError, ValueError) as error:
        raise unloadable(model, error) from error
    made_up = sorted({str(key) for key in (*info["missing_keys"], *info["mismatched_keys"])})
    if made_up:
        missing = ", ".join(made_up[:5])
        raise RecipeError(
            f"{model.model} has no weights for {missing} (they would be randomly initialised); is "
            f"it a model for {kind.removeprefix('AutoModel').removeprefix('For') or 'embeddings'}?"
        )
    try:
        return loaded.to(device).eval()
    except (AssertionError, RuntimeError) as error:
        raise RecipeError(f"the device `{device}` cannot be used: {error}") from error
