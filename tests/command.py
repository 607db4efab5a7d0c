"""Run the command line in process."""

import sys

import pytest

from prefine import cli


def prefine(*arguments: str) -> int:
    """Run the command line as its entry point does; return the exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["prefine", *arguments])
        patch.setenv("COLUMNS", "80")
        patch.setenv("NO_COLOR", "1")
        try:
            cli.main()
        except SystemExit as stop:
            return int(stop.code or 0)
    return 0
