"""Filesystems of paths and URLs, through fsspec."""

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from hashlib import sha256
from typing import IO, Protocol, cast

from fsspec.core import url_to_fs  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]

from prefine.errors import DataError, PlaceError
from prefine.settings.extras import require_extra
from prefine.store.faults import reason_of

CHUNK = 4 * 2**20
"""Bytes that are read at once."""


class FileSystem(Protocol):
    """The part of fsspec that is used here."""

    def open(self, path: str, mode: str = "rb") -> IO[bytes]:
        """Open a file."""
        ...

    def exists(self, path: str) -> bool:
        """Return whether a file or folder exists."""
        ...

    def glob(self, path: str) -> list[str]:
        """Return the paths that match a pattern."""
        ...

    def find(self, path: str) -> list[str]:
        """Return all files below a folder."""
        ...

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Create a folder and its parents."""
        ...

    def put_file(self, lpath: str, rpath: str) -> None:
        """Copy a local file here, atomically."""
        ...

    def rm(self, path: str, recursive: bool = False) -> None:
        """Remove a file or a folder."""
        ...

    def isdir(self, path: str) -> bool:
        """Return whether a path is a folder."""
        ...

    def modified(self, path: str) -> datetime:
        """Return when a file was written."""
        ...

    def unstrip_protocol(self, name: str) -> str:
        """Return a path of this filesystem as a URL."""
        ...


def filesystem(url: str) -> tuple[FileSystem, str]:
    """Return the filesystem of a path or URL, and the path within it.

    Raises:
        RecipeError: It is in S3, and s3fs is not installed.
        DataError: The protocol is unknown, or its package is not installed.
    """
    if os.fspath(url).startswith(("s3://", "s3a://")):
        require_extra("s3", url)
    try:
        fs, path = cast("tuple[FileSystem, str]", url_to_fs(os.fspath(url)))
    except (ImportError, ValueError) as error:
        raise DataError(f"cannot reach {url}: {error}") from error
    return fs, path


def refusals() -> tuple[type[Exception], ...]:
    """Return the exceptions of S3's library besides ``OSError``, if it is in use."""
    library = sys.modules.get("botocore.exceptions")
    return () if library is None else (library.BotoCoreError,)


@contextmanager
def reaching(url: str) -> Generator[None]:
    """Convert errors of S3's library to one sentence.

    Args:
        url: URL that is read.

    Raises:
        PlaceError: There are no credentials, no such endpoint, or the like.
    """
    try:
        yield
    except refusals() as error:
        text = f"cannot reach {url}: {reason_of(error)}; check the address and the access"
        raise PlaceError(text) from error


def sha256_of(fs: FileSystem, path: str) -> tuple[str, int]:
    """Return the SHA-256 and the length of a file."""
    digest, length = sha256(), 0
    with fs.open(path) as handle:
        while chunk := handle.read(CHUNK):
            digest.update(chunk)
            length += len(chunk)
    return digest.hexdigest(), length
