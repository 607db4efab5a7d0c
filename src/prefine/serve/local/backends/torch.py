"""The torch backend, with which encoders are loaded."""

from typing import Any


def prepare(model: Any, device: str) -> None:
    """Do nothing: the encoder already runs with torch."""
