"""What a source states about the form of its files, where their bytes do not show it."""

from dataclasses import dataclass

from prefine.errors import DataError


@dataclass(frozen=True, slots=True)
class FileOptions:
    """How the files of a source are to be read; null recognises it."""

    encoding: str | None = None
    """The encoding of a text file; null is UTF-8, or what its byte-order mark says."""
    delimiter: str | None = None
    """The character between the cells of delimited text."""
    rows: str | None = None
    """Dotted key under which the rows of a JSON object stand."""

    def require_unused(self, path: str, form: str, *names: str) -> None:
        """Refuse options that have no effect on a form.

        Args:
            path: The file, for the message.
            form: What the file is.
            names: The options that do not apply to it.

        Raises:
            DataError: One of them is set.
        """
        for name in names:
            if getattr(self, name) is not None:
                raise DataError(f"{path}: is {form}, to which `{name}` does not apply; remove it")
