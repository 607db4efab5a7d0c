"""How many examples hypothesis tries."""

from typing import Any

from hypothesis import settings

FAST = "fast"
"""Profile of ``make test-fast``: a quarter of the examples. ``make test`` tries all of them."""


def register_profiles() -> None:
    """Register the profiles; an example that failed is not kept on disk, but printed as code."""
    for name in ("full", FAST):
        settings.register_profile(name, deadline=None, database=None, print_blob=True)
    settings.load_profile("full")


def examples(number: int, **more: Any) -> settings:
    """Return settings for a number of examples, or a quarter of it under the profile `fast`.

    Args:
        number: Maximum number of examples.
        more: Further settings of hypothesis.
    """
    if settings.get_current_profile_name() == FAST:
        number = max(2, number // 4)
    return settings(max_examples=number, **more)
