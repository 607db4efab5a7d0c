"""Messages for errors of the operating system, each with a fix."""

import errno
import os
import socket
from collections.abc import Mapping
from pathlib import Path

from prefine.errors import PlaceError

_PROBE_BYTES = 2**16
"""Bytes that are written to find out whether a disk is full."""
_FREE = "free some space, or choose another folder"
_OPEN_FILES = "too many open files; raise the limit with `ulimit -n`, or use fewer workers"
_FAULTS: Mapping[int, str] = {
    errno.ENOSPC: f"the disk is full; {_FREE}",
    errno.EDQUOT: f"the disk quota is used up; {_FREE}",
    errno.EFBIG: f"the file would exceed the size limit; {_FREE}",
    errno.EACCES: "this user has no permission; change it, or choose another folder",
    errno.EPERM: "this user has no permission; change it, or choose another folder",
    errno.EROFS: "the file system is read-only; choose another folder",
    errno.EMFILE: _OPEN_FILES,
    errno.ENFILE: _OPEN_FILES,
    errno.ENOMEM: "out of memory; use fewer workers, or a machine with more memory",
    errno.ENOTDIR: "a file is in the way of a folder; choose another folder",
    errno.ENAMETOOLONG: "the path is too long; choose a shorter one",
}
"""Cause and fix, by error number."""


def place_error(error: OSError | MemoryError, what: str) -> PlaceError:
    """Return an error with the cause and a fix.

    Args:
        error: As the operating system, or a library, raised it.
        what: What could not be done, such as ``cannot write below /data``.
    """
    number = errno.ENOMEM if isinstance(error, MemoryError) else error.errno
    why = _FAULTS.get(number or 0, f"{reason_of(error)}; choose another folder")
    return PlaceError(f"{what}: {why}")


def is_fault(error: BaseException) -> bool:
    """Return whether an error is about the machine and not about a file."""
    return isinstance(error, MemoryError) or (
        isinstance(error, OSError) and error.errno in _FAULTS and error.errno != errno.ENOTDIR
    )


def reason_of(error: BaseException) -> str:
    """Return the message of an error on one line."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())


def probe(folder: Path) -> None:
    """Write a file in a folder, or in its nearest existing parent, and remove it."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    file = existing / f".prefine-{socket.gethostname()}-{os.getpid()}-{os.urandom(3).hex()}.probe"
    try:
        with file.open("wb") as handle:
            handle.write(bytes(_PROBE_BYTES))
            handle.flush()
            os.fsync(handle.fileno())
    finally:
        file.unlink(missing_ok=True)
