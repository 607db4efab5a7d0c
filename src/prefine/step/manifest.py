"""Manifests: the record of one finished shard. A shard is done if and only if it has one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import orjson

from prefine.errors import IntegrityError
from prefine.settings.json import Json
from prefine.step.step import Step, Work
from prefine.store import Store


@dataclass(frozen=True)
class Manifest:
    """Counts, files and notes of one finished shard of a step."""

    step: str
    fingerprint: str
    shard: int | None
    """Null for a corpus step."""
    rows_in: int
    rows_out: int
    dropped: Mapping[str, int]
    """Rows that are not in the output, by reason."""
    files: Sequence[Json]
    """``path`` (relative to the root), ``num_bytes``, ``sha256`` and ``num_rows`` of each file."""
    notes: Json
    """Further facts, such as model digests, thresholds and recall; equal in every run."""
    seconds: float
    """Wall time of the shard."""

    def rows(self, table_folder: str) -> int:
        """Return the number of rows in the files of a folder."""
        return sum(f.get("num_rows", 0) for f in self.files if f["path"].startswith(table_folder))


def load_manifest(store: Store, step: Step, shard: int | None) -> Manifest | None:
    """Return the manifest of one shard, or null if it is not done.

    Raises:
        IntegrityError: The file is not a manifest.
    """
    path = step.manifest_path(shard)
    if not store.exists(path):
        return None
    try:
        return Manifest(**orjson.loads(store.read_bytes(path)))
    except (orjson.JSONDecodeError, TypeError) as error:
        raise IntegrityError(
            f"{store.url}/{path} is not a manifest ({error}); remove the folder {step.folder} and "
            "run again"
        ) from error


def require_manifest(store: Store, step: Step, shard: int | None) -> Manifest:
    """Return the manifest of one shard.

    Raises:
        IntegrityError: The shard is not done.
    """
    manifest = load_manifest(store, step, shard)
    if manifest is None:
        what = step.name if shard is None else f"{step.name} (shard {shard})"
        raise IntegrityError(f"step {what} has not run below {store.url}; run the recipe again")
    return manifest


def manifests_of(work: Work, table: str) -> Iterator[Manifest]:
    """Yield the manifests of the step that wrote an input table, one for each shard."""
    step = work.source_of(table)
    for shard in step.shards:
        yield require_manifest(work.store, step, shard)
