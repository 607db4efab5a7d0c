"""The error for a file that is damaged."""

from prefine.errors import DataError


def not_readable(path: str, kind: str, error: Exception) -> DataError:
    """Return the error for a file that cannot be decoded.

    Args:
        path: Name of the file.
        kind: Format of the file, such as ``Parquet file``.
        error: The cause; line breaks in its message are removed.
    """
    why = " ".join(str(error).split()) or type(error).__name__
    return DataError(f"{path}: not a readable {kind} ({why})")
