"""The folder of an exported data set: its manifest and its recipe."""

from pathlib import PurePosixPath

import orjson

from prefine.errors import DataError
from prefine.settings.json import Json, is_array, is_object
from prefine.store import Store

MANIFEST = "manifest.json"
RECIPE = "recipe.yaml"
MARK = "prefine"
"""Key that identifies a manifest as written by prefine."""


def read_manifest(output: Store, name: str) -> Json:
    """Read a manifest.

    Raises:
        DataError: It is not valid JSON, was not written by prefine, or lists files outside the
            folder.
    """
    try:
        manifest = orjson.loads(output.read_bytes(name))
    except orjson.JSONDecodeError as error:
        raise DataError(f"{output.url}/{name} is not valid JSON") from error
    if not is_object(manifest) or MARK not in manifest or not is_array(manifest.get("files")):
        raise DataError(f"{output.url}/{name} was not written by prefine")
    for file in manifest["files"]:
        parts = PurePosixPath(str(file.get("path", ".."))).parts if is_object(file) else ("..",)
        if ".." in parts or parts[:1] == ("/",):
            raise DataError(f"{output.url}/{name} lists a file outside its folder")
    return manifest
