"""The vectors of an index, in memory or in a mapped file, as float32, float16 or 8-bit codes."""

import tempfile
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from prefine.search.settings import Search

Indices = npt.NDArray[np.int64]
Vectors = npt.NDArray[np.float32]

Storage = Literal["float32", "float16", "sq8"]

_BYTES: dict[str, int] = {"float32": 4, "float16": 2, "sq8": 1}
_CODED = 65_536
"""Vectors that are encoded at once."""


def size_in_bytes(count: int, width: int, storage: Storage) -> int:
    """Return the size of the vectors in bytes."""
    return count * width * _BYTES[storage]


def choose_storage(count: int, width: int, config: Search) -> Storage:
    """Choose the storage type by the size of the vectors only, because it affects results."""
    if size_in_bytes(count, width, "float32") <= config.full_bytes:
        return "float32"
    return "float16" if size_in_bytes(count, width, "float16") <= config.half_bytes else "sq8"


class StoredVectors:
    """Vectors by position, in memory or in a temporary file."""

    def __init__(self, count: int, width: int, storage: Storage, *, on_disk: bool) -> None:
        """Allocate the storage.

        Args:
            count: Number of vectors.
            width: Dimension of the vectors.
            storage: The type of a value; ``sq8`` is FAISS's 8-bit scalar quantization with a range
                per dimension.
            on_disk: Whether to use a memory-mapped temporary file.
        """
        import faiss

        self._folder = tempfile.TemporaryDirectory(prefix="prefine-index-") if on_disk else None
        self._codec: Any = faiss.ScalarQuantizer(width, faiss.ScalarQuantizer.QT_8bit)
        dtype = np.dtype(np.uint8 if storage == "sq8" else storage)
        shape = (count, width)
        if self._folder is None or not count:
            self._values: npt.NDArray[Any] = np.zeros(shape, dtype)
        else:
            path = Path(self._folder.name) / "vectors"
            self._values = np.memmap(path, dtype=dtype, mode="w+", shape=shape)

    def __len__(self) -> int:
        return len(self._values)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        del self._values
        if self._folder is not None:
            self._folder.cleanup()

    @property
    def _coded(self) -> bool:
        return self._values.dtype == np.uint8

    def train(self, sample: Vectors) -> None:
        """Learn the range of each dimension for ``sq8``."""
        if self._coded:
            self._codec.train(sample)

    def put(self, positions: Indices, vectors: Vectors) -> None:
        """Store vectors at their positions."""
        for start in range(0, len(positions), _CODED):
            block = np.ascontiguousarray(vectors[start : start + _CODED])
            values = self._codec.compute_codes(block) if self._coded else block
            self._values[positions[start : start + _CODED]] = values

    def get(self, positions: Indices) -> Vectors:
        """Return the vectors at some positions, shape (positions, dimensions); -1 is the last."""
        values = self._values[positions]
        return self._codec.decode(values) if self._coded else values.astype(np.float32, copy=False)
