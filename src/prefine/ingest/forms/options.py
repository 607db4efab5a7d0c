"""Options for decoding the files of a source."""

from dataclasses import dataclass

from prefine.errors import DataError


@dataclass(frozen=True, slots=True)
class FileOptions:
    """How the files of a source are decoded; an option that is None is detected."""

    encoding: str | None = None
    """Encoding of text files; None means UTF-8, or the encoding of the byte-order mark."""
    delimiter: str | None = None
    """Character between the cells of delimited text."""
    rows: str | None = None
    """Dotted key of the list of rows in a JSON object."""

    def require_unused(self, path: str, form: str, *names: str) -> None:
        """Require that options without effect on a file format are not set.

        Args:
            path: Name of the file for the message.
            form: The file format, such as ``a Parquet file``.
            names: The options that do not apply to the format.

        Raises:
            DataError: One of the options is set.
        """
        for name in names:
            if getattr(self, name) is not None:
                raise DataError(f"{path}: is {form}, to which `{name}` does not apply; remove it")
