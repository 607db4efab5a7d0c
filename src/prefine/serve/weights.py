"""The location and the identity of a model: its folder or hub name, its digest or revision."""

import importlib.util
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from prefine.errors import PrefineError, RecipeError, ServiceError
from prefine.settings import DEFAULT_ENCODER, Model, Weights, require_extra
from prefine.settings.hub import transport_errors

_CHUNK = 8 * 2**20
_IGNORED = {".gitattributes", ".git", "README.md", ".cache"}
"""File and folder names that are not part of a model's digest."""


def locate(name: str) -> str:
    """Return the folder of a model, or its name on the model hub.

    Args:
        name: A folder, an installed Python package with a ``model`` folder, or a hub name
            (``OWNER/NAME``).

    Raises:
        RecipeError: The name looks like a path or a package, but neither exists.
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
            f"no model `{name}`: not a folder, not an installed package with a `model` folder, and "
            "not a hub name (OWNER/NAME)"
        )
    return name


def locate_verified(model: Model) -> str:
    """Return the folder or hub name of a model; check the folder's digest.

    Raises:
        RecipeError: The folder's files have changed since the plan.
    """
    location = locate(model.model)
    if model.digest is not None:
        _verify(location, model.digest)
    return location


@lru_cache(maxsize=16)
def _verify(folder: str, digest: str) -> None:
    """Check a folder against a digest, once per process."""
    if digest_of(folder) != digest:
        raise RecipeError(
            f"the model in {folder} is not the one that the run was planned with: its files have "
            "changed; plan again, or restore the files"
        )


def resolved_model(weights: Weights) -> Model:
    """Return a model with its identity: the digest of a folder, or the revision of a hub name.

    Raises:
        RecipeError: The recipe names a hash, and the folder has another or there is no folder; or
            a hub name has no revision, and ``huggingface_hub`` is not installed.
        ServiceError: The hub does not return the current revision of a name.
    """
    digest = digest_of(weights.model)
    if weights.sha256 is not None and digest != weights.sha256:
        actual = "is not a folder" if digest is None else f"has the hash {digest}"
        raise RecipeError(
            f"the model {weights.model} {actual}, the recipe's `sha256` differs; correct it or use "
            "the intended model"
        )
    if digest is not None or weights.revision is not None:
        return Model(model=weights.model, revision=weights.revision, digest=digest)
    require_extra("hub", f"the hub name {weights.model} without a `revision`")
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    try:
        revision = HfApi().model_info(weights.model).sha
    except (HfHubHTTPError, OfflineModeIsEnabled, OSError, *transport_errors()) as error:
        raise ServiceError(
            f"the model hub did not return the revision of {weights.model} "
            f"({type(error).__name__}); set `revision`, or use a folder"
        ) from error
    return Model(model=weights.model, revision=revision)


def load_error(model: Model, error: Exception) -> PrefineError:
    """Return the error for a model or tokenizer that cannot be loaded.

    Returns:
        ``RecipeError`` for a folder or an invalid model, ``ServiceError`` for a failure of the hub.
    """
    lines = str(error).strip().splitlines() or [type(error).__name__]
    text = f"cannot load {model.model}: {lines[0][:300]}"
    folder = Path(locate(model.model)).is_dir()
    return RecipeError(text) if folder or isinstance(error, ValueError) else ServiceError(text)


def _packaged(name: str) -> Path | None:
    """Return the ``model`` folder of an installed package; null if there is none."""
    if not name.isidentifier():
        return None
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "model"
    return folder if folder.is_dir() else None


def digest_of(name: str) -> str | None:
    """Return the SHA-256 of the names and bytes of a folder's files; null for a hub name."""
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
