"""``python -m prefine.recipe.reference [FOLDER]`` writes the reference."""

import sys
from pathlib import Path

from prefine.recipe.reference import reference

FOLDER = "docs/reference"


def main(folder: str) -> None:
    """Write every file of the reference into a folder.

    Args:
        folder: It is created if it is missing.
    """
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    for name, text in reference().items():
        (path / name).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else FOLDER)
