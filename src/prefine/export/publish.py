"""Copy a finished export to its output folder, manifest last; check a published data set.

Stale shards of an earlier data set are removed, and a folder of other files is not written to.
"""

from hashlib import sha256
from pathlib import PurePosixPath

import orjson

from prefine.errors import DataError, IntegrityError, RecipeError
from prefine.settings.json import Json, is_array, is_object
from prefine.step import Step
from prefine.store import Store, sha256_of

MANIFEST = "manifest.json"
RECIPE = "recipe.yaml"
_MARK = "prefine"
"""The key that tells prefine's manifests from those of other tools."""
_UNFINISHED = "manifest.json.unfinished"


def publish(step: Step, root: Store, output: Store, recipe_yaml: str) -> Json:
    """Copy the data set; return its manifest.

    Args:
        step: The export step, which has run.
        root: Where it wrote.
        output: Where the data set shall lie.
        recipe_yaml: The recipe, to lie beside the data. It names paths, so it is no part of what
            the step wrote: equal bytes at other paths are the same step.

    Raises:
        RecipeError: The output folder holds files that prefine did not put there.
    """
    manifest = orjson.loads(root.read_bytes(f"{step.folder}/{MANIFEST}"))
    recipe = recipe_yaml.encode()
    facts = {"path": RECIPE, "num_bytes": len(recipe), "sha256": sha256(recipe).hexdigest()}
    listed = [file["path"] for file in manifest["files"]]
    manifest["files"] = [*manifest["files"], facts]
    stale = files_here(output)
    here = _manifest(output, MANIFEST) if output.exists(MANIFEST) else None
    if here == manifest and not problems_of(output):
        return manifest
    marker = {_MARK: True, "files": [{"path": path} for path in {*stale, *listed, RECIPE}]}
    output.write_bytes(_UNFINISHED, orjson.dumps(marker))
    if output.exists(MANIFEST):
        output.remove(MANIFEST)
    for path in stale:
        if path not in {*listed, RECIPE} and output.exists(path):
            output.remove(path)
    for path in listed:
        output.copy_from(root, f"{step.folder}/{path}", path)
    output.write_bytes(RECIPE, recipe)
    output.write_bytes(MANIFEST, orjson.dumps(manifest, option=orjson.OPT_INDENT_2))
    output.remove(_UNFINISHED)
    return manifest


def files_here(output: Store) -> list[str]:
    """Return the files of an earlier data set in a folder.

    Raises:
        RecipeError: The folder holds files, and they are not prefine's.
    """
    for name in (_UNFINISHED, MANIFEST):
        if output.exists(name):
            try:
                return [file["path"] for file in _manifest(output, name)["files"]]
            except DataError as error:
                raise RecipeError(f"{error}; choose another folder") from error
    if output.exists("") and output.files():
        raise RecipeError(
            f"{output.url} is not empty and holds no data set of prefine's; choose another"
        )
    return []


def _manifest(output: Store, name: str) -> Json:
    """Read a manifest that prefine wrote, whose files lie inside the folder."""
    try:
        found = orjson.loads(output.read_bytes(name))
    except orjson.JSONDecodeError as error:
        raise DataError(f"{output.url}/{name} is not valid JSON") from error
    if not is_object(found) or _MARK not in found or not is_array(found.get("files")):
        raise DataError(f"{output.url}/{name} was not written by prefine")
    for file in found["files"]:
        parts = PurePosixPath(str(file["path"])).parts if is_object(file) else ("..",)
        if ".." in parts or parts[:1] == ("/",):
            raise DataError(f"{output.url}/{name} lists a file outside its folder")
    return found


def problems_of(output: Store) -> list[str]:
    """Hash and count every file of a data set again.

    Returns:
        One sentence a contradiction; none when all is as the manifest says.

    Raises:
        DataError: The folder holds no finished data set.
    """
    if not output.exists(MANIFEST):
        raise DataError(f"{output.url} holds no {MANIFEST}: no data set, or an unfinished one")
    manifest = _manifest(output, MANIFEST)
    listed = {file["path"] for file in manifest["files"]}
    beside = [path for path in output.files("data") if path not in listed]
    found = [f"{path} is not listed, but readers would load it" for path in beside]
    rows: dict[str, int] = {}
    for file in manifest["files"]:
        path = file["path"]
        if not output.exists(path):
            found.append(f"{path} is missing")
            continue
        digest, length = sha256_of(output.fs, output.full(path))
        if digest != file["sha256"] or length != file["num_bytes"]:
            found.append(f"{path} has other bytes than when it was written")
        elif "num_rows" in file:
            split = path.rsplit("/", 1)[-1].split("-")[0]
            rows[split] = rows.get(split, 0) + _count(output, path, file["num_rows"], found)
    found += [
        f"split {split} has {rows.get(split, 0)} rows, the manifest says {count}"
        for split, count in manifest["splits"].items()
        if rows.get(split, 0) != count
    ]
    kept = sum(manifest["splits"].values()) // manifest.get("rows_per_pair", 1)
    total = kept + sum(manifest["dropped"].values())
    if total != manifest["num_pairs"]:
        found.append(f"kept and dropped pairs are {total}, not {manifest['num_pairs']}")
    return found


def _count(output: Store, path: str, listed: int, found: list[str]) -> int:
    try:
        rows = output.num_rows(path)
    except IntegrityError as error:
        found.append(str(error))
        return 0
    if rows != listed:
        found.append(f"{path} has {rows} rows, the manifest says {listed}")
    return rows
