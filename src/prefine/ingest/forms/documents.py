"""Cut JSON that is not one object a line into its values: arrays, pretty-printed or joined values.

What is cut is not parsed here, so that a broken value costs itself where its end can be told.
"""

import re
from collections.abc import Iterator
from typing import IO

from prefine.errors import DataError

MAX_JSON_BYTES = 2 * 2**30
"""The longest JSON value that is held."""

_CHUNK = 2**20
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[][{}]|"', re.DOTALL)
_SEPARATORS = b" \t\r\n,\x1e\xef\xbb\xbf"
"""Bytes that may stand between two values: blanks, commas, a byte-order mark."""
_CUT_OFF = "the JSON array is not closed: the file was cut off; fetch it again"


class _Scanner:
    """Cuts values by their brackets; a top-level array is cut into its elements."""

    def __init__(self, stream: IO[bytes], path: str) -> None:
        self._stream = stream
        self._path = path
        self._buffer = b""
        self._position = 0
        """Up to here, brackets are counted."""
        self._start = 0
        """Where the open value begins, or what stands between two values."""
        self._depth = 0
        self._in_array = False

    def values(self) -> Iterator[bytes]:
        while True:
            yield from self._cut()
            if not self._read_more():
                break
        if self._in_array:
            raise DataError(f"{self._path}: not valid JSON: {_CUT_OFF}")
        yield from self._between(len(self._buffer))

    def _read_more(self) -> bool:
        self._buffer = self._buffer[self._start :]
        self._position -= self._start
        self._start = 0
        if len(self._buffer) > MAX_JSON_BYTES:
            raise DataError(f"{self._path}: a JSON value over 2 GiB; write one object a line")
        data = self._stream.read(max(_CHUNK, len(self._buffer)))
        self._buffer += data
        return bool(data)

    def _cut(self) -> Iterator[bytes]:
        for token in _TOKEN.finditer(self._buffer, self._position):
            sign = token.group()
            if sign == b'"':  # a text that goes on behind the buffer
                self._position = token.start()
                return
            if sign in (b"{", b"["):
                yield from self._opened(sign, token.start())
            elif sign in (b"}", b"]"):
                yield from self._closed(sign, token.end())
        self._position = len(self._buffer)

    def _opened(self, sign: bytes, start: int) -> Iterator[bytes]:
        if self._depth == 0:
            yield from self._between(start)
            self._start = start
            if sign == b"[" and not self._in_array:
                self._in_array = True
                self._start = start + 1
                return
        self._depth += 1

    def _closed(self, sign: bytes, end: int) -> Iterator[bytes]:
        if self._depth == 0:
            yield from self._between(end - 1)
            self._in_array = self._in_array and sign != b"]"
            self._start = end
            return
        self._depth -= 1
        if self._depth == 0:
            yield self._buffer[self._start : end]
            self._start = end

    def _between(self, end: int) -> Iterator[bytes]:
        """Yield what stands between two values, or is left at the end, and is no separator."""
        rest = self._buffer[self._start : end].strip(_SEPARATORS)
        if rest:
            yield rest


def scanned(stream: IO[bytes], path: str) -> Iterator[bytes]:
    """Cut a stream into its JSON values by their brackets.

    Args:
        stream: One array or several, or values one after another.
        path: The file, for messages.

    Raises:
        DataError: An array is not closed, or a value is over 2 GiB.
    """
    return _Scanner(stream, path).values()


def array_lines(stream: IO[bytes], path: str) -> Iterator[bytes]:
    """Cut an array that has one element a line; a broken line costs itself.

    Raises:
        DataError: The array is not closed.
    """
    closed = True
    for line in stream:
        value = line.strip(_SEPARATORS)
        if value.startswith(b"[{") or value == b"[":
            closed, value = False, value[1:].strip(_SEPARATORS)
        if value.endswith(b"}]") or value == b"]":
            closed, value = True, value[:-1].strip(_SEPARATORS)
        if value:
            yield value
    if not closed:
        raise DataError(f"{path}: not valid JSON: {_CUT_OFF}")


def pretty_printed(stream: IO[bytes], path: str, indent: bytes) -> Iterator[bytes]:
    """Cut indented objects, in an array or one after another; a broken one costs itself.

    Args:
        stream: The lines.
        path: The file, for messages.
        indent: What stands before the brackets of each object.

    Raises:
        DataError: An array is not closed, or an object is over 2 GiB.
    """
    lines, size, in_array = list[bytes](), 0, False
    for line in stream:
        closes = bool(lines) and line.startswith(indent + b"}")
        if lines and not closes:
            lines.append(line)
            size += len(line)
            if size > MAX_JSON_BYTES:
                raise DataError(f"{path}: a JSON object over 2 GiB; write one object a line")
            continue
        if closes:
            yield b"".join((*lines, b"}"))
        rest = line[len(indent) + 1 :] if closes else line
        lines, rest, in_array = _opening(rest, in_array)
        size = 0
        if rest:
            yield rest
    if in_array:
        raise DataError(f"{path}: not valid JSON: {_CUT_OFF}")
    if lines:
        yield b"".join(lines)


def _opening(rest: bytes, in_array: bool) -> tuple[list[bytes], bytes, bool]:
    """Read what stands between two objects: the lines of a new one, other text, array or not."""
    rest = rest.strip(_SEPARATORS)
    while rest[:1] in (b"[", b"]"):
        in_array = rest.startswith(b"[")
        rest = rest[1:].strip(_SEPARATORS)
    return ([rest], b"", in_array) if rest.startswith(b"{") else ([], rest, in_array)
