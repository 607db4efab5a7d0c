"""The error for a file that cannot be read as what it is."""

from prefine.errors import DataError


def not_readable(path: str, kind: str, error: Exception) -> DataError:
    """Return one sentence that names the file and the cause, which may be of several lines."""
    why = " ".join(str(error).split()) or type(error).__name__
    return DataError(f"{path}: not a readable {kind} ({why})")
