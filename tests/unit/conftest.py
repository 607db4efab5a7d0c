"""A unit test needs no torch."""

import sys
from collections.abc import Generator

import pytest


@pytest.fixture(autouse=True)
def without_torch() -> Generator[None]:
    """Fail a test that imports torch; what was imported before it is not counted."""
    before = "torch" in sys.modules
    yield
    assert before or "torch" not in sys.modules, "a unit test must not import torch"
