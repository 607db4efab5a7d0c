"""Write text files."""

from pathlib import Path

from prefine.errors import RecipeError


def write_text(path: Path, text: str, *, overwrite: bool = True) -> None:
    """Write a text file, and create its folder.

    Args:
        path: The file.
        text: Its content.
        overwrite: Whether to replace an existing file.

    Raises:
        RecipeError: The file exists and ``overwrite`` is false, or it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w" if overwrite else "x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError as error:
        raise RecipeError(f"{path} exists; --force replaces it") from error
    except OSError as error:
        raise RecipeError(f"cannot write {path}: {error.strerror or error}") from error
