"""Copy a finished export to where the user wants it.

What comes in: the export step's folder below the root. What goes out: the same files in the output
folder, the manifest last. What never happens: a stale shard that stays, or a folder of somebody
else's files that is written into.
"""

import orjson

from prefine.errors import DataError, IntegrityError, RecipeError
from prefine.schema.json import Json
from prefine.step import Step
from prefine.store import Store, sha256_of

MANIFEST = "manifest.json"
_UNFINISHED = "manifest.json.unfinished"


def publish(step: Step, root: Store, output: Store) -> Json:
    """Copy the data set; return its manifest.

    Raises:
        RecipeError: The output folder holds files that prefine did not put there.
    """
    manifest = orjson.loads(root.read_bytes(f"{step.folder}/{MANIFEST}"))
    stale = _ours(output)
    if output.exists(MANIFEST):
        present = orjson.loads(output.read_bytes(MANIFEST))
        if present == manifest and not problems_of(output):
            return manifest
    listed = [file["path"] for file in manifest["files"]]
    marker = {"files": [{"path": path} for path in {*stale, *listed}]}
    output.write_bytes(_UNFINISHED, orjson.dumps(marker))
    if output.exists(MANIFEST):
        output.remove(MANIFEST)
    for path in stale:
        if path not in listed and output.exists(path):
            output.remove(path)
    for path in listed:
        output.copy_from(root, f"{step.folder}/{path}", path)
    output.copy_from(root, f"{step.folder}/{MANIFEST}", MANIFEST)
    output.remove(_UNFINISHED)
    return manifest


def _ours(output: Store) -> list[str]:
    """Return the files of an earlier export here; refuse a folder that is not prefine's."""
    for name in (_UNFINISHED, MANIFEST):
        if output.exists(name):
            return [file["path"] for file in orjson.loads(output.read_bytes(name))["files"]]
    if output.exists("") and output.files():
        raise RecipeError(
            f"{output.url} is not empty and holds no data set of prefine's; choose another"
        )
    return []


def problems_of(output: Store) -> list[str]:
    """Hash and count every file of a data set again.

    Returns:
        One sentence a contradiction; none when all is as the manifest says.

    Raises:
        DataError: The folder holds no finished data set.
    """
    if not output.exists(MANIFEST):
        raise DataError(f"{output.url} holds no {MANIFEST}: no data set, or an unfinished one")
    manifest = orjson.loads(output.read_bytes(MANIFEST))
    found: list[str] = []
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
    total = sum(manifest["splits"].values()) + sum(manifest["dropped"].values())
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
