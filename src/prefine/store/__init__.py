"""Files under a root folder, local or remote, which are written atomically."""

from prefine.store.faults import is_fault, place_error
from prefine.store.filesystem import FileSystem, filesystem, reaching, sha256_of
from prefine.store.store import Draft, ParquetDraft, Store, drafted

__all__ = [
    "Draft",
    "FileSystem",
    "ParquetDraft",
    "Store",
    "drafted",
    "filesystem",
    "is_fault",
    "place_error",
    "reaching",
    "sha256_of",
]
