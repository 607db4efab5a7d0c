"""A root folder, and drafts of files in it."""

import os
import re
import shutil
import socket
import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from prefine.errors import IntegrityError, PlaceError, RecipeError, ServiceError
from prefine.store.faults import is_fault, place_error, probe, reason_of
from prefine.store.filesystem import CHUNK, filesystem, refusals


class Draft:
    """A file that is being written; it gets its final path when it is published."""

    def __init__(self, store: "Store", path: str) -> None:
        self.path = path
        self.num_rows: int | None = None
        self._store = store
        self._digest = sha256()
        self._num_bytes = 0
        self._temporary = store.temporary_for(path)
        with store.writing():
            self._handle: IO[bytes] = self._temporary.open("wb")
        self.mode = "wb"
        self.before_discard: Callable[[], None] | None = None
        """Closes a writer that uses this file before the file is closed."""

    @property
    def closed(self) -> bool:
        """Whether all of it is on disk."""
        return self._handle.closed

    def write(self, data: bytes) -> int:
        """Append bytes."""
        view = memoryview(data)
        self._digest.update(view)
        self._num_bytes += view.nbytes
        with self._store.writing():
            return self._handle.write(view)

    def tell(self) -> int:
        """Return how many bytes were written."""
        return self._num_bytes

    def flush(self) -> None:
        """Do nothing: the file is flushed once, when it is published."""

    def close(self) -> None:
        """Flush to disk and close."""
        if not self._handle.closed:
            with self._store.writing():
                self._handle.flush()
                os.fsync(self._handle.fileno())
                self._handle.close()

    def publish(self) -> dict[str, Any]:
        """Move the file to its final path; return its path, size and SHA-256."""
        self.close()
        self._store.publish(self._temporary, self.path)
        return self.facts()

    def facts(self) -> dict[str, Any]:
        """Return path, size, SHA-256 and, for a table, number of rows."""
        digest = self._digest.hexdigest()
        found = {"path": self.path, "num_bytes": self._num_bytes, "sha256": digest}
        return found if self.num_rows is None else found | {"num_rows": self.num_rows}

    def discard(self) -> None:
        """Remove the file."""
        if self.before_discard is not None and not self._handle.closed:
            self.before_discard()
        self.before_discard = None
        with suppress(OSError):  # flushing the buffer fails on a full disk
            self._handle.close()
        self._temporary.unlink(missing_ok=True)


class ParquetDraft:
    """A Parquet file that is being written, one row group per call."""

    def __init__(
        self, draft: Draft, schema: pa.Schema, *, plain: Sequence[str] = (), **options: Any
    ) -> None:
        """Open a file.

        Args:
            draft: The file to write to.
            schema: Schema of all rows.
            plain: Columns without dictionary and compression; the others have both.
            options: Further options of ``ParquetWriter``.
        """
        self.draft = draft
        self.schema = schema
        self.num_rows = 0
        if plain:
            paths = [path for name in schema.names for path in _leaves(name, schema.field(name))]
            options["use_dictionary"] = [path for path in paths if path not in plain]
            options["compression"] = {path: "none" if path in plain else "zstd" for path in paths}
        options.setdefault("compression", "zstd")
        self._writer = pq.ParquetWriter(cast("IO[bytes]", draft), schema, **options)
        draft.before_discard = self._writer.close

    def write(self, table: pa.Table) -> None:
        """Append rows as one row group; an empty table writes none."""
        if table.num_rows:
            self._writer.write_table(table, row_group_size=table.num_rows)
            self.num_rows += table.num_rows

    def close(self) -> None:
        """Finish the file; its draft can be published afterwards."""
        self._writer.close()
        # writer and draft refer to each other through C++, which the garbage collector cannot see
        self.draft.before_discard = None
        self.draft.num_rows = self.num_rows
        self.draft.close()


def _leaves(path: str, field: Any) -> list[str]:
    """Return the paths of the columns that a Parquet file has for an Arrow field."""
    type_ = field.type
    if pa.types.is_list(type_) or pa.types.is_large_list(type_):
        return _leaves(f"{path}.list.element", type_.value_field)
    if pa.types.is_struct(type_):
        parts: list[Any] = [type_.field(number) for number in range(type_.num_fields)]
        return [one for part in parts for one in _leaves(f"{path}.{part.name}", part)]
    return [path]


class Store:
    """A root folder on any filesystem that fsspec supports."""

    def __init__(self, root: str) -> None:
        self.url = root
        self.fs, self.root = filesystem(root)
        self.local = type(self.fs).__name__ == "LocalFileSystem"

    def full(self, path: str) -> str:
        """Return the path within the filesystem."""
        return f"{self.root}/{path}" if path else self.root

    def exists(self, path: str) -> bool:
        """Return whether a file or folder exists."""
        return self.fs.exists(self.full(path))

    def reach(self) -> None:
        """Check that files can be written below the root, which need not exist yet.

        Raises:
            RecipeError: It is a file.
            PlaceError: The filesystem denies access, or cannot be reached.
        """
        try:
            is_file = self.exists("") and not self.fs.isdir(self.root)
        except (OSError, *refusals()) as error:
            text = f"cannot reach {self.url}: {reason_of(error)}; check the address and the access"
            raise PlaceError(text) from error
        if is_file:
            raise RecipeError(f"{self.url} is a file; name a folder")
        if self.local:
            with self.writing():
                probe(Path(self.root))

    @contextmanager
    def writing(self) -> Generator[None]:
        """Raise an error with a fix if a file cannot be written.

        Raises:
            PlaceError: The disk is full, there is no permission, or the like.
        """
        try:
            yield
        except (OSError, MemoryError) as error:
            raise place_error(error, f"cannot write below {self.url}") from error

    def read_bytes(self, path: str) -> bytes:
        """Return the content of a file."""
        with self.fs.open(self.full(path)) as handle:
            return handle.read()

    def write_bytes(self, path: str, data: bytes) -> dict[str, Any]:
        """Write a small file atomically; return its path, size and SHA-256."""
        draft = Draft(self, path)
        with drafted([draft]):
            draft.write(data)
            return draft.publish()

    def read_table(
        self,
        path: str,
        columns: Sequence[str] | None = None,
        where: Any = None,
        *,
        dictionaries: Sequence[str] = (),
    ) -> pa.Table:
        """Return rows of a Parquet file.

        Args:
            path: Relative to the root.
            columns: Which to read; all by default.
            where: A pyarrow filter; row groups that cannot match are not read.
            dictionaries: Text columns to return as dictionary arrays, as the file has them.

        Raises:
            IntegrityError: The file is missing or damaged.
        """
        names = None if columns is None else list(columns)
        options: dict[str, Any] = {
            "filesystem": self.fs,
            "read_dictionary": list(dictionaries) or None,
            "pre_buffer": True,
        }
        with self._whole(path):
            if where is not None:
                options["partitioning"] = None
                return pq.read_table(self.full(path), columns=names, filters=where, **options)
            # ``read_table`` would import pyarrow.dataset, and with it pandas: half a second
            with pq.ParquetFile(self.full(path), **options) as file:
                found = file.read(names)
            return found if names is None else found.select(names)

    @contextmanager
    def _whole(self, path: str) -> Generator[None]:
        """Raise an error with a fix if a finished file cannot be read."""
        fix = f"remove the folder {PurePosixPath(path).parts[0]} there and run again"
        try:
            yield
        except FileNotFoundError as error:
            text = f"{path} is missing below {self.url} though its step is complete; {fix}"
            raise IntegrityError(text) from error
        except (ConnectionError, TimeoutError) as error:
            raise ServiceError(f"{path} below {self.url}: connection lost ({error})") from error
        except (pa.ArrowInvalid, OSError, MemoryError, KeyError) as error:
            if isinstance(error, OSError | MemoryError) and is_fault(error):
                raise place_error(error, f"cannot read {path} below {self.url}") from error
            first = str(error).splitlines()[0]
            text = f"{path} below {self.url} is damaged ({first}); {fix}"
            raise IntegrityError(text) from error

    def read(
        self, path: str, columns: Sequence[str] | None = None, where: Any = None
    ) -> pl.DataFrame:
        """Return rows of a Parquet file as a frame."""
        return cast("pl.DataFrame", pl.from_arrow(self.read_table(path, columns, where)))

    def num_rows(self, path: str) -> int:
        """Return how many rows a Parquet file has."""
        with self._whole(path), self.fs.open(self.full(path)) as handle:
            return pq.ParquetFile(handle).metadata.num_rows

    def files(self, folder: str = "") -> list[str]:
        """Return all files below a folder, relative to the root."""
        start = len(self.root) + 1
        return sorted(path[start:] for path in self.fs.find(self.full(folder)))

    def modified(self, path: str) -> float:
        """Return when a file was written, in seconds since the epoch."""
        return self.fs.modified(self.full(path)).timestamp()

    def remove(self, path: str) -> None:
        """Remove a file."""
        self.fs.rm(self.full(path))

    def remove_all(self, folder: str) -> None:
        """Remove a folder, if it exists."""
        if self.exists(folder):
            self.fs.rm(self.full(folder), recursive=True)

    def copy_from(self, other: "Store", path: str, to: str) -> None:
        """Copy a file of another store; it gets its final path when it is complete."""
        draft = Draft(self, to)
        with drafted([draft]), other.fs.open(other.full(path)) as handle:
            while chunk := handle.read(CHUNK):
                draft.write(chunk)
            draft.publish()

    def temporary_for(self, path: str) -> Path:
        """Return where a draft of this path is written: in the same folder if local."""
        name = PurePosixPath(path).name
        mark = f"{socket.gethostname()}-{os.getpid()}-{os.urandom(3).hex()}"
        if not self.local:
            return Path(tempfile.gettempdir()) / f".{name}.{mark}.draft"
        folder = Path(self.full(path)).parent
        with self.writing():
            folder.mkdir(parents=True, exist_ok=True)
        return folder / f".{name}.{mark}.draft"

    def publish(self, temporary: Path, path: str) -> None:
        """Move a finished draft to its final path."""
        with self.writing():
            if self.local:
                temporary.replace(self.full(path))
            else:
                self.fs.put_file(str(temporary), self.full(path))
                temporary.unlink()

    def sweep(self, folder: str) -> None:
        """Remove drafts of processes of this machine that were killed.

        That is drafts, and leftovers of shards that are complete.
        """
        below = Path(self.full(folder)) if self.local else Path(tempfile.gettempdir())
        mine = re.compile(rf"\.{re.escape(socket.gethostname())}-(\d+)-[0-9a-f]{{6}}\.draft$")
        for path in below.rglob(".*.draft") if self.local else below.glob(".*.draft"):
            match = mine.search(path.name)
            if match is not None and not _alive(int(match[1])):
                path.unlink(missing_ok=True)
        for aside in below.glob("part-*.partial") if self.local else ():
            if aside.with_suffix(".json").exists() or (below / "corpus.json").exists():
                shutil.rmtree(aside, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def drafted(drafts: Sequence[Draft]) -> Generator[None]:
    """Discard all drafts when the block raises."""
    try:
        yield
    except BaseException:
        for draft in drafts:
            draft.discard()
        raise
