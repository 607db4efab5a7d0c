"""The folder of a published data set: its manifest and its recipe."""

from pathlib import PurePosixPath

import orjson

from prefine.errors import DataError
from prefine.settings.json import Json, is_array, is_object
from prefine.store import Store

MANIFEST = "manifest.json"
RECIPE = "recipe.yaml"
MARK = "prefine"
"""The key that tells prefine's manifests from those of other tools."""


def read_manifest(output: Store, name: str) -> Json:
    """Read a manifest that prefine wrote, whose files lie inside the folder."""
    try:
        found = orjson.loads(output.read_bytes(name))
    except orjson.JSONDecodeError as error:
        raise DataError(f"{output.url}/{name} is not valid JSON") from error
    if not is_object(found) or MARK not in found or not is_array(found.get("files")):
        raise DataError(f"{output.url}/{name} was not written by prefine")
    for file in found["files"]:
        parts = PurePosixPath(str(file.get("path", ".."))).parts if is_object(file) else ("..",)
        if ".." in parts or parts[:1] == ("/",):
            raise DataError(f"{output.url}/{name} lists a file outside its folder")
    return found
