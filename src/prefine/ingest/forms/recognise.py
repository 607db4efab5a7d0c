"""Detect the format of a file from its first bytes, and name formats that are not supported."""

from pathlib import PurePosixPath
from typing import Literal

from prefine.errors import DataError
from prefine.ingest.forms.delimited import is_table
from prefine.ingest.rows import (
    BYTE_ORDER_MARK,
    PYTHON_DICT,
    RECORD_SEPARATOR,
    is_python_dict,
    parse_objects,
)

Form = Literal["json", "delimited", "parquet", "arrow", "xlsx"]

HEAD_BYTES = 2**16
"""Number of bytes that the format of a file is detected from."""

_BINARY: tuple[tuple[bytes, Form], ...] = (
    (b"PAR1", "parquet"),
    (b"ARROW1", "arrow"),
    (b"\xff\xff\xff\xff", "arrow"),
    (b"PK\x03\x04", "xlsx"),
)
_REFUSED = (
    (b"PARE", "an encrypted Parquet file"),
    (b"FEA1", "a Feather file of version 1; write Parquet"),
    (b"ORC", "an ORC file; write Parquet"),
    (b"Obj\x01", "an Avro file; write Parquet or JSON lines"),
    (b"SQLite format 3\x00", "an SQLite database; export the table as CSV"),
    (b"\x89HDF", "an HDF5 file; write Parquet"),
    (b"\xd0\xcf\x11\xe0", "an old Excel file (.xls); save it as .xlsx or CSV"),
    (b"%PDF", "a PDF document"),
    (b"7z\xbc\xaf", "a 7-Zip archive; unpack it"),
    (b"Rar!", "a RAR archive; unpack it"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"\x04\x22\x4d\x18", "compressed with LZ4; decompress it"),
    (b"\x1f\x9d", "compressed with `compress` (.Z); decompress it"),
    (b"version https://git-lfs", "a Git LFS pointer, not the data; run `git lfs pull`"),
    (b"/annex/objects/", "a git-annex pointer, not the data; run `git annex get`"),
    (b"<?xml", "an XML file, not rows; did the download fail?"),
)
_HTML = (b"<!doctype html", b"<html", b"<head", b"<body")
_TABLE_NAMES = {".csv", ".tsv"}
_JSON_NAMES = {".jsonl", ".ndjson", ".json"}
_NUM_LINES = 20
_TAR = (257, b"ustar")


def binary_form(head: bytes, path: str) -> Form | None:
    """Return the format of a binary file, or None for text.

    Args:
        head: The first bytes.
        path: Name of the file for messages.

    Raises:
        DataError: The format is not supported.
    """
    for magic, form in _BINARY:
        if head.startswith(magic):
            return form
    for magic, what in _REFUSED:
        if head.startswith(magic):
            raise DataError(f"{path}: is {what}")
    start, magic = _TAR
    if head[start : start + len(magic)] == magic:
        raise DataError(f"{path}: is a tar archive; unpack it")
    if path.lower().endswith((".parquet", ".xlsx", ".arrow", ".feather")):
        suffix = PurePosixPath(path).suffix
        raise DataError(f"{path}: is not a {suffix} file, according to its first bytes")
    return None


def text_form(head: bytes, path: str) -> Form:
    """Return the format of a text file.

    Args:
        head: The first bytes in UTF-8.
        path: Name of the file, which decides if the bytes are ambiguous.

    Raises:
        DataError: The file is empty, or its format is not supported.
    """
    shown = head.removeprefix(BYTE_ORDER_MARK).lstrip(b" \t\r\n\v\f" + RECORD_SEPARATOR)
    if not shown:
        raise DataError(f"{path}: is empty" + (" (only blank lines)" if head else ""))
    if shown[:64].lower().startswith(_HTML):
        raise DataError(f"{path}: is an HTML page, not data; did the download fail?")
    if b"\x00" in head:
        raise DataError(
            f"{path}: has NUL bytes, so it is damaged or in an unsupported binary format"
        )
    if shown.startswith(b"[") and is_python_dict(shown[1:]) and b'{"' not in shown:
        raise DataError(f"{path}: its rows are {PYTHON_DICT}")
    suffixes = {suffix.lower() for suffix in PurePosixPath(path).suffixes[-2:]}
    if suffixes & _TABLE_NAMES and not _looks_like_json(shown):
        return "delimited"
    form = _form_of_lines(shown) or ("json" if suffixes & _JSON_NAMES else None)
    if form is None:
        raise DataError(
            f"{path}: unknown format: the file begins neither with JSON nor with column names "
            "separated by commas, semicolons, tabs or vertical bars"
        )
    return form


def _form_of_lines(shown: bytes) -> Form | None:
    if _looks_like_json(shown):
        return "json"
    if _has_object_lines(shown):
        return "json"
    texts = [line.decode("utf-8", "replace") for line in _first_lines(shown)]
    return "delimited" if is_table(texts) else None


def _first_lines(shown: bytes) -> list[bytes]:
    return [line for line in shown.split(b"\n", _NUM_LINES)[:_NUM_LINES] if line.strip()]


def _has_object_lines(shown: bytes) -> bool:
    """Return whether a line after the first is a JSON object."""
    return any(line.startswith(b"{") and _is_object(line) for line in _first_lines(shown)[1:])


def _looks_like_json(shown: bytes) -> bool:
    """Return whether text begins like a JSON object (with any quotes) or array."""
    inner = shown[1:].lstrip()[:1]
    if shown.startswith(b"{"):
        return inner in (b'"', b"}", b"") or is_python_dict(shown)
    return shown.startswith(b"[") and (inner in b'{["]-0123456789')


def _is_object(line: bytes) -> bool:
    return any(row.value is not None for row in parse_objects(line.strip(), 1))
