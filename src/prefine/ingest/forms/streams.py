"""Wrappers of binary streams: rewinding, decompression, and conversion of text to UTF-8."""

import bz2
import codecs
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable
from typing import IO, Any, cast

import pyarrow as pa

from prefine.errors import DataError
from prefine.ingest.forms.refusal import not_readable

_CHUNK = 2**20
_XLSX = "xl/workbook.xml"
_READABLE_ZIP = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA}
_ENCRYPTED = 0x1
_NESTED = 3
"""Maximum number of nested compressions of a file."""

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte-order marks; UTF-32 first, because one of its marks begins with one of UTF-16."""


class _Stream(io.RawIOBase):
    """A stream made of chunks.

    Args:
        chunk: Returns the next chunk, of about the given size; an empty chunk ends the stream.
    """

    def __init__(self, chunk: Callable[[int], bytes]) -> None:
        self._chunk = chunk
        self._unread = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        size = len(buffer)
        data = self._unread or self._chunk(size)
        buffer[: min(size, len(data))] = data[:size]
        self._unread = data[size:]
        return min(size, len(data))


def beginning(stream: IO[bytes], size: int) -> tuple[bytes, IO[bytes]]:
    """Return the first bytes of a stream, and the stream from its beginning."""
    head = stream.read(size)
    return head, rewound(stream, head)


def rewound(stream: IO[bytes], head: bytes) -> IO[bytes]:
    """Return a stream from its beginning, after ``head`` was read from it."""
    if stream.seekable():
        stream.seek(0)
        return stream
    pending = [head]

    def chunk(size: int) -> bytes:
        return pending.pop() if pending and pending[0] else stream.read(size)

    return cast("IO[bytes]", io.BufferedReader(_Stream(chunk), _CHUNK))


def decompressed(stream: IO[bytes], path: str, depth: int = 0) -> IO[bytes]:
    """Return a decompressed stream; the compression is detected from the first bytes.

    Args:
        stream: The content of the file.
        path: Name of the file for messages.
        depth: Number of compressions that were undone already.

    Raises:
        DataError: The compression is not supported or nested too deeply.
    """
    head, stream = beginning(stream, 8)
    if head.startswith(b"\x1f\x8b"):
        inner = cast("IO[bytes]", gzip.GzipFile(fileobj=stream, mode="rb"))
    elif head.startswith(b"\xfd7zXZ\x00"):
        inner = cast("IO[bytes]", lzma.LZMAFile(stream))  # noqa: SIM115
    elif head.startswith(b"BZh") and head[4:8] == b"1AY&":
        inner = cast("IO[bytes]", bz2.BZ2File(stream))
    elif head.startswith(b"\x28\xb5\x2f\xfd"):
        opened = pa.CompressedInputStream(cast("Any", stream), "zstd")
        inner = cast("IO[bytes]", io.BufferedReader(cast("Any", opened), _CHUNK))
    elif head.startswith(b"PK\x03\x04"):
        inner = _unzipped(stream, path)
    else:
        return stream
    if inner is stream:
        return stream
    if depth == _NESTED:
        raise DataError(f"{path}: is compressed more than {_NESTED} times; decompress it")
    return decompressed(inner, path, depth + 1)


def _unzipped(stream: IO[bytes], path: str) -> IO[bytes]:
    """Return the only file of a ZIP archive; a spreadsheet is returned unchanged."""
    held = stream if stream.seekable() else io.BytesIO(stream.read())
    try:
        archive = zipfile.ZipFile(held)
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise not_readable(path, "ZIP archive or XLSX file", error) from error
    members = [info for info in archive.infolist() if not info.is_dir()]
    if any(info.filename == _XLSX for info in members):
        held.seek(0)
        return held
    members = [info for info in members if not info.filename.startswith("__MACOSX/")]
    if len(members) != 1:
        raise DataError(f"{path}: is a ZIP archive of {len(members)} files; unpack it")
    if members[0].flag_bits & _ENCRYPTED or members[0].compress_type not in _READABLE_ZIP:
        raise DataError(
            f"{path}: is a ZIP archive with a password or an unknown compression; unpack it"
        )
    return archive.open(members[0])


def in_utf8(stream: IO[bytes], path: str, encoding: str | None) -> IO[bytes]:
    """Return a text stream converted to UTF-8.

    Bytes that cannot be decoded are unchanged, so that their row is refused later.

    Args:
        stream: The content of the file.
        path: Name of the file for messages.
        encoding: The stated encoding; None means UTF-8, or the encoding of the byte-order mark.

    Raises:
        DataError: The text looks like UTF-16 or UTF-32 without a byte-order mark.
    """
    head, stream = beginning(stream, 64)
    if encoding is None:
        encoding = next((name for mark, name in _MARKS if head.startswith(mark)), None)
        if encoding is None and (width := _width_of_ascii(head)):
            names = {2: "utf-16-le or utf-16-be", 4: "utf-32-le or utf-32-be"}
            raise DataError(
                f"{path}: looks like UTF-{8 * width} without a byte-order mark; "
                f"set `encoding` to {names[width]}"
            )
    if encoding is None or codecs.lookup(encoding).name in {"utf-8", "utf-8-sig"}:
        return stream
    return cast("IO[bytes]", io.BufferedReader(_Stream(_recoded(stream, path, encoding)), _CHUNK))


def _width_of_ascii(head: bytes) -> int:
    """Return the bytes per character (2 or 4) of ASCII text with NUL bytes; 0 for other text."""
    zeros = [2 * head[offset::4].count(0) > len(head) // 4 for offset in range(4)]
    if sum(zeros) == 3:  # noqa: PLR2004
        return 4
    return 2 if zeros in ([True, False, True, False], [False, True, False, True]) else 0


def _recoded(stream: IO[bytes], path: str, encoding: str) -> Callable[[int], bytes]:
    """Return a function that reads a chunk of a stream as UTF-8."""
    wide = codecs.lookup(encoding).name.startswith(("utf-16", "utf-32"))
    decoder = codecs.getincrementaldecoder(encoding)("surrogatepass" if wide else "surrogateescape")
    errors = "surrogatepass" if wide else "surrogateescape"

    def chunk(size: int) -> bytes:
        encoded = b""
        while not encoded:
            data = stream.read(max(size, 4))
            try:
                encoded = decoder.decode(data, not data).encode("utf-8", errors)
            except UnicodeError as error:
                raise DataError(
                    f"{path}: cannot be decoded as {encoding} ({error}); set another `encoding`"
                ) from error
            if not data:
                break
        return encoded

    return chunk


def with_line_feeds(stream: IO[bytes]) -> IO[bytes]:
    """Return a stream with line feeds in place of carriage returns."""

    def chunk(size: int) -> bytes:
        return stream.read(size).replace(b"\r", b"\n")

    return cast("IO[bytes]", io.BufferedReader(_Stream(chunk), _CHUNK))
