"""The command line starts without the libraries that only a run needs."""

import subprocess
import sys

import pytest

HEAVY = ("faiss", "numpy", "polars", "prefect", "pyarrow", "pydantic", "sklearn", "torch", "yaml")


def imported(*arguments: str) -> set[str]:
    """Return the top-level packages that a call of the command line has imported."""
    program = (
        "import sys; sys.argv = ['prefine', *sys.argv[1:]]\n"
        "from prefine.cli import main\n"
        "try: main()\n"
        "except SystemExit: print(*{name.split('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    call = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(call, capture_output=True, text=True, check=True)
    return set(done.stderr.split())


@pytest.mark.parametrize("arguments", [("--help",), ("--version",)])
def test_help_imports_no_heavy_library(arguments: tuple[str, ...]) -> None:
    assert imported(*arguments).isdisjoint(HEAVY)


def test_help_of_a_command_imports_none_but_what_typer_does() -> None:
    assert imported("run", "--help").isdisjoint({*HEAVY} - {"pydantic"})
