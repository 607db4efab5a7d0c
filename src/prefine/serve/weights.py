"""Where a model's files lie, and what identifies them."""

import importlib.util
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from prefine.errors import PrefineError, RecipeError, ServiceError
from prefine.settings import DEFAULT_ENCODER, Model, Weights, require_extra

_CHUNK = 8 * 2**20
_IGNORED = {".gitattributes", ".git", "README.md", ".cache"}


def locate(name: str) -> str:
    """Return the folder of a model, or the hub name when there is none.

    Three spellings are understood: a folder, an installed Python package that carries a ``model``
    folder, and a name on the model hub.

    Raises:
        RecipeError: The name looks like a path or a package, and nothing is there.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return str(folder)
    packaged = _packaged(name)
    if packaged is not None:
        return str(packaged)
    if name == DEFAULT_ENCODER:
        require_extra("encoder", "the sentence encoder")
    if name.startswith((".", "/", "~")) or "/" not in name:
        raise RecipeError(
            f"no model `{name}`: it is no folder, no installed package with a `model` "
            "folder and no hub name (OWNER/NAME)"
        )
    return name


def located(model: Model) -> str:
    """Return the same as ``locate``, once the folder is known to hold what the recipe means.

    Raises:
        RecipeError: The folder's files are not those that the recipe was resolved with.
    """
    place = locate(model.model)
    if model.digest is not None:
        _verify(place, model.digest)
    return place


@lru_cache(maxsize=16)
def _verify(place: str, digest: str) -> None:
    """Check a folder against a digest, once a process."""
    if digest_of(place) != digest:
        raise RecipeError(
            f"the model in {place} is not the one that the run was planned with: its files have "
            "other bytes; plan again, or put the right files there"
        )


def resolved_model(weights: Weights) -> Model:
    """Find out what identifies a model: the digest of a folder, the revision of a hub name.

    Raises:
        RecipeError: The recipe names a hash, and the folder has another or there is no folder; or
            a hub name has no revision, and ``huggingface_hub`` is not installed.
        ServiceError: The hub does not return the revision that a name stands for now.
    """
    digest = digest_of(weights.model)
    if weights.sha256 is not None and digest != weights.sha256:
        found = "is not a folder" if digest is None else f"has the hash {digest}"
        raise RecipeError(f"the model {weights.model} {found}, and the recipe's `sha256` differs")
    if digest is not None or weights.revision is not None:
        return Model(model=weights.model, revision=weights.revision, digest=digest)
    require_extra("hub", f"the hub name {weights.model} without a `revision`")
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    try:
        revision = HfApi().model_info(weights.model).sha
    except (HfHubHTTPError, OfflineModeIsEnabled, OSError) as error:
        raise ServiceError(
            f"the model hub does not return the revision of {weights.model} "
            f"({type(error).__name__}); give one with `revision`, or a folder"
        ) from error
    return Model(model=weights.model, revision=revision)


def unloadable(model: Model, error: Exception) -> PrefineError:
    """Return the error that says why a model or tokenizer cannot be loaded.

    A folder's files are the user's to fix; a hub may answer another time.
    """
    lines = str(error).strip().splitlines() or [type(error).__name__]
    text = f"cannot load {model.model}: {lines[0][:300]}"
    folder = Path(locate(model.model)).is_dir()
    return RecipeError(text) if folder or isinstance(error, ValueError) else ServiceError(text)


def _packaged(name: str) -> Path | None:
    if not name.isidentifier():
        return None
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "model"
    return folder if folder.is_dir() else None


def digest_of(name: str) -> str | None:
    """Return a SHA-256 over names and bytes of a folder's files; null for a hub name."""
    folder = Path(locate(name))
    if not folder.is_dir():
        return None
    digest = sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        within = path.relative_to(folder)
        if _IGNORED & set(within.parts):
            continue
        digest.update(f"{within.as_posix()}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as handle:
            while chunk := handle.read(_CHUNK):
                digest.update(chunk)
    return digest.hexdigest()
