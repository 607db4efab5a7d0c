"""Errors of the HTTP client behind ``huggingface_hub``."""

import sys


def transport_errors() -> tuple[type[Exception], ...]:
    """Return the errors of a connection that fails, which ``huggingface_hub`` does not wrap.

    Its client depends on its version: httpx2, httpx, or requests, whose errors are ``OSError``.
    """
    from huggingface_hub.utils import get_session

    client = sys.modules[type(get_session()).__module__.partition(".")[0]]
    return (getattr(client, "TransportError", OSError),)
