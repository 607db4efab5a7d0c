"""Copy a finished export to its output folder; the manifest is written last.

Files of an earlier data set are removed; a folder with other files is refused.
"""

from hashlib import sha256

import orjson

from prefine.errors import DataError, RecipeError
from prefine.export.folder import MANIFEST, MARK, RECIPE, read_manifest
from prefine.export.verify import problems_of
from prefine.settings.json import Json
from prefine.step import Step
from prefine.store import Store

_UNFINISHED = "manifest.json.unfinished"


def publish(step: Step, root: Store, output: Store, recipe_yaml: str) -> Json:
    """Copy the data set; return its manifest.

    Args:
        step: The export step, which has run.
        root: Root of the run.
        output: Folder that receives the data set.
        recipe_yaml: The recipe, written next to the data. It contains paths, so it is not part of
            the step's results, which do not depend on paths.

    Raises:
        RecipeError: The output folder holds files that were not written by prefine.
    """
    manifest = orjson.loads(root.read_bytes(f"{step.folder}/{MANIFEST}"))
    recipe = recipe_yaml.encode()
    facts = {"path": RECIPE, "num_bytes": len(recipe), "sha256": sha256(recipe).hexdigest()}
    listed = [file["path"] for file in manifest["files"]]
    manifest["files"] = [*manifest["files"], facts]
    stale = files_here(output)
    present = read_manifest(output, MANIFEST) if output.exists(MANIFEST) else None
    if present == manifest and not problems_of(output):
        return manifest
    marker = {MARK: True, "files": [{"path": path} for path in {*stale, *listed, RECIPE}]}
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
        RecipeError: The folder holds files that were not written by prefine.
    """
    for name in (_UNFINISHED, MANIFEST):
        if output.exists(name):
            try:
                return [file["path"] for file in read_manifest(output, name)["files"]]
            except DataError as error:
                raise RecipeError(f"{error}; choose another folder") from error
    if output.exists("") and output.files():
        raise RecipeError(
            f"{output.url} is not empty and was not written by prefine; choose another folder"
        )
    return []
