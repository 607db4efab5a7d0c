"""Loading of transformers models, once per process."""

import threading
from functools import lru_cache
from typing import Any

import torch
import transformers

from prefine.errors import RecipeError
from prefine.serve.weights import load_error, locate_verified
from prefine.settings import Model

_LOCK = threading.Lock()


def load_model(kind: str, model: Model, dtype: str, device: str) -> Any:
    """Load a model for inference, once per process.

    Args:
        kind: Name of an ``AutoModel`` class of transformers.
        model: A folder, a package or a hub name.
        dtype: Type of the forward pass: ``float32``, ``bfloat16`` or ``float16``.
        device: Name of a torch device.

    Raises:
        RecipeError: The folder contains no such model, weights are missing, or the device cannot
            be used.
        ServiceError: The hub cannot be reached, or does not have the model.
    """
    with _LOCK:
        return _load(kind, model, dtype, device)


@lru_cache(maxsize=2)
def _load(kind: str, model: Model, dtype: str, device: str) -> Any:
    transformers.utils.logging.disable_progress_bar()
    loader = getattr(transformers, kind)
    try:
        loaded, info = loader.from_pretrained(
            locate_verified(model),
            revision=model.revision,
            dtype=getattr(torch, dtype),
            output_loading_info=True,
        )
    except (OSError, ValueError) as error:
        raise load_error(model, error) from error
    random_keys = sorted({str(key) for key in (*info["missing_keys"], *info["mismatched_keys"])})
    if random_keys:
        missing = ", ".join(random_keys[:5])
        raise RecipeError(
            f"{model.model} has no weights for {missing} (they would be randomly initialised); is "
            f"it a model for {kind.removeprefix('AutoModel').removeprefix('For') or 'embeddings'}?"
        )
    try:
        return loaded.to(device).eval()
    except (AssertionError, RuntimeError) as error:
        raise RecipeError(f"the device `{device}` cannot be used: {error}") from error
