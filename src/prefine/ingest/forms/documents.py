"""Split JSON that is not JSON lines into its values: arrays, pretty-printed and consecutive values.

The values are not parsed here, so that an invalid value affects only itself if its end is found.
"""

import re
from collections.abc import Iterator
from typing import IO

from prefine.errors import DataError

MAX_JSON_BYTES = 2 * 2**30
"""Maximum size of a JSON value in bytes."""

_CHUNK = 2**20
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[][{}]|"', re.DOTALL)
_SEPARATORS = b" \t\r\n,\x1e\xef\xbb\xbf"
"""Bytes that may separate two values: blanks, commas, a byte-order mark."""
_CUT_OFF = "the array is not closed, so the file is truncated; download it again"


class _Scanner:
    """Splits a stream into values by their brackets; a top-level array into its elements."""

    def __init__(self, stream: IO[bytes], path: str) -> None:
        self._stream = stream
        self._path = path
        self._buffer = b""
        self._position = 0
        """Position up to which brackets are counted."""
        self._start = 0
        """Position where the open value, or the text between two values, begins."""
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
            raise DataError(f"{self._path}: a JSON value is larger than 2 GiB; write JSON lines")
        data = self._stream.read(max(_CHUNK, len(self._buffer)))
        self._buffer += data
        return bool(data)

    def _cut(self) -> Iterator[bytes]:
        for token in _TOKEN.finditer(self._buffer, self._position):
            sign = token.group()
            if sign == b'"':  # a string that continues after the buffer
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
        """Yield the text between two values, or after the last one, without separators."""
        text = self._buffer[self._start : end].strip(_SEPARATORS)
        if text:
            yield text


def split_values(stream: IO[bytes], path: str) -> Iterator[bytes]:
    """Split a stream into its JSON values by their brackets.

    Args:
        stream: Arrays, or consecutive values.
        path: Name of the file for messages.

    Raises:
        DataError: An array is not closed, or a value is larger than 2 GiB.
    """
    return _Scanner(stream, path).values()


def split_array_lines(stream: IO[bytes], path: str) -> Iterator[bytes]:
    """Split an array with one element per line; an invalid line affects only itself.

    Args:
        stream: The content of the file.
        path: Name of the file for messages.

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


def split_indented(stream: IO[bytes], path: str, indent: bytes) -> Iterator[bytes]:
    """Split indented objects, in an array or consecutive; an invalid object affects only itself.

    Args:
        stream: The content of the file.
        path: Name of the file for messages.
        indent: Blanks before the brackets of each object.

    Raises:
        DataError: An array is not closed, or an object is larger than 2 GiB.
    """
    lines, size, in_array = list[bytes](), 0, False
    for line in stream:
        closes = bool(lines) and line.startswith(indent + b"}")
        if lines and not closes:
            lines.append(line)
            size += len(line)
            if size > MAX_JSON_BYTES:
                raise DataError(f"{path}: a JSON object is larger than 2 GiB; write JSON lines")
            continue
        if closes:
            yield b"".join((*lines, b"}"))
        between = line[len(indent) + 1 :] if closes else line
        lines, between, in_array = _parse_between(between, in_array)
        size = 0
        if between:
            yield between
    if in_array:
        raise DataError(f"{path}: not valid JSON: {_CUT_OFF}")
    if lines:
        yield b"".join(lines)


def _parse_between(text: bytes, in_array: bool) -> tuple[list[bytes], bytes, bool]:
    """Return the first line of a new object, other text, and whether an array is open."""
    text = text.strip(_SEPARATORS)
    while text[:1] in (b"[", b"]"):
        in_array = text.startswith(b"[")
        text = text[1:].strip(_SEPARATORS)
    return ([text], b"", in_array) if text.startswith(b"{") else ([], text, in_array)
