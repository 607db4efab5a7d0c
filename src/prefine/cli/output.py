"""What the command line prints: results on stdout, progress and notes on stderr, and JSON."""

import sys
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


class Stream:
    """A console on stdout or stderr; rich is imported when something is first printed."""

    def __init__(self, *, stderr: bool = False) -> None:
        self._stderr = stderr

    @cached_property
    def console(self) -> "Console":
        """The console of rich."""
        from rich.console import Console

        return Console(stderr=self._stderr, soft_wrap=True)

    def print(self, text: str = "", *, markup: bool = True, highlight: bool | None = None) -> None:
        """Print a line, with markup of rich unless ``markup`` is false."""
        self.console.print(text, markup=markup, highlight=highlight)

    def line(self, text: object = "") -> None:
        """Print a line as it is."""
        self.console.print(str(text), markup=False, highlight=False)


class Notes:
    """Progress and notes on stderr, which ``--quiet`` leaves out."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.quiet = False

    def line(self, text: object) -> None:
        """Print a line, unless the command is quiet."""
        if not self.quiet:
            self.stream.line(text)


out = Stream()
err = Stream(stderr=True)
notes = Notes(err)


def print_json(value: object) -> None:
    """Print one JSON document on stdout; a number that is not finite becomes null."""
    sys.stdout.write(f"{_encode(value, indent=True)}\n")


def print_json_rows(rows: Sequence[Mapping[str, object]]) -> None:
    """Print one JSON array on stdout, with one row per line."""
    lines = ",\n".join(_encode(row) for row in rows)
    sys.stdout.write(f"[\n{lines}\n]\n" if rows else "[]\n")


def _encode(value: object, *, indent: bool = False) -> str:
    import orjson

    # dates become ISO 8601; what JSON has no value for becomes text
    return orjson.dumps(value, default=str, option=orjson.OPT_INDENT_2 if indent else 0).decode()
