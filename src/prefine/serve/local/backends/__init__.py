"""Backends that run a sentence encoder in this process, one module for each.

A backend's module defines ``prepare(model, device)``, which switches a loaded SentenceTransformer
to the backend. It is imported only if the recipe names the backend.
"""

from importlib import import_module
from typing import Any

BACKENDS = {
    "torch": "prefine.serve.local.backends.torch",
    "openvino": "prefine.serve.local.backends.openvino",
}
"""Module of each backend, by its name in the recipe."""


def prepare(backend: str, model: Any, device: str) -> None:
    """Switch a loaded encoder to a backend, in place.

    Args:
        backend: One of ``BACKENDS``.
        model: A SentenceTransformer.
        device: Name of a torch device.

    Raises:
        RecipeError: The backend is not installed, or cannot run the model on this device.
        IntegrityError: Its vectors differ from those of torch.
    """
    import_module(BACKENDS[backend]).prepare(model, device)
