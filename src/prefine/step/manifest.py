"""Manifests: what one shard of a step did. That one exists *is* completion."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import orjson

from prefine.errors import IntegrityError
from prefine.settings.json import Json
from prefine.step.step import Step, Work
from prefine.store import Store


@dataclass(frozen=True)
class Manifest:
    """What one shard of a step did."""

    step: str
    fingerprint: str
    shard: int | None
    rows_in: int
    rows_out: int
    dropped: Mapping[str, int]
    files: Sequence[Json]
    """Path, bytes, SHA-256 and rows of each file, relative to the root."""
    notes: Json
    """Facts worth keeping: model digests, thresholds, recall. The same in every run."""
    seconds: float

    def rows(self, table_folder: str) -> int:
        """Return how many rows the files below a folder hold."""
        return sum(f.get("num_rows", 0) for f in self.files if f["path"].startswith(table_folder))


def load_manifest(store: Store, step: Step, shard: int | None) -> Manifest | None:
    """Return the manifest of one shard, or null when it has not completed."""
    path = step.manifest_path(shard)
    if not store.exists(path):
        return None
    try:
        return Manifest(**orjson.loads(store.read_bytes(path)))
    except (orjson.JSONDecodeError, TypeError) as error:
        raise IntegrityError(
            f"{path} below {store.url} is no manifest ({error}); "
            f"remove the folder {step.folder} there and run again"
        ) from error


def require_manifest(store: Store, step: Step, shard: int | None) -> Manifest:
    """Return the manifest of one shard that must have completed."""
    manifest = load_manifest(store, step, shard)
    if manifest is None:
        raise IntegrityError(f"step {step.name} (shard {shard}) has not run below {store.url}")
    return manifest


def manifests_of(work: Work, table: str) -> Iterator[Manifest]:
    """Yield the manifests of the step that wrote an input table."""
    step = work.source_of(table)
    for shard in step.shards:
        yield require_manifest(work.store, step, shard)
