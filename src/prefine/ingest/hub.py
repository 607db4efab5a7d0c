"""Read data sets with the library ``datasets``: ``hf://NAME?config=C&split=S&revision=R``."""

import json
from collections.abc import Iterator
from hashlib import sha256
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import orjson

from prefine.errors import DataError, ServiceError
from prefine.ingest.forms.columnar import batch_values
from prefine.settings import require_extra
from prefine.settings.hub import transport_errors
from prefine.settings.json import Json

_KEYS = {"config", "split", "revision"}
_BATCH_ROWS = 1000


def load_hub(url: str) -> Iterator[Json]:
    """Read the rows of a data set.

    Args:
        url: ``hf://`` followed by the name of a data set on the hub, or by a folder. ``split``
            defaults to ``train``.

    Raises:
        RecipeError: ``datasets`` is not installed.
        DataError: The URL is malformed, or there is no such data set.
        ServiceError: The hub cannot be reached.
    """
    require_extra("hub", url)
    import datasets  # pyright: ignore[reportMissingTypeStubs]
    from datasets.exceptions import DatasetsError  # pyright: ignore[reportMissingTypeStubs]
    from huggingface_hub.errors import HfHubHTTPError

    name, options = _address(url)
    try:
        rows = datasets.load_dataset(
            name,
            options.get("config"),
            split=options.get("split", "train"),
            revision=options.get("revision"),
        )
    except (ConnectionError, HfHubHTTPError, *transport_errors()) as error:
        raise ServiceError(f"{url}: the hub cannot be reached ({error})") from error
    except (ValueError, FileNotFoundError, DatasetsError) as error:
        raise DataError(f"{url}: {str(error).splitlines()[0]}") from error
    tables = cast("Any", rows).with_format("arrow").iter(batch_size=_BATCH_ROWS)
    return (
        row for table in tables for batch in table.to_batches() for row in batch_values(batch)
    )  # fmt: skip


def _address(url: str) -> tuple[str, dict[str, str]]:
    parts = urlsplit(url)
    name = f"{parts.netloc}{parts.path}"
    options = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    unknown = sorted(set(options) - _KEYS)
    if not name or unknown:
        problem = f"unknown keys: {', '.join(unknown)}" if unknown else "no name of a data set"
        raise DataError(f"{url}: {problem}; write hf://NAME?config=C&split=S&revision=R")
    return name, options


def hub_digest(url: str) -> tuple[str, int]:
    """Return the SHA-256 of the rows as JSON lines, and their size in bytes."""
    digest, length = sha256(), 0
    for row in load_hub(url):
        try:
            line = orjson.dumps(row, default=str, option=orjson.OPT_SORT_KEYS)
        except TypeError:  # a number beyond 64 bits
            line = json.dumps(row, default=str, sort_keys=True).encode()
        digest.update(line + b"\n")
        length += len(line)
    return digest.hexdigest(), length
