"""Encoders run by torch, which is how they are loaded."""

from typing import Any


def prepare(model: Any, device: str) -> None:
    """Leave a loaded encoder as it is."""
