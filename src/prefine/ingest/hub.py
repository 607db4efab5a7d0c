"""Read data sets through ``datasets``: ``hf://NAME?config=C&split=S&revision=R``."""

from collections.abc import Iterator
from hashlib import sha256
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import orjson

from prefine.errors import DataError, ServiceError
from prefine.settings.json import Json

_KEYS = {"config", "split", "revision"}


def load_hub(url: str) -> Iterator[Json]:
    """Read the rows of a data set by its ``hf://`` address: a hub name, or a folder.

    ``split`` defaults to ``train``.

    Raises:
        DataError: The address or the data set is wrong.
        ServiceError: The hub cannot be reached.
    """
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
    except (ConnectionError, HfHubHTTPError) as error:
        raise ServiceError(f"{url}: the hub cannot be reached ({error})") from error
    except (ValueError, FileNotFoundError, DatasetsError) as error:
        raise DataError(f"{url}: {str(error).splitlines()[0]}") from error
    return cast("Iterator[Json]", iter(cast("Any", rows)))


def _address(url: str) -> tuple[str, dict[str, str]]:
    parts = urlsplit(url)
    name = f"{parts.netloc}{parts.path}"
    options = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    unknown = sorted(set(options) - _KEYS)
    if not name or unknown:
        raise DataError(f"{url}: want hf://NAME?config=C&split=S&revision=R; unknown: {unknown}")
    return name, options


def hub_digest(url: str) -> tuple[str, int]:
    """Return a SHA-256 over the rows and their length as JSON: what identifies the source."""
    digest, length = sha256(), 0
    for row in load_hub(url):
        line = orjson.dumps(row, default=str, option=orjson.OPT_SORT_KEYS)
        digest.update(line + b"\n")
        length += len(line)
    return digest.hexdigest(), length
