"""What the command line prints: results on stdout, progress and notes on stderr, and JSON."""

import re
import sys
from collections.abc import Mapping, Sequence
from functools import cached_property
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any

import typer

from prefine.cli.layout import wrap_words

if TYPE_CHECKING:
    from rich.console import Console

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Characters of data that would control the terminal, or reverse what it shows."""


def visible(text: str) -> str:
    """Return text whose control characters are spelt out; line ends and tabs stay."""
    return _CONTROL.sub(lambda match: _spelt(ord(match[0])), text)


def _spelt(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"  # noqa: PLR2004 - one byte


class Stream:
    """Stdout or stderr; rich is imported only when it is needed."""

    def __init__(self, *, stderr: bool = False) -> None:
        self._stderr = stderr

    @cached_property
    def console(self) -> "Console":
        """A console of rich, for progress bars and markup."""
        from rich.console import Console

        return Console(stderr=self._stderr, soft_wrap=True)

    @property
    def width(self) -> int:
        """Width in columns; 80 if it is not a terminal."""
        return get_terminal_size((80, 24)).columns

    def line(self, text: object = "") -> None:
        """Print a line; control characters are spelt out."""
        typer.echo(visible(str(text)), err=self._stderr)

    def paragraph(self, text: str) -> None:
        """Print a line; on a terminal break it between words."""
        stream = sys.stderr if self._stderr else sys.stdout
        for line in wrap_words(text, self.width) if stream.isatty() else [text]:
            self.line(line)

    def title(self, text: str) -> None:
        """Print a line, bold on a terminal."""
        typer.secho(visible(text), bold=True, err=self._stderr)

    def print(self, text: str = "", **options: Any) -> None:
        """Print text with the options of ``rich.console.Console.print``."""
        self.console.print(text, **options)


class Notes:
    """Progress and notes on stderr, which ``--quiet`` leaves out."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.quiet = False

    def line(self, text: object) -> None:
        """Print a line, unless ``--quiet`` is given."""
        if not self.quiet:
            self.stream.paragraph(str(text))


out = Stream()
err = Stream(stderr=True)
notes = Notes(err)


def print_json(value: object) -> None:
    """Print one JSON document on stdout; non-finite numbers become null."""
    _write(_encode(value, indent=True) + b"\n")


def print_json_rows(rows: Sequence[Mapping[str, object]]) -> None:
    """Print one JSON array on stdout, with one row per line."""
    lines = b",\n".join(_encode(row) for row in rows)
    _write(b"[\n%b\n]\n" % lines if rows else b"[]\n")


def _write(document: bytes) -> None:
    typer.echo(document, nl=False)  # JSON is UTF-8, whatever the terminal's encoding


def _encode(value: object, *, indent: bool = False) -> bytes:
    import orjson

    # dates become ISO 8601; other types become text
    return orjson.dumps(value, default=str, option=orjson.OPT_INDENT_2 if indent else 0)
