"""What runs a sentence encoder in this process; one module per backend, named as in the recipe.

A backend's module has ``prepare(model, device)``, which lets it compute a loaded
SentenceTransformer from then on. It is imported only when a recipe names it.
"""

from importlib import import_module
from typing import Any

BACKENDS = {
    "torch": "prefine.serve.local.backends.torch",
    "openvino": "prefine.serve.local.backends.openvino",
}
"""Name and module of each backend."""


def prepare(backend: str, model: Any, device: str) -> None:
    """Let a backend compute a loaded encoder.

    Args:
        backend: One of ``BACKENDS``.
        model: A SentenceTransformer.
        device: As torch names it.

    Raises:
        RecipeError: The backend is not installed, or cannot run the model on this device.
        IntegrityError: Its vectors are not those of torch.
    """
    import_module(BACKENDS[backend]).prepare(model, device)
